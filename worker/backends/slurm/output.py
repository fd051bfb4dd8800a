"""The files that pilots leave at the cluster: what they wrote, and how they ended.

The files are in a folder that both the nodes and the login node see. So they are read as Slurm's
programs are run: by a small script that gets arguments, and a list on its standard input.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.backends.outputs import SHOWN
from worker.backends.slurm.client import SlurmClient
from worker.backends.slurm.states import by_exit
from worker.domain.ce_answers import Observed, Output
from worker.domain.errors import Unreadable
from worker.domain.pilot import GROUP_LENGTH, STAMP_LENGTH, Status, group_and_number
from worker.domain.secrets import end_of
from worker.domain.texts import abridged

# $1 is the folder, $2 the prefix of our jobs. A pilot of the same account can replace everything
# below $1 by symbolic links: no link is followed, neither to a file nor to a folder.
_ENTER = (
    "case $1 in /*) place=$1/$2 ;; *) place=$HOME/$1/$2 ;; esac\n"
    '[ ! -L "$place" ] && cd "$place" 2>/dev/null || { echo none; exit 0; }'
)
# The same for the ends of pilots, where a folder that cannot be read must not look like one that no
# pilot has made yet. Each folder on the way must be listed; only one that is missing from the list
# of the folder above is not there. The first, $1 or the home, must be there: it may not be mounted.
_ENTER_OR_FAIL = r"""
case $1 in /*) base=$1 rest=$2 ;; *) base=${HOME:?} rest=$1/$2 ;; esac
fail() { echo "$base/$rest cannot be read; is $base there, and mounted?" >&2; exit 1; }
[ ! -L "$base/$rest" ] && cd "$base/" || fail
set -f
IFS=/
for name in $rest; do
  [ -n "$name" ] || continue
  names=$(ls -a) || fail
  case "
$names
" in *"
$name
"*) cd "./$name" || fail ;; *) echo none; exit 0 ;; esac
done
unset IFS
set +f
ls >/dev/null || fail
"""
_GROUP = "[0-9a-f]" * GROUP_LENGTH
_STAMP = "[0-9a-f]" * STAMP_LENGTH
_OURS = f"./{_GROUP}/{_STAMP}"
"""A pattern of find that the names of our files match, without their suffixes."""

# A pilot can put anything in place of the file of its end. Reading a FIFO would never return, and a
# long file would fill the answer, so only short regular files are read. The variable is emptied
# before each file, so that a file without content does not repeat the content of the last one.
# Among the files are errors of find. A pilot can cause some of them by its own files, and many have
# no end yet. After any other error, or if find did not run to its end, nothing is known.
_PRINT_ENDS = """{
  while read -r file; do
    case $file in
    done) echo done; exit 0 ;;
    find:*": No such file or directory" | find:*": Permission denied") continue ;;
    find:*": Not a directory" | find:*"ymbolic link"*) continue ;;
    find:*) echo "$file" >&2; exit 1 ;;
    esac
    [ -L "${file%/*}" ] && continue
    content=; read -r content <"$file"; file=${file#./}; echo "${file%.end} $content"
  done
  exit 1
}
"""
_READ_ENDS = (
    _ENTER_OR_FAIL
    + """
{
  sed 's/$/.end/' | xargs -r sh -c '
    find "$@" -maxdepth 0 -type f -size -2 2>&1; [ $? -le 1 ]' sh && echo done
} | """
    + _PRINT_ENDS
)
_LIST_ENDS = (
    _ENTER_OR_FAIL
    + f"""
{{
  find . -path '{_OURS}.end' -type f -size -2 -mmin "-$3" 2>&1; [ $? -le 1 ] && echo done
}} | """
    + _PRINT_ENDS
)
_OUTPUT = (
    _ENTER
    + """
is_plain() { [ ! -L "${1%/*}" ] && [ ! -L "$1" ] && [ -f "$1" ]; }
is_plain "$3.out" || exit 0
exec <"$3.out" || exit 0
# Checked again, because the file may have been replaced meanwhile: the open file is this file.
is_plain "$3.out" && [ "$3.out" -ef /dev/fd/0 ] || exit 0
size=$(wc -c)
printf '\\036%s\\037' "$((size))"
if [ "$size" -le $((2 * $4)) ]; then cat </dev/fd/0
else head -c "$4" </dev/fd/0; printf '\\036\\037'; tail -c "$4" </dev/fd/0; fi
"""
)
# Removing a symbolic link removes only the link itself; find follows none, and files with other
# names stay.
_TIDY = (
    _ENTER
    + f"""
find . -path '{_OURS}.end' ! -type d -mmin "+$3" |
while read -r file; do [ -L "${{file%/*}}" ] || rm -f "${{file%.end}}.out" "$file"; done
find . \\( -path '{_OURS}.end' -o -path '{_OURS}.out' -o -path '{_OURS}.new' \\) ! -type d \\
  -mmin "+$4" -exec sh -c 'for file; do [ -L "${{file%/*}}" ] || rm -f "$file"; done' sh {{}} +
find . -path './{_GROUP}' -type d -mmin +60 -exec rmdir {{}} + 2>/dev/null
exit 0
"""
)
_ORPHANS_KEPT = 30 * 1440
"""Minutes that files without an end are kept longer: their pilot may run without writing."""

_END = re.compile(
    r"(?P<group>[0-9a-f]{24})/(?P<stamp>[0-9a-f]{32}) (?P<handle>[0-9]{1,18}(?:_[0-9]{1,9})?)"
    r" (?P<code>[0-9]{1,3}) (?P<begun>[0-9]{1,10}) (?P<ended>[0-9]{1,10})"
)
"""A line that the script prints. Other lines are ignored; no number in it is too large to read."""


@dataclass(frozen=True, kw_only=True)
class PilotEnd:
    """The end of a pilot, as the pilot's own script recorded it."""

    stamp: str
    handle: str
    code: int
    begun_at: datetime
    ended_at: datetime

    def observed(self, handle: str) -> Observed:
        """Return the end as an answer of the CE."""
        cause, reason = by_exit(self.code, None) if self.code else (None, None)
        return Observed(
            stamp=self.stamp,
            handle=handle,
            status=Status.FAILED if self.code else Status.DONE,
            cause=cause,
            raw=f"exit {self.code}",
            reason=reason,
            exit_code=self.code,
            started_at=self.begun_at,
            ended_at=self.ended_at,
        )


class Files:
    """The folder of one installation at one cluster."""

    def __init__(self, client: SlurmClient, folder: str, prefix: str) -> None:
        self._client = client
        self._where = (folder, prefix)

    def ends(self, stamps: Iterable[str]) -> dict[str, PilotEnd]:
        """Read the ends of these pilots, as far as they are recorded."""
        paths = "".join(f"{_path(stamp)}\n" for stamp in stamps)
        return _read(self._client.shell(_READ_ENDS, *self._where, stdin=paths))

    def ends_since(self, seconds: float) -> dict[str, PilotEnd]:
        """Read the ends of the pilots that ended in the last `seconds`."""
        minutes = int(seconds // 60) + 2
        return _read(self._client.shell(_LIST_ENDS, *self._where, str(minutes)))

    def output(self, stamp: str) -> Output:
        """Read what a pilot wrote; the middle of a long text is left out."""
        text = self._client.shell(_OUTPUT, *self._where, _path(stamp), str(SHOWN))
        match = re.search("\x1e([0-9]+)\x1f", text)
        if match is None:
            return Output(text="")
        text, left_out = text[match.end() :], int(match[1]) - 2 * SHOWN
        if left_out <= 0:
            return Output(text=text)
        head, _, tail = text.partition("\x1e\x1f")
        return Output(text=abridged(head, left_out, tail), truncated=True)

    def tidy(self, keep: float) -> None:
        """Remove files that were kept for `keep` seconds after the end of their pilot."""
        minutes = int(keep // 60)
        self._client.shell(_TIDY, *self._where, str(minutes), str(minutes + _ORPHANS_KEPT))


def _path(stamp: str) -> str:
    return f"{group_and_number(stamp)[0]}/{stamp}"


def _read(text: str) -> dict[str, PilotEnd]:
    if text.endswith("none\n"):
        return {}  # there is no such folder yet
    if not text.endswith("done\n"):
        raise Unreadable(end_of(text, 2000), "the list of ended jobs is cut short")
    ends = {}
    # `splitlines` would also split at other characters, which a pilot may write into its line.
    for line in text.split("\n"):
        match = _END.fullmatch(line)
        if match is not None and match["stamp"].startswith(match["group"]):
            ends[match["stamp"]] = PilotEnd(
                stamp=match["stamp"],
                handle=match["handle"],
                code=int(match["code"]),
                begun_at=datetime.fromtimestamp(int(match["begun"]), UTC),
                ended_at=datetime.fromtimestamp(int(match["ended"]), UTC),
            )
    return ends
