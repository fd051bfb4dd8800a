"""Real proxies, tokens and keys, made for a test."""

import base64
import json
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
HOUR = timedelta(hours=1)


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a secret."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def a_proxy(
    path: Path,
    begins: datetime,
    ends: datetime,
    *,
    issuer_ends: datetime | None = None,
    key: bool | str = True,
) -> Path:
    """Make a proxy as grid tools write it: certificate, key, the certificate that signed it."""
    own = ec.generate_private_key(ec.SECP256R1())
    user = ec.generate_private_key(ec.SECP256R1())
    chain = [
        _certificate("proxy", own, "user", user, begins, ends),
        _certificate("user", user, "user", user, begins - HOUR, issuer_ends or ends + 24 * HOUR),
    ]
    private = own if key != "another" else user
    parts = [
        chain[0].public_bytes(PEM),
        _pem(private) if key else b"",
        chain[1].public_bytes(PEM),
    ]
    return write(path, b"".join(parts))


def a_token(path: Path, **claims: Any) -> Path:
    """Make a JWT with a signature that nobody can verify."""
    parts = [json.dumps({"alg": "none"}), json.dumps(claims), "signature"]
    word = ".".join(base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in parts)
    return write(path, word + "\n")


def a_key(path: Path, *, passphrase: str = "", kind: str = "ed25519") -> Path:
    """Make a key of SSH with its own tool."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "a test", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def certify(key: Path, authority: Path, validity: str) -> Path:
    """Sign a key of SSH; the certificate lies beside it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "me", "-V", validity, f"{key}.pub"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return key.with_name(f"{key.name}-cert.pub")


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    begins: datetime,
    ends: datetime,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(signer, hashes.SHA256())
    )


def _name(word: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, word)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(PEM, form, serialization.NoEncryption())
