"""What every mesh must be told: where we are and what we want to know."""

import ipaddress
import re
from dataclasses import dataclass

from telemetry.config import AccessLogSettings, Address

__all__ = ["BUFFER_FLUSH_INTERVAL_S", "BUFFER_SIZE_BYTES", "Sink"]

BUFFER_SIZE_BYTES = 64 * 1024
"""Envoy flushes at this size, and drops entries while a full buffer can't be sent: four times its default."""
BUFFER_FLUSH_INTERVAL_S = 1

_HOST = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\.?"


@dataclass(frozen=True, slots=True)
class Sink:
    """This service as an Envoy sees it; `host` is an IP address without brackets, or a DNS name."""

    host: str
    port: int
    wanted: AccessLogSettings
    tls: bool = False

    @classmethod
    def at(cls, address: str, wanted: AccessLogSettings, *, tls: bool = False) -> "Sink":
        """Read `host:port`, where the host may be a name. Raises ValueError that says what is wrong."""
        host, colon, port = address.rpartition(":")
        if colon and re.fullmatch(r"\d{1,5}", port, re.ASCII) and 0 < int(port) < 65536:
            if len(host) <= 253 and re.fullmatch(_HOST, host, re.ASCII) and not host[-1].isdigit():
                return cls(host, int(port), wanted, tls)
            return cls(Address.parse(address).host, int(port), wanted, tls)
        raise ValueError("must be host:port, such as telemetry.example.org:9901 or 10.0.0.5:9901")

    @property
    def is_ip(self) -> bool:
        """Whether the host is an address, not a name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True
