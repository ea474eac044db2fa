"""TLS towards a back end: PEM files that are read anew when they have changed."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from telemetry.errors import StartError

__all__ = ["TlsFiles", "Watch", "client_context"]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. None for `authorities`: those that this machine trusts."""

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Give those that there are."""
        return tuple(path for path in (self.authorities, self.certificate, self.key) if path)


class Watch:
    """Tells whether files have changed since it was last asked. A look costs a few microseconds for each file."""

    def __init__(self, files: TlsFiles) -> None:
        self._paths = files.paths
        self._seen = self._stamps()

    def changed(self) -> bool:
        """Say whether a file has another content, place or time; a file that is just being replaced has not."""
        stamps = self._stamps()
        if None in stamps or stamps == self._seen:
            return False
        self._seen = stamps
        return True

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        # Not the link's: Kubernetes replaces the directory that a link leads to.
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Make a context that checks the other end's certificate and name. Raises StartError when a file can't be used."""
    try:
        context = ssl.create_default_context(cafile=files.authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.certificate and files.key:
            context.load_cert_chain(files.certificate, files.key, password=_refused)
    except (OSError, ValueError) as error:
        names = ", ".join(map(str, files.paths))
        raise StartError(f"TLS: {names} can't be used: {error}; PEM is needed, the key without a password") from None
    return context


def _refused() -> str:
    # Without a password OpenSSL would ask whoever sits at the terminal.
    raise ValueError("the key is encrypted")
