"""Start and stop a private HTCondor by hand, and look at its jobs."""

import argparse
import sys
from pathlib import Path

from tests.testbeds.condor import at, remove, up
from tests.testbeds.condor.configuration import SCHEDD

HOW = """HTCondor is up. Look at it:
  export CONDOR_CONFIG={config} PATH={programs}:$PATH
  condor_q -name {schedd} -allusers
Use it. The umask lets its jobs, which are of another user, write into folders that you make.
  umask 0
  pilotage db setup
  pilotage ce add condor --backend htcondor --capacity 20 --option programs={programs} \\
    --option config={config} --option schedd={schedd} --option output_folder={output}
  pilotage ce test condor --pilot
  pilotage up
"""


def main() -> int:
    """Execute the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.testbeds.condor")
    parser.add_argument("what", choices=("up", "down", "jobs"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--prefix", default="pilotage")
    arguments = parser.parse_args()
    if arguments.what == "down":
        remove(arguments.folder)
    elif arguments.what == "jobs":
        for stamp, handles in at(arguments.folder).jobs(arguments.prefix).items():
            sys.stdout.write(f"{stamp} {' '.join(handles)}\n")
    else:
        condor = up(arguments.folder, slots=arguments.slots)
        output = condor.kept.folder / "output"
        output.mkdir(exist_ok=True)
        output.chmod(0o777)
        how = {"config": condor.client, "programs": condor.programs, "output": output}
        sys.stdout.write(HOW.format(schedd=SCHEDD, **how))
    return 0


if __name__ == "__main__":
    sys.exit(main())
