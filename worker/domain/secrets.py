"""Secrets that a text may hold by accident: what looks like one is taken out."""

import re

_SECRET = re.compile(
    r"""-----BEGIN\ ([A-Z ]*PRIVATE\ KEY)-----.*?(-----END\ \1-----|\Z)   # a key, or half of one
      | \beyJ[\w-]{10,}\.[\w-]+(\.[\w-]*)?                               # a token that is a JWT
      | (?i:\bbearer\s+)[\w.~+/=-]{16,}                                  # any other token
      | (?i:\b(password|passphrase|secret))["']?\s*[:=]\s*\S+""",
    re.VERBOSE | re.DOTALL,
)

REMOVED = "***"


def without_secrets(text: str) -> str:
    """Take out of a text what looks like a key, a token or a password."""
    return _SECRET.sub(REMOVED, text)
