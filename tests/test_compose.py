"""docker-compose.yml is what the Compose Specification allows, and names only what exists."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from graphlib import TopologicalSorter
from importlib import import_module
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

import celeryconfig
from tests.cli.command import address
from tests.patience import LONGEST, until
from tests.redis_server import free_port
from tests.test_docs import check_command
from worker import settings
from worker.db.database import Database
from worker.services.tasks import catalogue

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads((ROOT / "tests/data/compose-spec.json").read_text(encoding="utf-8"))
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
FILE: Mapping[str, Any] = yaml.safe_load(
    re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT).replace("$$", "$")
)
SERVICES: Mapping[str, Mapping[str, Any]] = FILE["services"]
OURS = {name: one for name, one in SERVICES.items() if str(one["image"]).startswith("pilotage")}
SECRETS = Path("/run/secrets")

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


def test_the_file_is_what_the_schema_allows() -> None:
    assert _mistakes(FILE) == []


def test_the_schema_would_find_a_mistake() -> None:
    beat = {**SERVICES["beat"], "restarts": "always", "stop_grace_period": 20}
    mistakes = _mistakes({**FILE, "services": {**SERVICES, "beat": beat}})

    assert [mistake.partition(": ")[0] for mistake in mistakes] == [
        "['services', 'beat', 'stop_grace_period']",
        "['services', 'beat']",
    ]


def _mistakes(file: Mapping[str, Any]) -> list[str]:
    # The schema names its draft by an address with the wrong protocol, which no validator knows.
    validator = import_module("jsonschema").Draft201909Validator(SCHEMA)
    return sorted(f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(file))


def test_the_services_are_the_parts_of_a_deployment() -> None:
    once = {"migrate", "roles", "worker-password"}
    assert {"postgres", "redis", "worker-plan", "worker-call", "beat"} | once <= set(SERVICES)
    assert SERVICES["beat"]["deploy"]["replicas"] == 2


@each_of_ours
def test_its_command_is_one_of_ours(name: str) -> None:
    for words in _commands(SERVICES[name]):
        check_command(words)


def test_the_health_of_a_process_is_asked_by_its_own_name() -> None:
    for service in OURS.values():
        for words in _commands(service):
            pinged = re.search(r"--destination=(\w+)@\$HOSTNAME", shlex.join(words))
            if pinged:
                assert f"--hostname={pinged[1]}@%h" in service["command"]


def test_every_queue_has_a_worker() -> None:
    queues = {
        word.removeprefix("--queues=")
        for service in OURS.values()
        for word in service["command"]
        if word.startswith("--queues=")
    }

    assert queues == {task.queue for task in catalogue.BUILT_IN}


@each_of_ours
def test_its_variables_are_settings(name: str, tmp_path: Path) -> None:
    values = dict(SERVICES[name]["environment"])
    for variable, value in values.items():
        if variable.endswith("_FILE"):
            values[variable] = str(tmp_path / Path(value).name)
            Path(values[variable]).write_text("redis://:x@redis:6379/0\n", encoding="utf-8")

    configuration = settings.load(values)

    assert configuration.broker_url is not None
    assert configuration.broker_url.get_secret_value() == "redis://:x@redis:6379/0"
    assert not configuration.is_embedded


@each_service
def test_what_it_waits_for_can_come(name: str) -> None:
    for requirement, how in SERVICES[name].get("depends_on", {}).items():
        other = SERVICES[requirement]
        if how["condition"] == "service_healthy":
            assert "healthcheck" in other
        if how["condition"] == "service_completed_successfully":
            assert other["restart"] == "no"


def test_nothing_waits_for_itself() -> None:
    graph = {name: list(one.get("depends_on", {})) for name, one in SERVICES.items()}

    assert len(list(TopologicalSorter(graph).static_order())) == len(SERVICES)


@pytest.mark.finding("L12")
@each_service
def test_it_is_kept_alive_bounded_and_looked_at(name: str) -> None:
    service = SERVICES[name]
    reasons = service.get("x-reasons", {})

    assert service["restart"] != "no" or reasons["restart"]
    assert "healthcheck" in service or reasons["healthcheck"]
    assert set(service["deploy"]["resources"]["limits"]) >= {"cpus", "memory"}
    assert 32 <= service["pids_limit"] <= 1024
    assert service["logging"]["options"]["max-size"]
    assert "container_name" not in service


@each_of_ours
def test_it_can_change_nothing_but_its_state_folder(name: str) -> None:
    service = SERVICES[name]
    folders = {mount.partition(":")[0] for mount in service["tmpfs"]}

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["environment"]["PILOTAGE_HOME"] in folders
    assert "privileged" not in service


@pytest.mark.finding("L12")
@each_service
def test_it_has_no_right_of_root_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    begins_as_root = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}

    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", [])) == (begins_as_root if name == "postgres" else set())
    assert "no-new-privileges:true" in service["security_opt"]


@each_service
def test_it_is_not_reached_from_outside(name: str) -> None:
    service = SERVICES[name]
    ways_in = service.get("ports", [])

    assert ways_in == [] or (name == "web" and ways_in == ["127.0.0.1:8017:8017"])
    assert service["networks"] == ["inside"] or name in {"worker-call", "web", "pilotage"}
    assert FILE["networks"]["inside"]["internal"] is True


def test_the_server_believes_a_proxy_on_the_host() -> None:
    """A connection from the host to a published port comes from the gateway of its network."""
    [outside] = FILE["networks"]["outside"]["ipam"]["config"]

    assert SERVICES["web"]["environment"]["PILOTAGE_WEB_PROXIES"] == outside["gateway"]
    assert ip_address(outside["gateway"]) in ip_network(outside["subnet"])


def test_a_worker_has_longer_to_stop_than_a_task_to_run() -> None:
    for service in OURS.values():
        if "worker" in service["command"]:
            grace = int(service["stop_grace_period"].removesuffix("s"))
            assert grace > celeryconfig.task_time_limit


def test_no_secret_stands_in_the_file() -> None:
    assert not re.search(r"://[^\s/]*:[^\s/]*@", TEXT)
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|(?<!WEB_)URL", variable):
                assert variable.endswith("_FILE"), variable
                assert Path(value).parent == SECRETS
    for secret in FILE["secrets"].values():
        assert set(secret) == {"file"}


@each_service
def test_it_is_given_the_secrets_that_it_reads_and_no_others(name: str) -> None:
    service = SERVICES[name]
    secrets = set(re.findall(rf"{SECRETS}/(\w+)", json.dumps(service)))

    assert secrets == set(service.get("secrets", []))
    assert secrets <= set(FILE["secrets"])


def test_the_example_of_the_environment_names_what_the_file_asks_for() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    example_values = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", TEXT))

    assert example_values.pop("COMPOSE_PROJECT_NAME") == "pilotage"
    assert example_values == defaults


# -- the commands, against real servers


class Deployment:
    """The processes of the file on this machine: its secrets in a folder, its Redis on a port."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database, owner = folder, database, database.url
        self.owner = owner
        self.worker = f"{owner.database}_worker"
        self.port, web_port = free_port(), free_port()
        self._write("owner_url", address(owner))
        self._write("postgres_password", owner.password or "")
        self._write("worker_password", "worker-of-a-test")
        worker = owner.set(username=self.worker, password="worker-of-a-test")
        self._write("database_url", address(worker))
        self._write("redis_password", "hush")
        self._write("broker_url", f"redis://:hush@127.0.0.1:{self.port}/0")
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOSTNAME": socket.gethostname(),
            "PILOTAGE_WEB_PORT": str(web_port),
        }

    def _write(self, secret: str, value: str) -> None:
        (self.folder / secret).write_text(f"{value}\n", encoding="utf-8")

    def start(self, name: str, words: Sequence[str] | None = None) -> subprocess.Popen[str]:
        """Start a service, or another command in its place."""
        here = [self._here(word) for word in words or SERVICES[name]["command"]]
        variables = {
            variable: self._here(value).replace("/var/lib/pilotage", str(self.folder))
            for variable, value in SERVICES[name].get("environment", {}).items()
        }
        return subprocess.Popen(
            here,
            env={**self.environment, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def ends(self, name: str, words: Sequence[str] | None = None) -> str:
        """Run a service that ends by itself; return its output."""
        process = self.start(name, words)
        output, _ = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, output
        return output

    def is_healthy(self, name: str) -> bool:
        """Run its health check as the engine would."""
        how, *words = SERVICES[name]["healthcheck"]["test"]
        process = self.start(name, ["sh", "-c", *words] if how == "CMD-SHELL" else words)
        process.communicate(timeout=LONGEST)
        return process.returncode == 0

    def roles_at_work(self) -> set[str]:
        """Return the roles of the other sessions of the database."""
        sessions = "datname = current_database() AND pid <> pg_backend_pid()"
        with self.database.engine.connect() as connection:
            query = text(f"SELECT usename FROM pg_stat_activity WHERE {sessions}")
            return set(connection.execute(query).scalars())

    def has_password(self, role: str) -> bool:
        with self.database.engine.connect() as connection:
            query = text("SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = :role")
            return bool(connection.scalar(query, {"role": role}))

    def _here(self, text: str) -> str:
        text = text.replace(str(SECRETS), str(self.folder))
        text = text.replace("--owner=pilotage", f"--owner={self.owner.username}")
        text = text.replace("redis-server -", f"redis-server - --bind 127.0.0.1 --port {self.port}")
        text = text.replace("redis-cli", f"redis-cli -p {self.port}")
        text = text.replace("--address=0.0.0.0", "--address=127.0.0.1")
        # psql takes host, user and database from the URL.
        libpq = address(self.owner.set(drivername="postgresql"))
        text = text.replace("--dbname=pilotage", f"--dbname={shlex.quote(libpq)}")
        return text.replace("pilotage_worker", self.worker)


@pytest.fixture
def processes() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Processes by name; those that a failed test leaves behind are killed."""
    children: dict[str, subprocess.Popen[str]] = {}
    yield children
    for process in children.values():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def here(postgresql_blank: Database, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment of which only the database exists; its roles are removed afterwards."""
    deployment = Deployment(tmp_path, postgresql_blank)
    yield deployment
    with postgresql_blank.engine.begin() as connection:
        for role in (deployment.worker, f"{deployment.owner.database}_reader"):
            if connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": role}):
                connection.exec_driver_sql(f'DROP OWNED BY "{role}"')
                connection.exec_driver_sql(f'DROP ROLE "{role}"')


@pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("psql")),
    reason="needs the programs redis-server and psql",
)
def test_the_processes_run_as_the_file_says(
    here: Deployment, processes: dict[str, subprocess.Popen[str]]
) -> None:
    processes["redis"] = here.start("redis")
    until(lambda: here.is_healthy("redis"), "a healthy Redis")
    for _ in range(2):
        here.ends("migrate")
        here.ends("roles")
        assert here.ends("worker-password") == ""
    here.ends("pilotage", shlex.split("pilotage ce add lyon --backend sim --capacity 3"))
    ours = ("worker-plan", "worker-call", "beat", "web")
    processes |= {name: here.start(name) for name in ours}
    processes["the other beat"] = here.start("beat")
    until(lambda: _count_submitted(here) == 3, "three submitted pilots")
    assert here.roles_at_work() == {here.worker}
    assert here.has_password(here.worker)

    assert [name for name in processes if "other" not in name and not here.is_healthy(name)] == []
    for name in reversed(list(processes)):
        processes[name].terminate()
        output, _ = processes[name].communicate(timeout=LONGEST)
        assert processes[name].returncode == 0, f"{name}: {output}"


def _count_submitted(here: Deployment) -> int:
    words = ["pilotage", "pilot", "list", "--status", "submitted", "--status", "running", "--json"]
    return len(json.loads(here.ends("pilotage", words))["items"])


# -- the image


@pytest.mark.finding("M10")
def test_an_image_with_the_clients_of_batch_systems_is_derived_as_the_page_says() -> None:
    page = (ROOT / "docs/how-to/deploy.md").read_text(encoding="utf-8")
    section = page.partition("### What the image does not have")[2].partition("\n## ")[0]
    [dockerfile] = re.findall(r"```dockerfile\n(.*?)```", section, re.DOTALL)
    [mounts] = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    override = yaml.safe_load(mounts)

    # Nothing of a batch system is in the image itself.
    assert not any("apt-get" in step for step in _steps())
    for client in ("openssh-client", "slurm-client", "condor_submit", "postgresql-client"):
        assert client in section
    assert dockerfile.startswith(f"FROM {SERVICES['pilotage']['image']}\n")
    users = re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE)
    assert users[0] == "root"
    assert f"USER {users[-1]}" in _steps()
    assert _mistakes(override) == []
    assert override["services"].keys() <= OURS.keys()
    for name in ("worker-call", "pilotage"):
        [credentials] = override["services"][name]["volumes"]
        assert credentials.endswith(":ro")


def _steps() -> list[str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


def test_the_image_is_made_of_files_that_are_there_and_are_not_ignored() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    sources = [step.split()[1:-1] for step in _steps() if step.startswith("COPY")]
    files = {word for words in sources if not words[0].startswith("--from") for word in words}

    assert files
    for file in files:
        assert (ROOT / file).exists(), file
        assert f"!{file.removeprefix('./')}" in rules


def test_the_image_is_run_by_somebody_without_rights() -> None:
    users = [step.split()[1] for step in _steps() if step.startswith("USER")]

    assert users
    assert not {"root", "0"} & {part for user in users for part in user.split(":")}
    for name in OURS:
        for mount in SERVICES[name]["tmpfs"]:
            if "uid=" in mount:
                assert f"uid={users[-1].split(':')[0]}," in mount


def test_the_image_installs_only_what_is_locked_and_hashed() -> None:
    installs = [step for step in _steps() if "pip install" in step]

    assert all("--require-hashes" in step or "--no-deps" in step for step in installs)


def test_what_runs_is_what_was_tested() -> None:
    assert _pins("requirements-run.lock").items() <= _pins("requirements.lock").items()


def _pins(file: str) -> dict[str, str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+(?:\[\w+\])?)==(\S+)", text, re.MULTILINE))


def _commands(service: Mapping[str, Any]) -> Iterator[list[str]]:
    yield [*service.get("entrypoint", []), *service["command"]]
    if "healthcheck" in service:
        how, *words = service["healthcheck"]["test"]
        yield shlex.split(words[0]) if how == "CMD-SHELL" else words
