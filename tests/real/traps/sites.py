"""Where everything in the world of traps listens, all in one loopback block."""

from dataclasses import dataclass

__all__ = ["Sites"]

# By listener: what each of them is for stands in listeners.py.
_LISTENERS = (
    "http", "told_twice", "early", "attempts", "http_as_tcp", "h2", "h3", "relay", "tcp", "tcp_refused", "tcp_as_http",
    "impatient", "udp", "tls", "tcp_cut", "attempts_early",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sites:
    """Addresses and ports of a block such as `127.0.10`."""

    network: str

    @property
    def envoy(self) -> str:
        return f"{self.network}.2"

    @property
    def upstream(self) -> str:
        return f"{self.network}.3"

    @property
    def admin_port(self) -> int:
        return 9901

    @property
    def http_port(self) -> int:
        """The upstream's, as the next two."""
        return 8001

    @property
    def grpc_port(self) -> int:
        return 8002

    @property
    def tcp_port(self) -> int:
        return 8003

    @property
    def vacant_port(self) -> int:
        """Nobody listens there."""
        return 8009

    def port(self, listener: str) -> int:
        return 10_000 + _LISTENERS.index(listener)
