"""The door: gives each worker the configuration of one runner, and nothing else.

    python door.py fleet.toml --pilotage https://pilotage.example.org --port 8443 \
      --certificate cert.pem --key key.pem

A worker shows the secret that Pilotage gave it. Pilotage is asked whether it is one of its workers
that is not to end. Each gets one configuration, for the name of the runner comes from the secret.
The token that makes configurations is read from its file, and never leaves this machine but to
GitHub.
"""

import argparse
import hashlib
import logging
import re
import ssl
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from worker.demand import registry
from worker.demand.endpoints import is_private
from worker.demand.github import GithubOptions
from worker.demand.scale_set import ScaleSetClient
from worker.domain.errors import PilotageError

SECONDS = 30
log = logging.getLogger("door")
AT_ONCE = threading.BoundedSemaphore(8)
"""So many workers are served at a time; others come again."""
BEARER = re.compile(r"Bearer ([\x21-\x7e]{16,512})")


def options_of(fleet: Path) -> GithubOptions:
    """Read from the file of the fleet which scale set it is for."""
    teams = tomllib.loads(fleet.read_text(encoding="utf-8")).get("vo", {}).values()
    for source in (team.get("source", {}) for team in teams):
        if source.get("kind") == "github":
            options = registry.check(source)[1]
            why_not = options.objection()
            if why_not is None and isinstance(options, GithubOptions):
                return options
            sys.exit(f"{fleet}: {why_not}")
    sys.exit(f"{fleet}: no team has the source github")


def is_a_worker(pilotage: str, secret: str) -> bool:
    """Ask Pilotage whether this is the secret of a worker that is not to end."""
    answer = httpx.patch(
        f"{pilotage.rstrip('/')}/api/pilots/me",
        json={"state": "busy"},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=SECONDS,
    )
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return False
    return answer.raise_for_status().json().get("stop") is False


class Door(BaseHTTPRequestHandler):
    """Answers one request: POST /runner."""

    timeout = SECONDS
    options: GithubOptions
    pilotage: str

    def do_POST(self) -> None:
        if self.path != "/runner" or not AT_ONCE.acquire(blocking=False):
            return self.say(404 if self.path != "/runner" else 503)
        try:
            self.say(*self.configuration())
        except (PilotageError, httpx.HTTPError, ValueError) as error:
            # Its text holds no secret: those of Pilotage never do, and of others the kind is said.
            what = str(error) if isinstance(error, PilotageError) else type(error).__name__
            log.warning("no runner: %s", what)
            self.say(503)
        finally:
            AT_ONCE.release()

    def configuration(self) -> tuple[int, str]:
        """Return the configuration of the runner of whoever asks, or why there is none."""
        shown = BEARER.fullmatch(self.headers.get("Authorization", ""))
        if shown is None or not is_a_worker(self.pilotage, shown[1]):
            return 403, ""
        name = "pilotage-" + hashlib.sha256(shown[1].encode()).hexdigest()[:32]
        made = ScaleSetClient(self.options).runner(name)
        return (409, "") if made is None else (200, made)

    def say(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def main() -> None:
    words = argparse.ArgumentParser(description="Give each worker the configuration of one runner.")
    words.add_argument("fleet", type=Path)
    words.add_argument("--pilotage", required=True, help="where the server of Pilotage is")
    words.add_argument("--address", default="127.0.0.1")
    words.add_argument("--port", type=int, default=8443)
    words.add_argument("--certificate", help="a file; without it, workers of this machine only")
    words.add_argument("--key", help="the file of its key")
    chosen = words.parse_args()
    if chosen.certificate is None and chosen.address != "127.0.0.1":
        sys.exit("without --certificate the door is for this machine: a secret could be read")
    if not is_private(chosen.pilotage):
        sys.exit("--pilotage begins with https://, or is this machine: a secret could be read")
    Door.options, Door.pilotage = options_of(chosen.fleet), chosen.pilotage
    server = ThreadingHTTPServer((chosen.address, chosen.port), Door)
    if chosen.certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chosen.certificate, chosen.key)
        # The handshake is made when the first byte is read, by the thread of its own worker.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    server.serve_forever()


if __name__ == "__main__":
    main()
