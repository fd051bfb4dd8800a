"""Checks of the file of a credential. No result holds any of the file's content.

The file must belong to us or to root, nobody else may read it, and its content must be of the
stated kind. Anything else is a problem, described in a few plain words.

`cryptography` is imported only where a file is read: most commands read no credential.
"""

import base64
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from worker.db import credentials
from worker.db.uow import UnitOfWork
from worker.domain.credential import Credential, CredentialKind, problem_of
from worker.domain.errors import CredentialProblem

LARGEST = 1 << 20
"""The largest size of a credential, in bytes."""

SKEW = timedelta(minutes=1)
"""How far the clocks of other hosts may be ahead of ours."""

_PEM_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_FOR_EVER = 2**62
"""An SSH certificate that never expires has this time as its end, or a later one."""


class _Problem(Exception):
    """What is wrong with a file."""


@dataclass(frozen=True)
class _Life:
    """The times from which and until which a credential is valid, as far as it states them."""

    begins: datetime | None = None
    ends: datetime | None = None


def look(credential: Credential, now: datetime) -> Credential:
    """Check the file of a credential; return the credential with its times and its problem."""
    life, problem = _Life(), None
    try:
        content, written_at = _read(Path(credential.path))
        life = _READERS[credential.kind](content, Path(credential.path))
        if life.begins is not None and life.begins > now + SKEW:
            raise _Problem(f"it is not valid before {life.begins:%Y-%m-%d %H:%M:%S}Z")
        if life.ends is not None and life.begins is None:
            life = _Life(written_at, life.ends)
    except _Problem as error:
        problem = str(error)
    return replace(
        credential,
        issued_at=life.begins,
        expires_at=life.ends,
        checked_at=now,
        problem=problem,
    )


def usable(
    by_vo: Mapping[str, Credential | None], backend: str, kind: CredentialKind, now: datetime
) -> dict[str, Path | CredentialProblem]:
    """Return for each VO the file that it may use now, or its problem; check each file once."""
    looks = {
        credential.path: look(credential, now)
        for credential in by_vo.values()
        if credential is not None
    }
    files: dict[str, Path | CredentialProblem] = {}
    for vo, credential in by_vo.items():
        if credential is None:
            files[vo] = CredentialProblem(unknown(vo, backend, kind))
            continue
        problem = problem_of(looks[credential.path], now, vo)
        files[vo] = Path(credential.path) if problem is None else CredentialProblem(problem)
    return files


def of_each_vo(
    uow: UnitOfWork, backend: str, now: Callable[[], datetime], kind: CredentialKind
) -> dict[str, Path | CredentialProblem]:
    """Return what `usable` returns, for the stored credentials.

    No file is read in the unit of work.
    """
    with uow() as tx:
        by_vo = credentials.of_each_vo(tx, backend, kind)
    return usable(by_vo, backend, kind, now())


def unknown(vo: str, backend: str, kind: CredentialKind) -> str:
    """Return the sentence which says that a VO has no credential of a kind."""
    return (
        f"VO {vo} has no {kind} for {backend}: "
        f"add one with 'pilotage credential add {vo} {backend} --{kind} PATH'"
    )


def _read(path: Path) -> tuple[bytes, datetime]:
    """Read a file that is protected as a secret must be; return also when it was written."""
    try:
        # `O_NONBLOCK`: the opening of a pipe or a device does not wait; it is then refused.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _Problem("its file is missing") from None
    except (OSError, ValueError) as error:
        meaning = error.strerror if isinstance(error, OSError) else "its path cannot be used"
        raise _Problem(f"its file cannot be read ({str(meaning).lower()})") from None
    try:
        about = os.fstat(descriptor)
        _check(about)
        content = os.read(descriptor, LARGEST + 1)
    except OSError as error:
        raise _Problem(f"its file cannot be read ({str(error.strerror).lower()})") from None
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise _Problem("its file is too large for a credential")
    if not content.strip():
        raise _Problem("its file is empty")
    return content, datetime.fromtimestamp(about.st_mtime, UTC)


def _check(about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise _Problem("it is not a regular file")
    if about.st_uid not in (os.geteuid(), 0):
        raise _Problem("its file belongs to another user")
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _Problem(
            f"its file is open to others (mode {about.st_mode & 0o777:03o}; make it 600)"
        )


def _proxy(content: bytes, path: Path) -> _Life:
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(content)
    except ValueError:
        raise _Problem("it holds no certificate that can be read") from None
    key_pem = _PEM_KEY.search(content)
    if key_pem is None:
        raise _Problem("it holds no key")
    key = _private_key(key_pem[0])
    if key is not None and _public(key.public_key()) != _public(chain[0].public_key()):
        raise _Problem("its key does not belong to its certificate")
    # A proxy is valid while every certificate of its chain is valid.
    return _Life(
        max(certificate.not_valid_before_utc for certificate in chain),
        min(certificate.not_valid_after_utc for certificate in chain),
    )


def _token(content: bytes, path: Path) -> _Life:
    try:
        word = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise _Problem("it is not a token") from None
    if len(word.split()) != 1 or not word.isprintable():
        raise _Problem("it does not hold exactly one token")
    life = claims(word)
    return _Life(
        _moment(life.get("nbf", life.get("iat"))),
        _moment(life.get("exp")),
    )


def claims(word: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified; none for a token of another form."""
    if not _JWT.fullmatch(word):
        return {}
    middle = word.split(".")[1]
    try:
        values = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _key(content: bytes, path: Path) -> _Life:
    key_pem = _PEM_KEY.search(content)
    if key_pem is None:
        raise _Problem("it holds no private key")
    _private_key(key_pem[0] + b"\n")
    beside = path.with_name(f"{path.name}-cert.pub")
    return _certificate(beside) if beside.is_file() else _Life()


def _certificate(path: Path) -> _Life:
    """Read the validity of the SSH certificate in the file beside the key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        certificate = serialization.load_ssh_public_identity(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        raise _Problem("the certificate beside it cannot be read") from None
    if not isinstance(certificate, serialization.SSHCertificate):
        return _Life()
    return _Life(_moment(certificate.valid_after or None), _moment(certificate.valid_before))


def _private_key(pem: bytes) -> Any:
    """Read a private key; return `None` for an algorithm that we do not know but a CE may."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    openssh = b"OPENSSH PRIVATE KEY" in pem
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        return load(pem, None)
    except TypeError:
        raise _Problem("its key has a passphrase: use a key without one") from None
    except UnsupportedAlgorithm:
        return None
    except ValueError:
        raise _Problem("its key cannot be read") from None


def _public(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _moment(seconds: object) -> datetime | None:
    """Read a time as tokens and SSH write it, in seconds since 1970; `None` if it is not one."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not 0 <= seconds < _FOR_EVER:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


_READERS: Mapping[CredentialKind, Callable[[bytes, Path], _Life]] = {
    CredentialKind.PROXY: _proxy,
    CredentialKind.TOKEN: _token,
    CredentialKind.KEY: _key,
}
