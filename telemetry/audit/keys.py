"""Ed25519 keys: the private one signs and is a secret, the public one verifies."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

__all__ = ["Signer", "Trusted", "new_keys", "signer_of"]

SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs. `name`: the public key's fingerprint, 16 hex digits of its SHA-256."""

    key: Ed25519PrivateKey = field(repr=False)

    @property
    def name(self) -> str:
        """The fingerprint."""
        return fingerprint(self.key.public_key())

    def sign(self, content: bytes) -> bytes:
        """Give the signature, 64 bytes."""
        return self.key.sign(content)

    @property
    def public_pem(self) -> bytes:
        """The public key, to verify with."""
        return _public_pem(self.key.public_key())


@dataclass(frozen=True, slots=True)
class Trusted:
    """The public keys that a verifier believes, by fingerprint."""

    keys: Mapping[str, Ed25519PublicKey]

    @classmethod
    def of_files(cls, paths: Iterable[Path]) -> "Trusted":
        """Read PEM files. Raises ValueError, naming the file, when one is not an Ed25519 public key."""
        keys = {}
        for path in paths:
            try:
                key = load_pem_public_key(path.read_bytes())
            except (OSError, ValueError, UnsupportedAlgorithm) as error:
                raise ValueError(f"{path}: not a public key in PEM: {error}") from None
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"{path}: not an Ed25519 key")  # noqa: TRY004 - a file, not an argument
            keys[fingerprint(key)] = key
        return cls(keys)

    @classmethod
    def of_signer(cls, signer: Signer) -> "Trusted":
        """Believe the signer itself."""
        return cls({signer.name: signer.key.public_key()})

    def pems(self) -> list[bytes]:
        """Give the keys in PEM, as this program writes them."""
        return [_public_pem(key) for key in self.keys.values()]

    def believes(self, name: str, signature: bytes, content: bytes) -> bool:
        """Whether the key of that fingerprint is trusted and has signed this."""
        key = self.keys.get(name)
        if key is None:
            return False
        try:
            key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


def fingerprint(key: Ed25519PublicKey) -> str:
    """Name a key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def signer_of(pem: str) -> Signer:
    """Read a private key. Raises ValueError, which never shows it."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        message = "signing_key is not an Ed25519 private key in PEM; `telemetry audit keygen` makes one"
        raise ValueError(message) from None  # noqa: TRY004 - a setting, not an argument
    return Signer(key)


def new_keys(private: Path, public: Path) -> None:
    """Write a new pair; the private file is readable by its owner only. Raises FileExistsError, OSError."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, content, mode in ((private, pem, 0o600), (public, _public_pem(key.public_key()), 0o644)):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
