"""Removal of secrets from texts: whatever looks like a secret is replaced by `***`.

This is the only module that knows what secrets look like. Every text of a pilot, a CE or another
program passes through it before it is stored, logged or shown, and before it is cut: half a secret
would not be recognised. A name before the secret stays, so that a reader can see what was there.

The run time is at most linear in the length of the text, for any text: a pattern never begins
within a run of characters that it has already read, or it reads a bounded number of characters.
"""

import re
from collections.abc import Callable
from functools import lru_cache

REMOVED = "***"

_CUT = r"(?=\Z|\n\[(?:\.\.\.|…))"
"""The end of the text, or of the part before a note that says how much is left out."""

_NAME = r"""(?:
    passw(?:or)?d | passphrase | passcode | secret | token
  | (?<=[_-])pwd | (?<![a-z])(?:pass|pin)(?==)
  | (?:api|access|account|auth|encryption|private|shared|signing)[_-]?key )"""
_NOT_ABOUT_IT = r"(?![_-](?:file|path|dir|folder|url|type|name|length|lifetime|expir\w{0,8})\b)"
_REST_OF_NAME = r"(?:[_-]?key)?(?:[_-][\w-]{0,40})?"
_BETWEEN = r"""(?:\\{0,3}["'`]?\]?[ \t]{0,20}(?::=|=>|[:=])[ \t]{0,20}|>)"""
_NO_PROSE = r"""(?!(?<=token:\ )[a-z]{1,15}(?![^\s.,;:!?)\]]) | (?<=:\ )No\ such\ file\b)"""
"""What follows the name of a secret and is plain text, not a secret: a plain word after "token: ",
as in "token: expired"; and "No such file" after any name, which is then the name of a file.
"""
_PLACEHOLDER = r"""(?-i:PATH|FILE)(?=['"\s]|\Z)"""
"""A word of our own advice, as in "add one with --token PATH"."""
_VALUE = r"""(?:
    \\{0,3}"(?:[^"\\\r\n]|\\[^\r\n])*"?
  | \\{0,3}'(?:[^'\\\r\n]|\\[^\r\n])*'?
  | (?<=>)[^<\s]+
  | \S+ )"""

_QUOTE = re.compile(r"""\\{0,3}["']""")


def _hidden(match: re.Match[str]) -> str:
    """Replace a value after its name, within its quotes if it has some."""
    value = match["value"]
    quoted = _QUOTE.match(value)
    if quoted is None:
        return f"{match[1]}{REMOVED}"
    quote = quoted[0]
    is_closed = len(value) > len(quote) and value.endswith(quote)
    return f"{match[1]}{quote}{REMOVED}{quote if is_closed else ''}"


_Instead = str | Callable[[re.Match[str]], str]
_FAMILIES: tuple[tuple[tuple[str, ...], str, _Instead], ...] = (
    # Strings of which the text in small letters must contain one; the pattern; the replacement.
    (
        ("-----begin ",),
        r"-----BEGIN\ [A-Z0-9\ ]{1,40}-----.*?(?:-----END\ [A-Z0-9\ ]{1,40}-----|\Z)",
        REMOVED,
    ),
    (
        ("://",),
        rf"""(://[^\s/:@]{{0,100}}:) (?!(?-i:PASSWORD)@) (?:
            [^\s/"'<>]{{1,200}}@ | (?!\d{{1,5}}/)[^\s@"'<>]{{1,200}}@
          | (?!\d{{1,5}}{_CUT})[^\s/"'<>]{{1,200}}{_CUT} )""",
        rf"\1{REMOVED}@",
    ),
    (("://",), r"(://)[^\s/:@]{20,200}@", rf"\1{REMOVED}@"),
    (
        ("authorization", "auth-token", "api-key", "cookie"),
        r"""(\b(?:proxy-)?authorization|\bx-[\w-]{0,40}(?:auth-token|api-key)|\b(?:set-)?cookie)
            (\\{0,3}["']?[ \t]{0,20}[:=][ \t]{0,20}\\{0,3}["']?)[^\s"'\\][^\r\n"'\\]*""",
        rf"\1\2{REMOVED}",
    ),
    (
        ("bearer",),
        rf"""(\bbearer[ \t]{{1,20}}) (?!tokens?\b|auth\w{{0,20}}\b)
            (?:[\w.~+/=-]{{6,}} | [\w.~+/=-]{{1,5}}{_CUT})""",
        rf"\1{REMOVED}",
    ),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_", "hf_"),
        rf"(?<![a-z0-9])(?:gh[pousr]|npm|hf)_(?:[a-z0-9]{{16,}}|[a-z0-9]+{_CUT})",
        REMOVED,
    ),
    (
        ("gl", "xox", "xapp-", "sk-", "pypi-", "dckr_pat_", "github_pat_"),
        rf"""(?<![\w-])
            (?:gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-|xox[a-z]-|xapp-|sk-|pypi-
              |dckr_pat_|github_pat_)
            (?:[\w-]{{10,}} | [\w-]+{_CUT})""",
        REMOVED,
    ),
    (
        # Secrets of Pilotage: a whole one anywhere, or the part of one that a cut has left.
        ("pilotage_",),
        rf"""(?-i:pilotage_(?: [A-Za-z0-9_-]{{43,}}
              | (?=[^A-Z]{{0,42}}[A-Z])(?=[^a-z]{{0,42}}[a-z])[A-Za-z0-9_-]{{12,42}}{_CUT} ))""",
        REMOVED,
    ),
    (("hvs.", "ya29."), r"(?<![\w.-])(?:hvs|ya29)\.[\w.-]+", REMOVED),
    (
        ("akia", "asia"),
        rf"(?-i:(?<![A-Za-z0-9])A[KS]IA(?:[A-Z0-9]{{12,}}|[A-Z0-9]+{_CUT}))",
        REMOVED,
    ),
    (("aiza",), r"(?-i:(?<![\w-])AIza[\w-]{20,})", REMOVED),
    (("eyj",), r"(?-i:(?<![\w-])eyJ[\w-]{6,}(?:\.[\w-]*){0,4})", REMOVED),
    (
        ("login",),
        r"(\blogin[ \t]{1,20}\S{1,100}\s{1,20}password[ \t]{1,20})\S+",
        rf"\1{REMOVED}",
    ),
    (
        ("-u", "--user"),
        r"((?<!\S)(?:-u|--user)[ \t=]{1,20}[^\s:]{1,100}:)\S+",
        rf"\1{REMOVED}",
    ),
    (
        ("?", "&"),
        r"""([?&](?:x-amz-(?:signature|credential|security-token)|signature|sig|key|code|auth)=)
            [^\s&\#"'<>]+""",
        rf"\1{REMOVED}",
    ),
    (
        ("--",),
        rf"""((?<![\w-])--[\w-]{{0,40}}?
              (?:{_NAME}(?:[_-]?key)? | (?<=[_-])(?:pass|pin|pwd)) [ \t]{{1,20}})
            (?!- | {_PLACEHOLDER})(?P<value>{_VALUE})""",
        _hidden,
    ),
    (
        ("pass", "secret", "token", "pwd", "pin", "key"),
        rf"({_NAME}{_NOT_ABOUT_IT}{_REST_OF_NAME}{_BETWEEN}){_NO_PROSE}(?P<value>{_VALUE})",
        _hidden,
    ),
    # The second half of a secret from whose text the middle was left out.
    (("\n[...", "\n[…"), r"(\n\[(?:\.\.\.|…)[^\]\n]{0,80}\]\n)(?!-----)\S{8,}", rf"\1{REMOVED}"),
)
_COMPILED = tuple(
    (signs, re.compile(pattern, re.VERBOSE | re.DOTALL | re.IGNORECASE), instead)
    for signs, pattern, instead in _FAMILIES
)

_END = re.compile(r"-----END [A-Z0-9 ]{1,40}-----")
_BODY = re.compile(r"\s*[A-Za-z0-9+/=]*\s*")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_.~-]{16,}")
_SHORT_TEXT = 500


def without_secrets(text: str) -> str:
    """Return a text in which whatever looks like a secret is replaced by `***`."""
    return _cached(text) if len(text) <= _SHORT_TEXT else _clean(text)


def without_long_words(line: str) -> str:
    """Return a line without its long words. For a program that handles credentials: each long word
    could be one.
    """
    return _LONG_WORD.sub(REMOVED, without_secrets(line))


def hidden_url(url: str) -> str:
    """Return a URL in which each value of the query that may be a secret is replaced."""
    place, mark, query = url.partition("?")
    pairs = (_hidden_pair(pair) for pair in query.split("&"))
    return f"{without_secrets(place)}{mark}{'&'.join(pairs)}"


def _hidden_pair(pair: str) -> str:
    name, mark, value = pair.partition("=")
    if not mark:
        return without_long_words(pair)
    is_secret = REMOVED in without_secrets(f"?{name}=x") or value != without_long_words(value)
    return f"{name}{mark}{REMOVED if is_secret else value}"


def end_of(text: str, longest: int) -> str:
    """Return the end of a text without secrets. No secret is cut in half, which would hide it."""
    if len(text) > 8 * longest:
        _, _, text = text[-8 * longest :].partition("\n")
    return without_secrets(text)[-longest:]


def _clean(text: str) -> str:
    small = text.lower()
    for signs, pattern, instead in _COMPILED:
        if any(sign in small for sign in signs):
            text = pattern.sub(instead, text)
    return _without_ends_of_keys(text) if "-----END " in text else text


_cached = lru_cache(maxsize=2048)(_clean)
"""Cached, because CEs give the same few texts for thousands of pilots."""


def _without_ends_of_keys(text: str) -> str:
    """Remove the ends of PEM keys whose beginning is not in the text."""
    pieces = []
    position = 0
    for end in _END.finditer(text):
        lines = text[position : end.start()].splitlines(keepends=True)
        while lines and _BODY.fullmatch(lines[-1]):
            lines.pop()
        pieces += [*lines, REMOVED]
        position = end.end()
    return "".join([*pieces, text[position:]])
