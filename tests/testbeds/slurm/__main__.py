"""Start and stop a private Slurm by hand, and look at its jobs."""

import argparse
import sys
from pathlib import Path

from tests.testbeds.keeper import Kept
from tests.testbeds.slurm import Slurm, up

HOW = """Slurm is up. Use it:
  export SLURM_CONF={configuration}
  pilotage db setup
  pilotage ce add slurm --backend slurm --capacity 20 --option slurm_conf={configuration}
  pilotage ce test slurm --pilot
  pilotage up
"""


def main() -> int:
    """Execute the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.testbeds.slurm")
    parser.add_argument("what", choices=("up", "down", "jobs"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without-accounting", action="store_true")
    parser.add_argument("--prefix", default="pilotage")
    arguments = parser.parse_args()
    kept = Kept(arguments.folder.resolve())
    slurm = Slurm(kept=kept, configuration=kept.folder / "slurm.conf")
    if arguments.what == "down":
        slurm.down()
    elif arguments.what == "jobs":
        for stamp, handles in slurm.jobs(arguments.prefix).items():
            sys.stdout.write(f"{stamp} {' '.join(handles)}\n")
    else:
        slurm = up(arguments.folder, accounting=not arguments.without_accounting)
        sys.stdout.write(HOW.format(configuration=slurm.configuration))
    return 0


if __name__ == "__main__":
    sys.exit(main())
