"""Delegation: the proxy of the jobs, which the CE requests and we sign; its key stays at the CE.

One delegation serves all jobs of an identity at a CE. It is renewed once its remaining life is less
than half of that of the VO's proxy. Jobs that start later get the renewed proxy; a copy that a job
already has is not renewed. The identity under which pilots were sent is stored, with its
delegation.
"""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from worker.backends.arc import memory
from worker.backends.arc.access import PROXY_INFO, Proxy
from worker.backends.arc.client import Rest, RestReply
from worker.backends.arc.memory import OwnerRecord
from worker.backends.arc.session import Session
from worker.domain.errors import Unavailable, Unreadable
from worker.domain.texts import legible

_INHERIT_ALL = bytes.fromhex("300c300a06082b06010505071501")
"""ProxyCertInfo of RFC 3820 with "inherit all": the proxy has all rights of its owner."""

_SKEW = timedelta(minutes=5)
_GAIN = timedelta(minutes=10)
"""The least time that a renewal must gain."""

_VERSION_2, _VERSION_0 = b"\x02\x01\x02", b"\x02\x01\x00"


async def delegated(rest: Rest, identity: OwnerRecord, now: datetime) -> OwnerRecord:
    """Ensure that the CE has a valid proxy of this identity; return the record of it."""
    proxy = rest.access.proxy
    assert proxy is not None
    if identity.delegation is not None and not is_due(identity, proxy, now):
        if (await _act(rest, identity.delegation, "get")).status == 200:
            return identity
    elif identity.delegation is not None:
        renewed = await renew(rest, identity, now)
        if renewed is not None:
            return renewed
    return await _make(rest, proxy, identity, now)


async def renew(rest: Rest, identity: OwnerRecord, now: datetime) -> OwnerRecord | None:
    """Renew the proxy that the CE holds; return `None` if the CE holds none, or refuses."""
    proxy = rest.access.proxy
    assert proxy is not None
    assert identity.delegation is not None
    if (await _act(rest, identity.delegation, "get")).status != 200:
        return None
    request = await _act(rest, identity.delegation, "renew")
    if request.status not in (200, 201):
        return None
    return await _sign(rest, proxy, identity, identity.delegation, request, now)


def is_due(identity: OwnerRecord, proxy: Proxy, now: datetime) -> bool:
    """Return whether the proxy at the CE should be renewed now."""
    if identity.delegation is None or identity.delegated_until is None:
        return True
    left = identity.delegated_until - now
    return identity.delegated_until < proxy.until - _GAIN and left < (proxy.until - now) / 2


def signed(pem: bytes, proxy: Proxy, now: datetime) -> tuple[bytes, datetime]:
    """Sign a request for a proxy certificate; return the chain as PEM, and when it expires."""
    csr = _load_request(pem)
    issuer = proxy.chain[0]
    serial = x509.random_serial_number()
    name = [*issuer.subject, x509.NameAttribute(x509.NameOID.COMMON_NAME, str(serial))]
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder(issuer.subject, x509.Name(name), csr.public_key(), serial)
        .not_valid_before(max(now.astimezone(UTC) - _SKEW, issuer.not_valid_before_utc))
        .not_valid_after(proxy.until)
        .add_extension(x509.UnrecognizedExtension(PROXY_INFO, _INHERIT_ALL), critical=True)
        .add_extension(usage, critical=True)
        .sign(proxy.key, hashes.SHA256())
    )
    return b"".join(
        one.public_bytes(Encoding.PEM) for one in (certificate, *proxy.chain)
    ), proxy.until


async def _make(rest: Rest, proxy: Proxy, identity: OwnerRecord, now: datetime) -> OwnerRecord:
    request = await rest.ask("POST", f"{rest.base}/delegations?action=new")
    if request.status not in (200, 201):
        raise rest.unexpected(request)
    name = request.headers.get("location", "").rstrip("/").rpartition("/")[2]
    if not name:
        raise Unreadable(
            legible(request.text()[:2000]), rest.ce, "its answer has no id of the delegation"
        )
    return await _sign(rest, proxy, identity, name, request, now)


async def _sign(
    rest: Rest, proxy: Proxy, identity: OwnerRecord, name: str, request: RestReply, now: datetime
) -> OwnerRecord:
    try:
        chain, until = signed(request.body, proxy, now)
    except ValueError:
        raw = legible(request.text()[:2000])
        raise Unreadable(raw, rest.ce, "its request for a delegation cannot be signed") from None
    url = f"{rest.base}/delegations/{name}"
    kind = {"Content-Type": "application/x-pem-file"}
    put = await rest.ask("PUT", url, content=chain, headers=kind)
    if put.status not in (200, 201, 204):
        raise Unavailable(rest.ce, f"it did not accept the delegation: {put.status} {put.reason}")
    return OwnerRecord(
        owner=identity.owner, used_at=identity.used_at, delegation=name, delegated_until=until
    )


async def _act(rest: Rest, name: str, action: str) -> RestReply:
    return await rest.ask("POST", f"{rest.base}/delegations/{name}?action={action}")


def _load_request(pem: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(pem)
    except (ValueError, x509.InvalidVersion):
        # ARC 6 writes a version number that does not exist. If we correct it, the request's own
        # signature is not valid any more; but the request came over TLS from the CE itself.
        lines = [line for line in pem.splitlines() if line and not line.startswith(b"-----")]
        der = base64.b64decode(b"".join(lines))
        place = der.index(_VERSION_2, 0, 16)
        return x509.load_der_x509_csr(der[:place] + _VERSION_0 + der[place + 3 :])


IN_DOUBT = timedelta(days=1)
"""How long a pilot may be in doubt after its submission, long outages of a CE included."""


async def provide(session: Session, rest: Rest) -> str | None:
    """Record the identity that is about to send pilots; return its delegation, if any."""
    identity = _identity(session, rest) or OwnerRecord(
        owner=rest.access.owner, used_at=session.now()
    )
    identity = replace(identity, used_at=session.now())
    _write(session, rest, identity)
    if rest.access.proxy is None or not session.options.delegate:
        return None
    updated = await delegated(rest, identity, session.now())
    if updated != identity:
        _write(session, rest, updated)
    return updated.delegation


async def keep(session: Session, rest: Rest) -> None:
    """Renew the proxy that the CE holds for the identity's jobs, if it is due."""
    proxy = rest.access.proxy
    if proxy is None or not session.options.delegate:
        return
    identity = _identity(session, rest)
    if (
        identity is None
        or identity.delegation is None
        or not is_due(identity, proxy, session.now())
    ):
        return
    renewed = await renew(rest, identity, session.now())
    if renewed is not None:
        _write(session, rest, renewed)


def is_settled(session: Session, vo: str, owner: str) -> bool:
    """Return whether the CE shows all pilots of a VO that may be in doubt to this identity."""
    owners = session.read(lambda tx: memory.identities(tx, session.ce.name, vo))
    return all(
        record.owner == owner or session.now() - record.used_at > IN_DOUBT for record in owners
    )


def _identity(session: Session, rest: Rest) -> OwnerRecord | None:
    owners = session.read(lambda tx: memory.identities(tx, session.ce.name, rest.access.vos[0]))
    return next((record for record in owners if record.owner == rest.access.owner), None)


def _write(session: Session, rest: Rest, identity: OwnerRecord) -> None:
    with session.means.uow() as tx:
        for vo in rest.access.vos:
            memory.used(tx, session.ce.name, vo, identity)
