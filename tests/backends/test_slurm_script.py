"""The script of an array of Slurm, if only a part of it arrives."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.backends.slurm.names import Names
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.submit import batches
from worker.domain.ce_answers import Order
from worker.domain.pilot import GROUP_LENGTH, numbered

PAYLOAD = "#!/bin/sh\n}\ncat <<END\n}; exit 0\nEND\n: '\n}\n'\n# filling\n"
OPTIONS = [
    SlurmOptions(environment={"ODD": "a\n}\nexit 0\n' \" \\"}),
    SlurmOptions(output_folder=None, command=("true", "a\n}\n")),
    SlurmOptions(command="exit 0"),
]
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
HERE = [name for name in SHELLS if shutil.which(name)]


def script_of(options: SlurmOptions) -> str:
    """Return the script of two pilots, which have a payload if the CE has no command."""
    payload = None if "command" in options.model_fields_set else PAYLOAD
    some = [
        Order(
            stamp=numbered("a" * GROUP_LENGTH, n),
            vo="lhcb",
            script=payload,
            arguments=("}\n",),
            secret=f"s_{numbered('a' * GROUP_LENGTH, n)}_secret",
            url="https://pilotage.example.org",
        )
        for n in range(2)
    ]
    [batch] = batches(some, 1001)
    return batch.script("hpc", Names("p"), options)


def beginnings(text: str) -> Iterator[str]:
    """Yield parts that lack more than the last line break: each line, and other lengths."""
    lines = text.splitlines(keepends=True)
    ends = {len("".join(lines[:n])) for n in range(len(lines))}
    for end in sorted(ends | set(range(0, len(text) - 1, 17)) | set(range(20))):
        yield text[:end]


def is_accepted(text: str, shell: str) -> bool:
    """Return whether a shell finds no error in a script, of which it runs nothing."""
    words = [*SHELLS[shell], "-n"]
    done = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("shell", HERE)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_part_of_a_script_is_an_error_before_anything_runs(
    options: SlurmOptions, shell: str
) -> None:
    text = script_of(options)
    assert is_accepted(text, shell)
    for part in beginnings(text):
        assert not is_accepted(part, shell) or part.strip() in "#!/bin/sh", part[-200:]


def test_a_pilot_of_which_a_part_arrived_fails(tmp_path: Path) -> None:
    text = script_of(OPTIONS[0])
    script = tmp_path / "slurm_script"
    script.write_text(text[: text.index("# filling")])
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    words = ["/bin/sh", str(script)]
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == [script]
