"""Writing the script that Slurm runs for every element of an array; each element is one pilot.

The script computes the stamp from the index, runs the payload in a folder of its own, passes a
signal on to it, and leaves files with the pilot's output and its end. It contains the payload.
Where the payload or an argument held the stamp of its pilot, the text has `OPEN` instead, and
each pilot replaces that with its own stamp.
"""

import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.backends import grace

SECRET_FILE = ".pilotage-secret"  # noqa: S105 - the name of its file
INDEX = "SLURM_ARRAY_TASK_ID"
OPEN = f"\x1f{secrets.token_hex(8)}\x1f"
"""The placeholder for the stamp in texts that all pilots of an array share. Each process draws a
random one, so that no text contains it already."""

# All commands are between two braces: of a script that was cut short on its way, a shell runs
# nothing. A part of it would end well, and its pilot would have done nothing.
_HEAD = """\
#!/bin/sh
{{
# A pilot of {owner}
PILOTAGE_STAMP=$(printf '%s%08x' {group} $((${{{index}:-0}} + {offset})))
export PILOTAGE_STAMP
"""

_KEEPING = """\
folder={folder}
case $folder in /*|'') ;; *) folder=$HOME/$folder ;; esac
kept=$folder/{prefix}/{group}
mine=$kept/$PILOTAGE_STAMP
if (
  umask 077 && mkdir -p "$kept" && rm -f "$mine.out" "$mine.end" && : >"$mine.out"
) 2>/dev/null; then
  exec >"$mine.out" 2>&1
else
  mine=
fi
"""

_FOLDER = """\
begun=$(date +%s)
work=$(mktemp -d "${TMPDIR:-/tmp}/pilotage.XXXXXXXX") || exit 71
cd "$work" || exit 71
"""

_SPEAKING = """\
(umask 077 && grep -F "_${{PILOTAGE_STAMP}}_" >"$work/{file}") <<'{mark}'
{secrets}
{mark}
PILOTAGE_URL={url} PILOTAGE_SECRET_FILE=$work/{file}
export PILOTAGE_URL PILOTAGE_SECRET_FILE
"""

_PAYLOAD = """\
{reader} >"$work/.pilot" <<'{mark}'
{text}
{mark}
chmod 700 "$work/.pilot"
"""

_CLEARING = """\
cd /
rm -rf "$work"
"""

_TELLING = """\
if [ -n "$mine" ]; then
  job=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_JOB_ID:+_$SLURM_ARRAY_TASK_ID}
  (umask 077 && printf '%s %s %s %s\\n' "$job" "$code" "$begun" "$(date +%s)" >"$mine.new" &&
    mv "$mine.new" "$mine.end") 2>/dev/null
fi
"""

_END = """\
exit "$code"
}
"""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the pilots of a batch have in common: owner, payload, arguments and environment."""

    owner: str
    group: str
    offset: int
    payload: str | Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    prefix: str
    folder: str | None
    secrets: Sequence[str] = ()
    """One secret for each pilot; the secret contains the stamp."""
    url: str | None = None


def write(work: Work) -> str:
    """Return the text of the script."""
    head = _HEAD.format(
        owner=" ".join(work.owner.split()), group=work.group, index=INDEX, offset=work.offset
    )
    variables = [f"export {name}={_quoted(value)}\n" for name, value in work.environment.items()]
    payload, command = _payload(work)
    keeping = work.folder is not None
    return "".join(
        [
            head,
            *variables,
            _KEEPING.format(
                folder=shlex.quote(work.folder or ""),
                prefix=shlex.quote(work.prefix),
                group=work.group,
            )
            if keeping
            else "",
            _FOLDER,
            _own_secret(work),
            payload,
            grace.named('"$work"'),
            grace.run(command),
            _CLEARING,
            _TELLING if keeping else "",
            _END,
        ]
    )


def _own_secret(work: Work) -> str:
    """Write the lines by which each pilot puts its own secret, and no other, into a private file.

    The secrets are not in arguments or in variables: other users of the node could see those.
    """
    if not work.secrets:
        return ""
    return _SPEAKING.format(
        file=SECRET_FILE,
        mark=f"PILOTAGE_{secrets.token_hex(8)}",
        secrets="\n".join(work.secrets),
        url=shlex.quote(work.url or ""),
    )


def _payload(work: Work) -> tuple[str, str]:
    """Return the lines that write the payload into a file, and the command that runs it."""
    if not isinstance(work.payload, str):
        return "", _joined([*work.payload, *work.arguments])
    reader = f'LC_ALL=C sed "s/{OPEN}/$PILOTAGE_STAMP/g"' if OPEN in work.payload else "cat"
    mark = f"PILOTAGE_{secrets.token_hex(8)}"
    text = _PAYLOAD.format(reader=reader, mark=mark, text=work.payload.removesuffix("\n"))
    runner = _joined(_interpreter(work.payload))
    return text, " ".join([runner, '"$work/.pilot"', _joined(work.arguments)])


def _joined(words: Sequence[str]) -> str:
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """Quote a word for a shell; the stamp in it becomes the shell variable."""
    return '"$PILOTAGE_STAMP"'.join(shlex.quote(piece) for piece in word.split(OPEN))


def _interpreter(payload: str) -> list[str]:
    """Return the program that runs a script, from its first line, as the kernel finds it.

    So the file of the script need not be executable.
    """
    first = payload.partition("\n")[0].rstrip("\r")
    if not first.startswith("#!") or not first[2:].strip():
        return ["/bin/sh"]
    return first[2:].strip().split(maxsplit=1)
