"""TLS to Redis and PostgreSQL: the right authority works, any other gives one clear line."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests import guardian
from tests.acceptance import site
from tests.acceptance.processes import PILOTAGE, Processes, ended, one_line, settings_of
from tests.factories import a_ce
from tests.patience import until
from tests.redis_server import Redis, real
from tests.servers import binaries, temporary_folder, wheel
from tests.testbeds.arc.pki import Authority
from worker.db.database import Database
from worker.domain.pilot import Status

PASSWORD = "tls-of-a-test"
HERE = "localhost"
"""The name in the certificate. The address of the loopback is another name."""
ELSEWHERE = "127.0.0.1"
VERIFY_ERROR = "CERTIFICATE_VERIFY_FAILED"


@dataclass(frozen=True)
class Authorities:
    """The authority that signed the certificates of the servers, and another one."""

    right: Authority
    wrong: Authority


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    folders = [tmp_path_factory.mktemp(name) for name in ("right", "wrong")]
    return Authorities(*(Authority.make(folder, for_arc=False) for folder in folders))


@pytest.fixture
def tls_redis(tmp_path: Path, authorities: Authorities) -> Iterator[Redis]:
    """A server that speaks only TLS; its URL does not name the authority yet."""
    folder, pair = tmp_path / "redis", authorities.right.folder
    folder.mkdir()
    words = {
        "--port": "0",
        "--tls-port": "{port}",
        "--tls-cert-file": str(pair / "host.pem"),
        "--tls-key-file": str(pair / "host.key"),
        "--tls-auth-clients": "no",
        "--requirepass": PASSWORD,
    }
    more = [word for pair_of_words in words.items() for word in pair_of_words]
    query = f"?ssl_ca_certs={authorities.right.bundle}&ssl_check_hostname=false"
    try:
        with real(folder, more, scheme="rediss", login=f":{PASSWORD}", query=query) as server:
            url = server.url.partition("?")[0].replace(ELSEWHERE, HERE)
            yield replace(server, url=url)
    except LookupError as problem:
        pytest.skip(f"needs the service Redis with TLS: {problem}")


def settings_for(processes: Processes, database: Database, broker: str) -> dict[str, str]:
    with database.uow() as tx:
        a_ce().named("ce").with_options(**site.LIFE).create(tx)
    return site.settings(processes, database.url.render_as_string(), broker)


@pytest.mark.finding("M9")
def test_a_broker_with_a_certificate_of_our_authority_is_used(
    processes: Processes, sqlite_database: Database, tls_redis: Redis, authorities: Authorities
) -> None:
    url = f"{tls_redis.url}?ssl_ca_certs={authorities.right.bundle}"
    settings = settings_for(processes, sqlite_database, url)
    worker = processes.start("worker", site.worker("worker"), settings)
    beat = processes.start("beat", site.beat(), settings)

    until(
        lambda: (
            site.statuses(sqlite_database).get(Status.DONE)
            or VERIFY_ERROR in processes.said("beat")
        ),
        progress=processes.progress,
    )
    for one in (beat, worker):
        one.terminate()
    assert [ended(one) for one in (beat, worker)] == [0, 0]
    for name in ("worker", "beat"):
        assert "insecure" not in processes.said(name)
        assert VERIFY_ERROR not in processes.said(name)


@pytest.mark.parametrize("wrong", ["the authority", "no authority", "the name"])
def test_a_broker_with_another_certificate_is_not_used_and_a_line_says_so(
    processes: Processes,
    sqlite_database: Database,
    tls_redis: Redis,
    authorities: Authorities,
    wrong: str,
) -> None:
    url = {
        "the authority": f"{tls_redis.url}?ssl_ca_certs={authorities.wrong.bundle}",
        "no authority": tls_redis.url,
        "the name": tls_redis.url.replace(HERE, ELSEWHERE)
        + f"?ssl_ca_certs={authorities.right.bundle}",
    }[wrong]
    settings = settings_for(processes, sqlite_database, url)
    worker = processes.start("worker", site.worker("worker"), settings)
    until(lambda: "Trying again in" in processes.said("worker"), progress=processes.progress)
    processes.end()

    assert worker.returncode is not None
    output = processes.said("worker")
    [first] = [line for line in output.splitlines() if "Cannot connect" in line][:1]
    assert VERIFY_ERROR in first
    assert "Traceback" not in output
    assert PASSWORD not in output


@pytest.mark.finding("M9")
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://h:1/0?ssl_ca_certs=/x", "write rediss://"),
        ("rediss://h:1/0?ssl_cert_reqs=none", "ssl_ca_certs"),
        ("rediss://h:1/0?ssl_ca_certs=/nowhere/ca.pem", "/nowhere/ca.pem cannot be read"),
        ("rediss://h:1/0?sslrootcert=/x", "unknown option sslrootcert"),
    ],
)
def test_a_broker_that_would_not_be_verified_is_refused(
    processes: Processes, url: str, problem: str
) -> None:
    result = processes.run(site.beat(), settings_of({"broker_url": url}))

    one_line(result, problem)


# -- PostgreSQL


@contextmanager
def tls_postgresql(folder: Path, pair: Path) -> Iterator[int]:
    """Run a server that accepts TCP connections only with TLS; yield its port."""
    if not (places := [*binaries(), *wheel()]):
        pytest.skip("needs the service PostgreSQL: no server is on the path or in a wheel")
    folder.chmod(0o711)
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    data = folder / "data"
    data.mkdir(mode=0o700)
    user = guardian.server_user()
    if user is not None:
        shutil.chown(data, user)
    place = guardian.reachable(places[0], folder)
    guardian.make_cluster(place, data, folder / "password")
    for name in ("host.pem", "host.key"):
        shutil.copy(pair / name, data / name)
        (data / name).chmod(0o600)
        if user is not None:
            shutil.chown(data / name, user)
    (data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n", encoding="utf-8")
    port = guardian.free_port()
    options = {
        "listen_addresses": HERE,
        "port": str(port),
        "unix_socket_directories": str(data),
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": str(data / "host.pem"),
        "ssl_key_file": str(data / "host.key"),
    }
    words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    with (folder / "log").open("wb") as log:
        server = guardian.popen([str(place / "postgres"), "-D", str(data), *words], log.fileno())
    try:
        if not guardian.is_ready(server, data):
            pytest.skip(f"needs PostgreSQL with TLS: {(folder / 'log').read_text()[-300:]}")
        yield port
    finally:
        guardian.stop(server)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user of the server can enter."""
    folder = temporary_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.finding("M9")
def test_postgresql_is_used_only_with_a_certificate_of_our_authority_for_its_name(
    processes: Processes, authorities: Authorities, open_folder: Path
) -> None:
    with tls_postgresql(open_folder, authorities.right.folder) as port:

        def setup(host: str, query: str) -> dict[str, str]:
            login = f"postgresql://postgres:{PASSWORD}@{host}:{port}/pilotage_test"
            return settings_of({"database_url": f"{login}?{query}"})

        right, wrong = authorities.right.bundle, authorities.wrong.bundle
        words = [*PILOTAGE, "db", "setup"]
        result = processes.run(words, setup(HERE, f"sslmode=verify-full&sslrootcert={right}"))
        assert result.returncode == 0, result.stderr
        for host, query, problem in (
            (HERE, f"sslmode=verify-full&sslrootcert={wrong}", "certificate verify failed"),
            (ELSEWHERE, f"sslmode=verify-full&sslrootcert={right}", "does not match host name"),
            (HERE, "sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem"),
            (HERE, "sslmode=disable", "no encryption"),
        ):
            refusal = processes.run(words, setup(host, query))
            one_line(refusal, problem)
            assert PASSWORD not in refusal.stderr
