"""The mesh's certificate authority, and a SPIFFE certificate for each workload."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from telemetry.demo.topology import Workload

__all__ = ["CertificatePaths", "issue_certificates"]

_LIFETIME = timedelta(days=1)
# Clocks are the same here, but a certificate of this very second may be read within it.
_BACKDATED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path


@dataclass(frozen=True, slots=True)
class CertificatePaths:
    """Where one workload's certificate, its key and the authority's certificate lie, as PEM."""

    certificate: Path
    key: Path
    authority: Path


def issue_certificates(workloads: Iterable[Workload], folder: Path, now: datetime) -> dict[str, CertificatePaths]:
    """Make an authority, and by workload name a certificate for client and server use that lasts a day.

    The authority's key stays in memory and is forgotten; only their owner may read the workloads' keys.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = _authority(folder / "authority.pem", now)
    return {workload.name: _issue(workload, folder, authority, now) for workload in workloads}


def _issue(workload: Workload, folder: Path, authority: _Authority, now: datetime) -> CertificatePaths:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(
            x509.Name([]),
            key.public_key(),
            issuer=authority.certificate.subject,
            issuer_key=authority.key.public_key(),
            now=now,
        )
        # RFC 5280: critical, since the subject is empty.
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(workload.spiffe_id)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    return CertificatePaths(
        _write(folder / f"{workload.name}.pem", certificate.public_bytes(serialization.Encoding.PEM)),
        _write(
            folder / f"{workload.name}.key",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        ),
        authority.path,
    )


def _authority(path: Path, now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "cluster.local")])
    certificate = (
        _builder(name, key.public_key(), issuer=name, issuer_key=key.public_key(), now=now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key, _write(path, certificate.public_bytes(serialization.Encoding.PEM)))


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
