"""The door: gives each worker the configuration of one runner, and nothing else.

    python door.py fleet.toml --pilotage https://pilotage.example.org --port 8443 \
      --certificate cert.pem --key key.pem

A worker shows the secret that Pilotage gave it. Pilotage is asked whether it is a worker of this
team that is not to end. Each gets one configuration, for the name of the runner comes from the
secret. The token that makes configurations is read from its file, and never leaves this machine but
to GitHub.
"""

import argparse
import hashlib
import logging
import re
import signal
import ssl
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

import pilotage  # noqa: F401 - with it the modules of an installation can be imported
from worker.demand import registry
from worker.demand.endpoints import kind_of, place_of
from worker.demand.github import GithubOptions
from worker.demand.scale_set import ScaleSetClient
from worker.domain.addresses import is_private, may_go_by_proxy
from worker.domain.errors import PilotageError

SECONDS = 30
log = logging.getLogger("door")
AT_ONCE = threading.BoundedSemaphore(8)
"""So many workers are served at a time; others come again."""
BEARER = re.compile(r"Bearer ([\x21-\x7e]{16,512})")


def team_of(fleet: Path, name: str | None) -> tuple[str, GithubOptions]:
    """Read from the file of the fleet which team has a scale set, and which one."""
    try:
        teams = tomllib.loads(fleet.read_text(encoding="utf-8")).get("vo", {})
    except (OSError, ValueError) as error:
        sys.exit(f"{fleet}: {getattr(error, 'strerror', None) or error}")
    sources = {team: settings.get("source", {}) for team, settings in teams.items()}
    with_one = [team for team, source in sources.items() if source.get("kind") == "github"]
    if name is not None:
        with_one = [team for team in with_one if team == name]
    if not with_one:
        sys.exit(f"{fleet}: {name or 'no team'} has {'no' if name else 'the'} source github")
    if len(with_one) > 1:
        sys.exit(f"{fleet}: say which team it is for: --team {' or '.join(with_one)}")
    try:
        options = registry.check(sources[with_one[0]])[1]
    except PilotageError as error:
        sys.exit(f"{fleet}: {error}")
    why_not = options.objection()
    if why_not is not None or not isinstance(options, GithubOptions):
        sys.exit(f"{fleet}: {why_not}")
    return with_one[0], options


def why_no_worker(url: str, secret: str, team: str) -> str | None:
    """Ask Pilotage whether this is the secret of a worker of the team that is not to end."""
    answer = httpx.get(
        f"{url.rstrip('/')}/api/pilots/me",
        headers={"Authorization": f"Bearer {secret}"},
        timeout=SECONDS,
        trust_env=may_go_by_proxy(url),
    )
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return "Pilotage does not know its secret, or it has ended"
    if answer.status_code != httpx.codes.OK:
        raise httpx.HTTPError(f"it answered {answer.status_code}")
    worker = answer.json()
    if worker["vo"] != team:
        return f"it is of the team {worker['vo']}"
    return "it is to end" if worker["stop"] else None


class Door(BaseHTTPRequestHandler):
    """Answers one request: POST /runner."""

    timeout = SECONDS
    options: GithubOptions
    pilotage: str
    team: str

    def do_POST(self) -> None:
        if self.path != "/runner" or not AT_ONCE.acquire(blocking=False):
            return self.say(404 if self.path != "/runner" else 503)
        try:
            self.say(*self.configuration())
        except PilotageError as error:  # its text holds no secret
            log.warning("no runner, GitHub: %s", ": ".join(map(str, error.details)))
            self.say(503)
        finally:
            AT_ONCE.release()

    def configuration(self) -> tuple[int, str]:
        """Return the configuration of the runner of whoever asks, or why there is none."""
        shown = BEARER.fullmatch(self.headers.get("Authorization", ""))
        try:
            why_not = why_no_worker(self.pilotage, shown[1], self.team) if shown else "no secret"
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            problem = str(error) if type(error) is httpx.HTTPError else kind_of(error)
            log.warning("no runner, Pilotage: %s: %s", place_of(self.pilotage), problem)
            return 503, ""
        if shown is None or why_not is not None:
            log.warning("no runner for %s: %s", self.client_address[0], why_not)
            return 403, ""
        name = "pilotage-" + hashlib.sha256(shown[1].encode()).hexdigest()[:32]
        made = ScaleSetClient(self.options).runner(name)
        if made is None:
            log.warning("no runner for %s: it had one", self.client_address[0])
            return 409, ""
        log.info("%s for %s", name, self.client_address[0])
        return 200, made

    def log_message(self, *arguments: Any) -> None:
        """Log no request by itself: what became of it is logged."""

    def say(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class Server(ThreadingHTTPServer):
    """Serves each worker in a thread of its own, and ends when all of them have their answers."""

    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        trust = isinstance(error, ssl.SSLError) and "UNKNOWN_CA" in str(error.reason)
        untrusted = "it does not trust the certificate of the door"
        problem = untrusted if trust else type(error).__name__
        log.warning("no runner for %s: %s", client_address[0], problem)


def words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Give each worker the configuration of one runner, until Ctrl-C."
    )
    add = parser.add_argument
    add("fleet", type=Path, help="the file of the fleet, as 'pilotage apply' takes it")
    add("--team", help="its team that has a scale set, if there are several")
    add("--pilotage", required=True, help="the address of Pilotage, as workers have it")
    add("--address", default="127.0.0.1", help="where it listens (%(default)s)")
    add("--port", type=int, default=8443, help="its port (%(default)s)")
    add("--certificate", help="a file; without it, workers of this machine only")
    add("--key", help="the file of its key")
    chosen = parser.parse_args()
    if chosen.certificate is None and chosen.address != "127.0.0.1":
        sys.exit("without --certificate the door is for this machine: a secret could be read")
    if not is_private(chosen.pilotage):
        sys.exit("--pilotage begins with https://, or is this machine: a secret could be read")
    return chosen


def opened(chosen: argparse.Namespace) -> Server:
    """Return the server, which listens already."""
    context = None
    if chosen.certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(chosen.certificate, chosen.key)
        except OSError as error:
            files = " and ".join(filter(None, (chosen.certificate, chosen.key)))
            sys.exit(f"{files}: no certificate with its key: {error.strerror or error.args[-1]}")
    try:
        server = Server((chosen.address, chosen.port), Door)
    except OSError as error:
        sys.exit(f"{chosen.address} port {chosen.port}: {error.strerror}")
    if context is not None:
        # The handshake is made when the first byte is read, by the thread of its own worker.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    return server


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    chosen = words()
    Door.pilotage, (Door.team, Door.options) = chosen.pilotage, team_of(chosen.fleet, chosen.team)
    server = opened(chosen)

    def close(sent: int, frame: object) -> None:
        signal.signal(sent, signal.SIG_DFL)  # the second one does not wait
        # In a thread of its own, for it waits for the loop that this one is in.
        threading.Thread(target=server.shutdown).start()

    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, close)
    place = "{} port {}".format(*server.server_address[:2])
    number = Door.options.scale_set
    log.info("open at %s for team %s, scale set %d; Ctrl-C closes it", place, Door.team, number)
    server.serve_forever()
    server.server_close()
    log.info("closed")


if __name__ == "__main__":
    main()
