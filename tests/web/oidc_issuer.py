"""A small issuer of OpenID Connect on the loopback, on a port of its own.

It signs everybody in at once as the person that a test chooses, and checks what a real one checks:
the client and its secret, the address to go back to, PKCE, and that a code is used once. By its
attributes a test makes it lie, be silent or never end.
"""

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.http_servers import served

CLIENT = "pilotage"
SECRET = "to be kept at the client alone: % + / &"

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


class Signer:
    """A key that signs ID tokens, and the form in which the issuer publishes it."""

    def __init__(self, kid: str, algorithm: str, key: Any) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.key = key

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.key, self.algorithm, headers={"kid": self.kid})

    def public(self) -> dict[str, Any]:
        algorithm: Any = jwt.get_algorithm_by_name(self.algorithm)
        values: dict[str, Any] = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**values, "kid": self.kid, "alg": self.algorithm, "use": "sig"}


ONE = Signer("one", "RS256", RSA_KEY)
ANOTHER = Signer("another", "ES256", EC_KEY)
NO_SIGNER = Signer("one", "none", None)
BY_SECRET = Signer("one", "HS256", SECRET)


class SmallIssuer:
    """The answers of the issuer, and the requests that it got."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.person: dict[str, Any] = {
            "sub": "8d3e",
            "preferred_username": "ada",
            "groups": ["/pilotage/operators"],
        }
        self.secret: str | None = SECRET
        self.signer = ONE
        self.public_keys = [ONE]
        self.claims: dict[str, Any] = {}
        """Wrong claims of ID tokens; a claim that is `None` is left out."""
        self.discovery: dict[str, Any] = {}
        """Wrong values of the description of the issuer; one that is `None` is left out."""
        self.refusal: str | None = None
        """The error with which it sends people back."""
        self.mute: set[str] = set()
        """Paths that are never answered."""
        self.endless: set[str] = set()
        """Paths whose answer never ends."""
        self.replies: dict[str, tuple[int, bytes]] = {}
        """Paths that it answers with these statuses and bodies."""
        self.request_counts: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        """The query of the last sign-in."""
        self.codes: dict[str, dict[str, str]] = {}
        self.over = threading.Event()

    def says(self) -> dict[str, Any]:
        of_itself = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
        }
        return {**of_itself, **self.discovery}

    def authorize(self, question: dict[str, str]) -> str:
        """Sign the person in; return the address that the browser goes back to."""
        assert question["response_type"] == "code"
        assert question["client_id"] == CLIENT
        assert question["code_challenge_method"] == "S256"
        assert "openid" in question["scope"].split()
        self.last = question
        back = question["redirect_uri"]
        if self.refusal is not None:
            return f"{back}?{urlencode({'error': self.refusal, 'state': question['state']})}"
        code = token_urlsafe()
        self.codes[code] = question
        answer = {"code": code, "state": question["state"], "iss": self.address}
        return f"{back}?{urlencode(answer)}"

    def token(self, form: dict[str, str], login: str) -> tuple[int, dict[str, Any]]:
        """Return the ID token for a code, once."""
        if not self._is_client(form, login):
            return 401, {"error": "invalid_client"}
        question = self.codes.pop(form.get("code", ""), None)
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        if question is None or question["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if question["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        id_token = self.signer.sign(self._claims(question["nonce"]))
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": id_token}

    def _is_client(self, form: dict[str, str], login: str) -> bool:
        if self.secret is None:
            return form.get("client_id") == CLIENT and not login
        if login:
            name, _, secret = b64decode(login.removeprefix("Basic ")).decode().partition(":")
            return (unquote(name), unquote(secret)) == (CLIENT, self.secret)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, self.secret)

    def _claims(self, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = {**usual, **self.person, **self.claims}
        return {name: value for name, value in claims.items() if value is not None}


class _Handler(BaseHTTPRequestHandler):
    issuer: SmallIssuer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self._is_off(parts.path):
            return
        if parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.issuer.authorize(_flat(parts.query)))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path == "/.well-known/openid-configuration":
            self._answer(200, self.issuer.says())
        elif parts.path == "/keys":
            self._answer(200, {"keys": [one.public() for one in self.issuer.public_keys]})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if not self._is_off(self.path):
            self._answer(*self.issuer.token(_flat(body), self.headers.get("Authorization", "")))

    def _is_off(self, path: str) -> bool:
        """Answer in the wrong way if a test wants that; return whether it did."""
        self.issuer.request_counts[path] += 1
        if path in self.issuer.mute:
            self.issuer.over.wait()
        elif path in self.issuer.endless:
            self._never_end()
        elif path in self.issuer.replies:
            status, body = self.issuer.replies[path]
            self._send(status, body)
        else:
            return False
        return True

    def _never_end(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.issuer.over.is_set():
                self.wfile.write(b" " * 65536)
        except OSError:
            pass  # the client has hung up
        self.close_connection = True

    def _answer(self, status: int, values: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(values).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
        pass


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


@contextmanager
def small_issuer() -> Iterator[SmallIssuer]:
    """Serve an issuer until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    issuer = SmallIssuer(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"issuer": issuer})
    with served(server):
        try:
            yield issuer
        finally:
            issuer.over.set()
