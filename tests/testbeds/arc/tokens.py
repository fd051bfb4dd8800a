"""An issuer of bearer tokens, which the CE asks for its keys, and the tokens."""

import json
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.testbeds.arc.service import Testbed

SCOPE = "compute.create compute.read compute.modify compute.cancel"


class Issuer:
    """An issuer that signs tokens and publishes the key that checks them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = rsa.generate_private_key(65537, 2048)

    def token(self, subject: str, lifetime: int = 3600) -> str:
        """Return a new token."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": subject,
            "aud": "https://wlcg.cern.ch/jwt/v1/any",
            "scope": SCOPE,
            "wlcg.ver": "1.0",
            "iat": now - 10,
            "nbf": now - 10,
            "exp": now + lifetime,
            "jti": f"{subject}-{now}",
        }
        head = {"alg": "RS256", "typ": "JWT", "kid": "one"}
        text = f"{_base64(json.dumps(head).encode())}.{_base64(json.dumps(claims).encode())}"
        mark = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_base64(mark)}"

    def document(self, path: str) -> dict[str, Any] | None:
        """Return the document at a path."""
        numbers = self._key.public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": "one",
            "n": _base64(numbers.n.to_bytes(size, "big")),
            "e": _base64(numbers.e.to_bytes(3, "big")),
        }
        documents: dict[str, dict[str, Any]] = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                "token_endpoint": f"{self.url}/token",
            },
            "/jwks": {"keys": [key]},
        }
        return documents.get(path)


@contextmanager
def issuing(testbed: Testbed) -> Iterator[Issuer]:
    """Answer the CE while the block runs; it asks at every request with a token."""
    issuer = Issuer(testbed.issuer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            # ARC 6 sends the whole address where other clients send the path alone.
            document = issuer.document(urlsplit(self.path).path)
            # ARC does not survive a 404, so a document that is missing is an empty one.
            body = json.dumps(document if document is not None else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pki = Path(testbed.folder) / "pki"
    context.load_cert_chain(pki / "host.pem", pki / "host.key")
    port = urlsplit(testbed.issuer).port
    assert port is not None
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
