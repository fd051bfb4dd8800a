"""The user of the jobs of a testbed."""

import getpass
import os
import pwd
import subprocess

from tests.testbeds.packages import program

JOB_USER = "griduser"
"""The user who runs the jobs and logs in, if the testbed belongs to root."""


def job_user() -> str:
    """Return the name of the user; root's testbeds have one for it, and make it if needed."""
    if os.geteuid() != 0:
        return getpass.getuser()
    if JOB_USER not in {user.pw_name for user in pwd.getpwall()}:
        # sshd refuses users whose password is locked with an exclamation mark.
        command = ["useradd", "--create-home", "--password", "*", "--shell", "/bin/sh", JOB_USER]
        subprocess.run([program(command[0]), *command[1:]], check=True, capture_output=True)
    return JOB_USER
