"""HTCondor's files: Debian 12 has no package of it, so those of Debian 13 are unpacked."""

from pathlib import Path

from tests.testbeds import debian

MASTER = "usr/sbin/condor_master"


def tree() -> Path:
    """Give the folder, fetched from the machine's own Debian mirror unless it is there."""
    return debian.tree("condor", ["condor", "mawk"], MASTER)
