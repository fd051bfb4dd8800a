"""Certificates, a proxy and a SciToken that a private HTCondor trusts.

There is no issuer of the tokens: its key is already in the cache of the pool.
"""

import base64
import json
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ISSUER = "https://issuer.testbed"
SUBJECT = "/O=Testbed/CN=Pilot"
DAY = 86_400


def make(folder: Path, user: str) -> None:
    """Make all credentials for the jobs of one user, in the files that the daemons read."""
    folder.mkdir(mode=0o700, exist_ok=True)
    _authority(folder)
    host = socket.gethostname()
    _certificate(folder, "host", "/O=Testbed/CN=localhost", f"DNS:localhost,DNS:{host}")
    _certificate(folder, "pilot", SUBJECT, "DNS:pilot")
    _proxy(folder)
    _issuer(folder)
    (folder / "map").write_text(f'SSL "{SUBJECT}" {user}\nSCITOKENS "{ISSUER},pilot" {user}\n')


def _authority(folder: Path) -> None:
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=Testbed/CN=CA"]
    _openssl(folder, *words, "-days", "9", "-keyout", "ca.key", "-out", "ca.pem")


def _certificate(folder: Path, name: str, subject: str, names: str) -> None:
    (folder / f"{name}.txt").write_text(f"subjectAltName={names}\n")
    _sign(folder, name, subject, "ca")


def _proxy(folder: Path) -> None:
    """Make an X.509 proxy of the pilot's certificate; one file has all its parts."""
    (folder / "delegated.txt").write_text("proxyCertInfo=critical,language:id-ppl-inheritAll\n")
    _sign(folder, "delegated", f"{SUBJECT}/CN=4711", "pilot")
    parts = ("delegated.pem", "delegated.key", "pilot.pem")
    _write(folder / "proxy", "".join((folder / part).read_text() for part in parts))


def _sign(folder: Path, name: str, subject: str, by: str) -> None:
    ask = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", subject]
    _openssl(folder, *ask, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    sign = ["x509", "-req", "-days", "9", "-in", f"{name}.csr", "-extfile", f"{name}.txt"]
    _openssl(folder, *sign, "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial",
             "-out", f"{name}.pem")  # fmt: skip


def _issuer(folder: Path) -> None:
    _openssl(folder, "genrsa", "-out", "issuer.key", "2048")
    output = _openssl(folder, "rsa", "-in", "issuer.key", "-noout", "-modulus").decode()
    modulus = bytes.fromhex(output.strip().partition("=")[2])
    key = {"kty": "RSA", "alg": "RS256", "kid": "testbed", "n": _base64(modulus), "e": "AQAB"}
    later = int(time.time()) + 9 * DAY
    answer = {"jwks": {"keys": [key]}, "expires": later, "next_update": later}
    cache = folder / "cache" / "scitokens"
    cache.mkdir(parents=True, exist_ok=True)
    # The library uses this name.
    database = sqlite3.connect(cache / "scitokens_cpp.sqllite")
    with database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS keycache"
            " (issuer text UNIQUE PRIMARY KEY NOT NULL, keys text NOT NULL)"
        )
        database.execute("REPLACE INTO keycache VALUES (?, ?)", (ISSUER, json.dumps(answer)))
    database.close()
    _write(folder / "scitoken", _token(folder) + "\n")


def _token(folder: Path) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER, "sub": "pilot", "aud": "ANY", "ver": "scitoken:2.0", "jti": "1",
        "scope": "condor:/READ condor:/WRITE", "iat": now, "nbf": now, "exp": now + 9 * DAY,
    }  # fmt: skip
    head = {"alg": "RS256", "kid": "testbed", "typ": "JWT"}
    text = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
    signature = _openssl(folder, "dgst", "-sha256", "-sign", "issuer.key", data=text.encode())
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _openssl(folder: Path, *words: str, data: bytes = b"") -> bytes:
    command: Sequence[str] = ["openssl", *words]
    result = subprocess.run(
        command, cwd=folder, input=data, capture_output=True, check=True, env=dict(os.environ)
    )
    return result.stdout
