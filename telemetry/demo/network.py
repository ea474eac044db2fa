"""Loopback addresses and ports that nobody else on this machine uses."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.errors import StartError

__all__ = ["claimed_network", "host_and_port", "require_free"]

_CLAIM_PORT = 15099
_BLOCKS = range(10, 250)


@contextmanager
def claimed_network() -> Iterator[str]:
    """Give the first free block, such as `127.0.10`, and hold it until the end.

    The claim is a socket bound to the block's address 1, so it ends with the process whatever happens.
    Raises StartError when every block is taken.
    """
    for block in _BLOCKS:
        with socket.socket() as claim:
            try:
                claim.bind((f"127.0.{block}.1", _CLAIM_PORT))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            yield f"127.0.{block}"
            return
    raise StartError(f"demo: all {len(_BLOCKS)} loopback blocks are taken; stop another `telemetry demo`")


def require_free(address: str, port: int) -> None:
    """Raise StartError when somebody listens there: a probe of ours would take their answer for our server's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise StartError(
                f"demo: {address}:{port}: {error.strerror}; stop what listens there, or choose another address"
            ) from error


def host_and_port(address: str) -> tuple[str, int]:
    """Split host:port. Raises StartError when it isn't that."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise StartError(f"demo: {address!r} is not an address; write it like 127.0.0.1:9901")
    return host, int(port)
