"""Start and stop a private sshd by hand."""

import argparse
import sys
from pathlib import Path

from tests.testbeds.keeper import Kept
from tests.testbeds.ssh import up


def main() -> int:
    """Execute the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.testbeds.ssh")
    parser.add_argument("what", choices=("up", "down"))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "down":
        Kept(arguments.folder.resolve()).down()
        return 0
    node = up(arguments.folder)
    options = " ".join(f"--option {name}={value}" for name, value in node.options.items())
    sys.stdout.write(
        "sshd is up. Use it for a CE of Slurm or HTCondor:\n"
        f"  pilotage ce set NAME {options}\n  pilotage ce test NAME\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
