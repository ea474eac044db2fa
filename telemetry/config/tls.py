"""Mutual TLS for what we listen on: the files, looked into when the configuration is read."""

import ssl
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from telemetry.config.section import Section
from telemetry.options import ReadableFile

__all__ = ["TlsSettings"]


class TlsSettings(Section):
    """Mutual TLS: we show a certificate and ask one of every client. Files are PEM."""

    certificate: ReadableFile = Field(description="Our certificate chain.")
    key: ReadableFile = Field(description="The private key of our certificate.")
    client_ca: ReadableFile = Field(description="The authorities whose certificates clients may show.")

    @field_validator("key")
    @classmethod
    def _fits_the_certificate(cls, key: Path, info: ValidationInfo) -> Path:
        """Take the pair as the servers will: they would say it later, and less clearly."""
        certificate = info.data.get("certificate")
        if certificate is not None:
            _load_pair(certificate, key)
        return key

    @field_validator("client_ca")
    @classmethod
    def _holds_certificates(cls, path: Path) -> Path:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
        except (ssl.SSLError, ValueError):
            raise PydanticCustomError("tls", "{path} holds no PEM certificates", {"path": str(path)}) from None
        return path


def _load_pair(certificate: Path, key: Path) -> None:
    names = {"certificate": str(certificate), "key": str(key)}
    try:
        # Without a password OpenSSL would ask whoever sits at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_refused)
    except _EncryptedError:
        raise PydanticCustomError("tls", "{key} is encrypted; give it without a password", names) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PydanticCustomError("tls", "{key} is not the key of {certificate}", names) from None
        raise PydanticCustomError("tls", "{certificate} and {key} are not a PEM certificate and key", names) from None


class _EncryptedError(Exception):
    pass


def _refused() -> str:
    raise _EncryptedError
