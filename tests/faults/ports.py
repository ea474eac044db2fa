"""Ports that no connection gets by chance: who is killed, or refuses, leaves his own for a while."""

import random
import socket
from pathlib import Path

__all__ = ["free_port"]

_HOST = "127.0.0.1"
_WIDTH = 12_000
_given: set[int] = set()


def free_port() -> int:
    """Give a port on which nobody listens, below those that the kernel gives to connections; never one twice."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(first - _WIDTH, first)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
