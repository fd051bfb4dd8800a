"""The folder of a CE on our host: the output of pilots, in a folder for each group of pilots."""

import re
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from worker.backends import outputs
from worker.backends.htcondor.options import HTCondorOptions
from worker.domain.ce_answers import Output
from worker.domain.pilot import GROUP_LENGTH, STAMP_LENGTH, group_and_number

LIMIT = 1_000_000
"""The most bytes of an output that are shown."""
_GROUP = re.compile(rf"[0-9a-f]{{{GROUP_LENGTH}}}")
_OURS = re.compile(rf"[0-9a-f]{{{STAMP_LENGTH}}}\.(out|secret)")
SECRET_END = ".secret"  # noqa: S105 - how the names of their files end
_SENDING = ".sending-"
_LEFT_OVER = 3600.0


class OutputFolder:
    """The folder of one CE. Its mode follows the umask: the jobs may run as another user."""

    def __init__(self, ce: str, options: HTCondorOptions, home: Path) -> None:
        above = options.output_folder or home.absolute() / "htcondor"
        self.folder = above / quote(ce, safe="@:+")
        self._keep = options.keep_output

    @contextmanager
    def program(self, text: str) -> Iterator[Path]:
        """Write a program into a file that exists during the block, while it is submitted."""
        path = self.folder / f"{_SENDING}{secrets.token_hex(8)}"
        # A payload may hold secrets: only our own user may read it, and HTCondor reads as our user.
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def prepare(self, stamps: Iterable[str]) -> None:
        """Make the folders for the output of these pilots."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for group in {group_and_number(stamp)[0] for stamp in stamps}:
            (self.folder / group).mkdir(exist_ok=True)

    def write_secrets(self, secrets: Mapping[str, str]) -> None:
        """Write the secret of each pilot into a file that HTCondor hands to it alone.

        HTCondor reads the file as our user when the job begins.
        """
        for stamp, secret in secrets.items():
            path = self.path(stamp).with_suffix(SECRET_END)
            path.unlink(missing_ok=True)
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(f"{secret}\n", encoding="ascii")

    def path(self, stamp: str) -> Path:
        """Return the path of a pilot's output file."""
        return self.folder / group_and_number(stamp)[0] / f"{stamp}.out"

    def output(self, stamp: str) -> Output:
        """Read what a pilot wrote; the middle of a long text is left out."""
        return outputs.read(self.path(stamp), LIMIT // 2)

    def tidy(self, alive: Collection[str]) -> None:
        """Remove files that were kept long enough; keep the groups of the living pilots."""
        groups = {group_and_number(stamp)[0] for stamp in alive}
        now = time.time()
        with suppress(FileNotFoundError):
            for path in list(self.folder.iterdir()):
                with suppress(OSError):
                    age = now - path.lstat().st_mtime
                    if _GROUP.fullmatch(path.name) and path.name not in groups and age > self._keep:
                        outputs.remove_folder(path, _OURS)
                    elif path.name.startswith(_SENDING) and age > _LEFT_OVER:
                        path.unlink()
