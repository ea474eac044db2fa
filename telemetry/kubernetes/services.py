"""Which service an address leads to."""

from collections import Counter, defaultdict

from telemetry.kubernetes.records import Key, ServiceRecord, SliceRecord
from telemetry.kubernetes.store import Store

__all__ = ["Services"]


class Services:
    """Services by their own addresses, and by the endpoints behind them where those are of one service only."""

    def __init__(self, domain: str, limit: int) -> None:
        self._domain = domain
        self.services: Store[ServiceRecord] = Store(self._service_changed, limit)
        self.slices: Store[SliceRecord] = Store(self._slice_changed, limit)
        self._own: defaultdict[str, Counter[Key]] = defaultdict(Counter)
        self._behind: defaultdict[str, Counter[Key]] = defaultdict(Counter)
        self._hosts: dict[str, str] = {}

    def host_of_address(self, address: str) -> str | None:
        """Give the host of the service that an address leads to. One step of a dict, so any thread may ask."""
        return self._hosts.get(address)

    def hosts(self) -> dict[str, str]:
        """Give all that is known, as a copy."""
        return dict(self._hosts)

    def _service_changed(self, before: ServiceRecord | None, after: ServiceRecord | None) -> None:
        for record, by in ((after, 1), (before, -1)):
            for address in record.addresses if record else ():
                self._count(self._own, address, record.key if record else ("", ""), by)

    def _slice_changed(self, before: SliceRecord | None, after: SliceRecord | None) -> None:
        # A service's slices may overlap for a moment: an endpoint moves from one to another.
        for record, by in ((after, 1), (before, -1)):
            for address in record.addresses if record else ():
                self._count(self._behind, address, record.service if record else ("", ""), by)

    def _count(self, table: defaultdict[str, Counter[Key]], address: str, service: Key, by: int) -> None:
        claims = table[address]
        claims[service] += by
        if not claims[service]:
            del claims[service]
        if not claims:
            del table[address]
        self._settle(address)

    def _settle(self, address: str) -> None:
        claims = self._own.get(address) or self._behind.get(address) or ()
        if len(claims) == 1:
            ((namespace, name),) = claims
            self._hosts[address] = f"{name}.{namespace}.svc.{self._domain}"
        else:
            self._hosts.pop(address, None)
