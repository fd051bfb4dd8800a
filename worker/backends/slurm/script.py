"""The script that Slurm runs for every element of an array: it makes of it one pilot.

It computes the stamp from its index, runs the payload in a folder of its own, passes a signal on,
and leaves behind what the pilot wrote and how it ended. The payload travels inside it. Where the
payload, a word or a variable had the stamp of its pilot in it, it has `OPEN` here, and each pilot
puts its own in.
"""

import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.backends import grace

SECRET_FILE = ".pilotage-secret"  # noqa: S105 - the name of its file
INDEX = "SLURM_ARRAY_TASK_ID"
OPEN = f"\x1f{secrets.token_hex(8)}\x1f"
"""Stands for the stamp in what all pilots of an array share; another word in each process, so that
no text has it already."""

_HEAD = """\
#!/bin/sh
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


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a set of pilots has in common: whose they are, what they run, and with what."""

    owner: str
    group: str
    offset: int
    payload: str | Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    prefix: str
    folder: str | None
    secrets: Sequence[str] = ()
    """One for each of them, in which its stamp stands."""
    url: str | None = None


def write(work: Work) -> str:
    """Write the script."""
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
            'exit "$code"\n',
        ]
    )


def _own_secret(work: Work) -> str:
    """Write what puts the secret of each pilot, and no other, into a file for it alone.

    The secrets are in no word of a command and in no variable: others on the node see those.
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
    """Write the payload into a file, and the command that runs it."""
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
    """Quote a word for a shell, but for the stamp in it."""
    return '"$PILOTAGE_STAMP"'.join(shlex.quote(piece) for piece in word.split(OPEN))


def _interpreter(payload: str) -> list[str]:
    """Read which program runs a text, as the kernel does; so no file has to be executable."""
    first = payload.partition("\n")[0].rstrip("\r")
    if not first.startswith("#!") or not first[2:].strip():
        return ["/bin/sh"]
    return first[2:].strip().split(maxsplit=1)
