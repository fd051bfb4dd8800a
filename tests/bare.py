"""Run a command as on a machine that has Python, make and git, and no server at all.

    python -m tests.bare make test

The command gets a PATH with these three and the programs of coreutils, util-linux and procps, an
empty home, no variable of this shell, and, where this is allowed, a network of its own in which
nobody listens on any port.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

PACKAGES = ("coreutils", "util-linux", "procps")
PROGRAMS = """
[ arch base64 basename cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dirname du
echo env expand expr factor false fmt fold groups head hostid id install join link ln logname ls
md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc od paste printenv printf ptx pwd readlink
realpath rm rmdir seq sha256sum shred shuf sleep sort split stat stty sum sync tac tail tee test
timeout touch tr true truncate tsort tty uname unexpand uniq unlink users vdir wc who whoami yes
chrt dmesg fallocate findmnt flock getopt ionice ipcrm ipcs last lscpu lslocks lsns mcookie
mountpoint nsenter prlimit rev setarch setpriv setsid taskset unshare whereis
free kill pgrep pidof pkill pmap ps pwdx sysctl top uptime vmstat w watch
"""
"""Programs of these packages, for a machine without dpkg to list them."""

VARIABLES = ("LANG", "LC_ALL", "TERM", "TMPDIR", "COLUMNS")
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def main(words: Sequence[str]) -> int:
    """Run the command, and return its exit code."""
    if not words:
        return say(str(__doc__))
    with tempfile.TemporaryDirectory(prefix="pilotage-bare-") as folder:
        # Servers that refuse to run as root run as somebody who must be able to enter.
        Path(folder).chmod(0o711)
        environment = bare(Path(folder))
        problem = own_network()
        if problem:
            say(f"bare: the servers of this machine can be reached by their ports: {problem}")
        with subprocess.Popen(words, env=environment) as command:
            # An interrupt reaches the command as well, which ends in its own way.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, lambda *_: command.terminate())
            return command.wait()


def bare(folder: Path) -> dict[str, str]:
    """Make the folder of programs and the empty home, and return the environment."""
    programs, home = folder / "bin", folder / "home"
    programs.mkdir()
    home.mkdir()
    for program in (*tools(), *package_programs()):
        link = programs / program.name
        if not link.is_symlink():
            link.symlink_to(program)
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {**variables, "PATH": str(programs), "HOME": str(home)}


def tools() -> Iterable[Path]:
    """Find Python, make and git; Python itself, not a script that chooses one."""
    python = Path(sys.base_prefix) / "bin" / "python3"
    yield python
    yield python.with_name(f"python3.{sys.version_info.minor}")
    for name in ("make", "git"):
        if path := shutil.which(name):
            yield Path(path)


def package_programs() -> Iterable[Path]:
    """List the programs of the packages."""
    if shutil.which("dpkg") is None:
        return [Path(path) for name in PROGRAMS.split() if (path := shutil.which(name))]
    listing = subprocess.run(
        ["dpkg", "--listfiles", *PACKAGES], check=False, capture_output=True, text=True
    )
    files = map(Path, listing.stdout.splitlines())
    return [file for file in files if file.parent.name in ("bin", "sbin") and file.is_file()]


def own_network() -> str:
    """Enter a network in which nobody listens; return why that cannot be, or nothing."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return os.strerror(ctypes.get_errno())
    with socket.socket() as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        flags = struct.unpack("16sh22x", answer)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))
    return ""


def say(words: str) -> int:
    """Print a line for a person, and return the exit code of a wrong call."""
    sys.stderr.write(f"{words}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
