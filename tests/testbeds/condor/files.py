"""The files of HTCondor from packages of Debian 13, because Debian 12 has none."""

from pathlib import Path

from tests.testbeds import debian

MASTER = "usr/sbin/condor_master"


def tree() -> Path:
    """Return the folder; fetch the files from the machine's Debian mirror if they are missing."""
    return debian.tree("condor", ["condor", "mawk"], MASTER)
