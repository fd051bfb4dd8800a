"""Run a throw-away PostgreSQL server for as long as a test session lives.

This is a program of its own, so that the server ends with the session however the session ends:
the session holds a lock on a file, and when the lock is free the session is gone.

    python guardian.py BINARIES SESSION_FOLDER NAME PASSWORD_FILE
"""

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SETTINGS = {
    # Nothing here must survive a crash of the machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "max_parallel_workers_per_gather": "0",
    # The order of commits is the order in which limits are checked.
    "track_commit_timestamp": "on",
}
ATTEMPTS = 3
PATIENCE = 120.0


def main(binaries: str, session: str, name: str) -> None:
    """Start a server in the background and leave it to its guardian."""
    if os.fork():
        return
    os.setsid()
    with (Path(session) / "alive").open() as alive:
        guard(Path(binaries), Path(session) / name, alive.fileno())


def guard(binaries: Path, folder: Path, alive: int) -> None:
    """Write down how the start went, wait for the end of the session, and clear up."""
    server = None
    try:
        server, port = start(reachable(binaries, folder), folder)
        write_facts(folder, {"port": port})
        fcntl.flock(alive, fcntl.LOCK_EX)
    except (OSError, RuntimeError, LookupError) as error:
        write_facts(folder, {"problem": " ".join(str(error).split()) or type(error).__name__})
        return
    finally:
        if server is not None:
            stop(server)
    shutil.rmtree(folder.parent, ignore_errors=True)


def start(binaries: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Make a cluster and serve it on a free port of the loopback."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    if (user := server_user()) is not None:
        shutil.chown(data, user)
    make_cluster(binaries, data, folder / "password")
    log = (folder / "log").open("wb")
    for _ in range(ATTEMPTS):
        port = free_port()
        options = {**SETTINGS, "port": str(port), "unix_socket_directories": str(data)}
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        server = popen([str(binaries / "postgres"), "-D", str(data), *words], log.fileno())
        if is_ready(server, data):
            return server, port
        stop(server)
    raise RuntimeError((folder / "log").read_text(errors="replace")[-500:])


def make_cluster(binaries: Path, data: Path, password: Path) -> None:
    """Run initdb."""
    # The file is opened by an unprivileged user; its folder is closed to all others.
    copy = data.parent / "password-copy"
    shutil.copy(password, copy)
    if (user := server_user()) is not None:
        shutil.chown(copy, user)
    words = ["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    words += ["--auth=scram-sha-256", f"--pwfile={copy}", f"--pgdata={data}"]
    process = popen([str(binaries / "initdb"), *words], subprocess.PIPE)
    output, _ = process.communicate()
    copy.unlink()
    if process.returncode:
        raise RuntimeError(f"initdb: {output.decode(errors='replace')[-500:]}")


def is_ready(server: "subprocess.Popen[bytes]", data: Path) -> bool:
    """Wait until the server says that it is ready, or has ended."""
    give_up = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < give_up:
        try:
            if (data / "postmaster.pid").read_text().splitlines()[-1].strip() == "ready":
                return True
        except (OSError, IndexError):
            pass
        time.sleep(0.02)
    return False


def stop(server: "subprocess.Popen[bytes]") -> None:
    """Stop a server: quickly, then at once, then for certain."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(how)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            continue
        return


def popen(words: list[str], output: int) -> "subprocess.Popen[bytes]":
    """Start a program, as an unprivileged user where we are root: the server demands it."""
    user = server_user()
    group = None if user is None else pwd.getpwnam(user).pw_gid
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        user=user,
        group=group,
        extra_groups=None if user is None else [],
    )


def server_user() -> str | None:
    """Return the user that the server must run as, or None if that is our own."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def reachable(binaries: Path, folder: Path) -> Path:
    """Return binaries that the server's user can run: these, or a copy."""
    try:
        if popen([str(binaries / "postgres"), "--version"], subprocess.DEVNULL).wait() == 0:
            return binaries
    except PermissionError:
        pass
    install, package, site = binaries.parents[:3]
    copy = folder / "install" / package.name / install.name
    shutil.copytree(install, copy, symlinks=True)
    # A wheel keeps its libraries beside its package, and finds them by that relative path.
    for libraries in site.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, folder / "install" / libraries.name, symlinks=True)
    return copy / binaries.name


def free_port() -> int:
    """Find a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_facts(folder: Path, facts: dict[str, object]) -> None:
    """Write down how the start went, all at once."""
    draft = folder / "facts.draft"
    draft.write_text(json.dumps(facts), encoding="utf-8")
    draft.rename(folder / "facts.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
