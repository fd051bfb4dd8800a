"""Access to a CE: the credential of a VO as the CE gets it, and the identity that it states.

A CE shows to each identity only that identity's own jobs. So it must be noticed if a VO's
credential is now of another identity: jobs that were sent before are then not shown any more, but
they are not gone.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from worker.backends.arc.options import ArcAuthentication, ArcOptions
from worker.backends.credentials import claims
from worker.backends.identities import Identity
from worker.domain.errors import CredentialProblem, Unavailable

PROXY_INFO = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LEGACY = ("proxy", "limited proxy")

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy certificate with what is needed to delegate from it."""

    chain: tuple[x509.Certificate, ...]
    key: Key = field(repr=False)

    @property
    def until(self) -> datetime:
        """The time at which the first certificate of the chain expires."""
        return min(one.not_valid_after_utc for one in self.chain)


@dataclass(frozen=True, kw_only=True)
class ArcAccess:
    """What authenticates an identity at a CE, and the CE's name for the identity."""

    identity: Identity
    owner: str
    context: ssl.SSLContext = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    proxy: Proxy | None = field(repr=False, default=None)

    @property
    def vos(self) -> tuple[str, ...]:
        """The VOs that have this identity."""
        return self.identity.vos or ()

    def __str__(self) -> str:
        """Name the VOs of the identity, for messages."""
        return f"VO {', '.join(self.vos)}"


def open_access(ce: str, options: ArcOptions, identity: Identity) -> ArcAccess:
    """Read the credential of an identity, and make from it what a connection needs."""
    vos, path = identity.vos or (), identity.path
    assert path is not None
    context = _context(ce, options)
    if options.authentication is ArcAuthentication.TOKEN:
        token = _read_token(ce, vos, path)
        return ArcAccess(
            identity=identity,
            owner=token_owner(token),
            context=context,
            headers={"Authorization": f"Bearer {token}"},
        )
    proxy = read_proxy(ce, vos, path)
    try:
        # Without this function, OpenSSL would ask for the password of a key on the terminal.
        context.load_cert_chain(path, password=lambda: "")
    except (OSError, ValueError):
        raise _bad(ce, vos, path, "the certificate and the key do not fit together") from None
    return ArcAccess(identity=identity, owner=proxy_owner(proxy), context=context, proxy=proxy)


def read_proxy(ce: str, vos: tuple[str, ...], path: Path) -> Proxy:
    """Read a proxy certificate."""
    try:
        data = path.read_bytes()
        chain = tuple(x509.load_pem_x509_certificates(data))
        key = load_pem_private_key(data, None)
    except OSError as error:
        raise _bad(ce, vos, path, error.strerror or "it cannot be read") from None
    except (ValueError, TypeError):
        raise _bad(ce, vos, path, "it holds no certificate with an unencrypted key") from None
    if not isinstance(key, Key):
        raise _bad(ce, vos, path, "its key is of a kind that ARC does not accept")
    return Proxy(chain=chain, key=key)


def proxy_owner(proxy: Proxy) -> str:
    """Return the identity: the subject of the certificate from which the proxies were made."""
    for certificate in proxy.chain:
        if not _is_proxy(certificate):
            return certificate.subject.rfc4514_string()
    return proxy.chain[-1].issuer.rfc4514_string()


def token_owner(token: str) -> str:
    """Return the identity: the token's issuer and subject; empty if it names no subject."""
    stated = claims(token)
    return f"{stated.get('iss', '')} {stated['sub']}" if stated.get("sub") else ""


def _read_token(ce: str, vos: tuple[str, ...], path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise _bad(ce, vos, path, error.strerror or "it cannot be read") from None
    except UnicodeDecodeError:
        token = ""
    # If the text is not a token, the HTTP library would refuse it with an error that quotes it.
    if not _TOKEN.fullmatch(token):
        raise _bad(ce, vos, path, "it holds no bearer token, or more than one")
    return token


def _context(ce: str, options: ArcOptions) -> ssl.SSLContext:
    ca, check_revocation = options.ca, options.check_revocation
    try:
        if check_revocation is None:
            check_revocation = ca is not None and any(ca.glob("*.r[0-9]"))
        context = ssl.create_default_context(
            cafile=ca if ca and not ca.is_dir() else None,
            capath=ca if ca and ca.is_dir() else None,
        )
    except OSError as error:
        raise Unavailable(ce, f"the authorities in {ca} cannot be read", error.strerror) from None
    # Newer versions of Python check certificates more strictly than grid authorities issue them.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if check_revocation:
        # Only the CE's own certificate is checked: few root authorities publish revocation lists.
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def _is_proxy(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_oid(PROXY_INFO)
    except x509.ExtensionNotFound:
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return bool(names) and names[-1].value in _LEGACY
    except ValueError:
        return False
    return True


def _bad(ce: str, vos: tuple[str, ...], path: Path, problem: str) -> CredentialProblem:
    return CredentialProblem(ce, f"VO {', '.join(vos)}", str(path), problem)
