"""A certification authority for the service, its users and their proxies."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

PROXY_INFO = ObjectIdentifier("1.3.6.1.5.5.7.1.14")
INHERIT_ALL = bytes.fromhex("300c300a06082b06010505071501")
"""ProxyCertInfo of RFC 3820: the proxy may do whatever its owner may."""

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Holder:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def subject(self) -> str:
        """The subject as ARC writes it."""
        return "".join(f"/{part.rfc4514_string()}" for part in self.certificate.subject)

    def proxy(self, lifetime: timedelta = DAY, age: timedelta = timedelta(hours=1)) -> bytes:
        """Return a new proxy certificate with its key and this certificate, in one PEM text."""
        key, number = ec.generate_private_key(ec.SECP521R1()), x509.random_serial_number()
        name = [*self.certificate.subject, _attribute(NameOID.COMMON_NAME, str(number))]
        now = datetime.now(UTC)
        proxy = (
            x509.CertificateBuilder(
                self.certificate.subject, x509.Name(name), key.public_key(), number
            )
            .not_valid_before(now - age)
            .not_valid_after(now + lifetime)
            .add_extension(x509.UnrecognizedExtension(PROXY_INFO, INHERIT_ALL), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        parts = (proxy.public_bytes(Encoding.PEM), _pem(key), self.pem())
        return b"".join(parts)

    def pem(self) -> bytes:
        """Return the certificate as PEM text."""
        return self.certificate.public_bytes(Encoding.PEM)


class Authority:
    """The authority that signs all certificates of one testbed."""

    def __init__(self, folder: Path, ca: Holder) -> None:
        self.folder = folder
        self.bundle = folder / "ca.pem"
        self.certificates = folder / "certificates"
        self._ca = ca

    @classmethod
    def read(cls, folder: Path) -> "Authority":
        """Return the authority of this folder."""
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return cls(folder, Holder(certificate, key))

    @classmethod
    def make(cls, folder: Path, *, for_arc: bool = True) -> "Authority":
        """Make an authority and a certificate of the service; for ARC, also the files of trust."""
        key = rsa.generate_private_key(65537, 2048)
        name = _name("Testbed CA")
        ca = _certificate(name, name, key, days=3650)
        ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        ca = ca.add_extension(_usage(signs=True), critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        ca = ca.add_extension(identifier, critical=False)
        authority = cls(folder, Holder(ca.sign(key, hashes.SHA256()), key))
        authority.certificates.mkdir(parents=True)
        authority.bundle.write_bytes(authority._ca.pem())
        write_secret(folder / "ca.key", _pem(key))
        if for_arc:
            authority._trust()
        host = authority.holder("localhost", server=True)
        (folder / "host.pem").write_bytes(host.pem())
        write_secret(folder / "host.key", _pem(host.key))
        return authority

    def revoke(self, *certificates: x509.Certificate, lasts: timedelta = DAY) -> None:
        """Write a list of revoked certificates into the folder of certificates."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(
            self._ca.certificate.subject, now - 2 * DAY, now + lasts
        )
        for one in certificates:
            entry = x509.RevokedCertificateBuilder(one.serial_number, now - DAY).build()
            builder = builder.add_revoked_certificate(entry)
        text = builder.sign(self._ca.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        for name in self._hashed_names():
            (self.certificates / f"{name}.r0").write_bytes(text)

    def _hashed_names(self) -> list[str]:
        command = ["openssl", "x509", "-noout", "-subject_hash", "-subject_hash_old"]
        return subprocess.run(
            [*command, "-in", str(self.bundle)], check=True, capture_output=True, text=True
        ).stdout.split()

    def _trust(self) -> None:
        for name in self._hashed_names():
            (self.certificates / f"{name}.0").write_bytes(self._ca.pem())
            # ARC trusts no authority without this file.
            (self.certificates / f"{name}.signing_policy").write_text(
                f"access_id_CA X509 '{self._ca.subject}'\n"
                "pos_rights globus CA:sign\n"
                "cond_subjects globus '\"/DC=org/DC=testbed/*\"'\n"
            )

    def holder(self, name: str, *, server: bool = False) -> Holder:
        """Return a new certificate of a user, or of the service."""
        key: Key
        # The service has an RSA key: some clients of ARC know no other one.
        key = (
            rsa.generate_private_key(65537, 2048)
            if server
            else ec.generate_private_key(ec.SECP521R1())
        )
        builder = _certificate(_name(name), self._ca.certificate.subject, key, days=30)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if server:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        signer = self._ca.certificate.public_key()
        assert isinstance(signer, rsa.RSAPublicKey)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer)
        builder = (
            builder.add_extension(issuer, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        return Holder(builder.sign(self._ca.key, hashes.SHA256()), key)


def write_secret(path: Path, data: bytes) -> Path:
    """Write a file that other users cannot read."""
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def _certificate(
    name: x509.Name, issuer: x509.Name, key: Key, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + days * DAY)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_encipherment=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    domain = NameOID.DOMAIN_COMPONENT
    return x509.Name(
        [
            _attribute(domain, "org"),
            _attribute(domain, "testbed"),
            _attribute(NameOID.COMMON_NAME, common),
        ]
    )


def _attribute(kind: ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(kind, value)


def _pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
