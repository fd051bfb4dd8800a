"""The user that jobs of a testbed run as."""

import getpass
import os
import pwd
import subprocess

from tests.testbeds.packages import program

JOB_USER = "griduser"
"""Who runs the jobs and logs in, if the testbed belongs to root."""


def job_user() -> str:
    """Tell who it is; root's testbeds have a user for it, and make it if it is not there."""
    if os.geteuid() != 0:
        return getpass.getuser()
    if JOB_USER not in {user.pw_name for user in pwd.getpwall()}:
        # sshd takes nobody whose password is locked with an exclamation mark.
        made = ["useradd", "--create-home", "--password", "*", "--shell", "/bin/sh", JOB_USER]
        subprocess.run([program(made[0]), *made[1:]], check=True, capture_output=True)
    return JOB_USER
