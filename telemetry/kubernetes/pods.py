"""Whose pod an address is now."""

from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from telemetry.kubernetes import workloads
from telemetry.kubernetes.records import Key, Owner, OwnerRecord, PodRecord
from telemetry.kubernetes.store import Store
from telemetry.mesh.workload import Workload

__all__ = ["OWNERS", "Pods"]

Group = TypeVar("Group")

OWNERS = ("ReplicaSet", "Job")
"""Kinds whose own owner names the workload: a Deployment, a CronJob."""


class Pods:
    """Pods and their owners; which workload answers on an address follows from them, whatever came first.

    An address that two pods claim is the one's that isn't ending, else the younger's: Kubernetes gives a dead pod's
    address away before the pod has gone.
    """

    def __init__(self, cluster: str | None, limit: int) -> None:
        self._cluster = cluster
        self.pods: Store[PodRecord] = Store(self._pod_changed, limit)
        self.owners: dict[str, Store[OwnerRecord]] = {kind: Store(self._owner_changed(kind), limit) for kind in OWNERS}
        self._claims: defaultdict[str, set[Key]] = defaultdict(set)
        self._owned: defaultdict[tuple[str, Key], set[Key]] = defaultdict(set)
        self._workloads: dict[str, Workload] = {}

    def workload_of_address(self, address: str) -> Workload | None:
        """Give the workload whose pod has that address. One step of a dict, so any thread may ask."""
        return self._workloads.get(address)

    def addresses(self) -> dict[str, Workload]:
        """Give all that is known, as a copy."""
        return dict(self._workloads)

    def _pod_changed(self, before: PodRecord | None, after: PodRecord | None) -> None:
        if before:
            if owner_key := _owner_key(before):
                _discard(self._owned, owner_key, before.key)
            for address in before.addresses:
                _discard(self._claims, address, before.key)
        if after:
            if owner_key := _owner_key(after):
                self._owned[owner_key].add(after.key)
            for address in after.addresses:
                self._claims[address].add(after.key)
        for address in {*(before.addresses if before else ()), *(after.addresses if after else ())}:
            self._settle(address)

    def _owner_changed(self, kind: str) -> Callable[[OwnerRecord | None, OwnerRecord | None], None]:
        def changed(before: OwnerRecord | None, after: OwnerRecord | None) -> None:
            record = after or before
            for key in self._owned.get((kind, record.key), ()) if record else ():
                for address in (self.pods.get(key) or _GONE).addresses:
                    self._settle(address)

        return changed

    def _settle(self, address: str) -> None:
        found = [pod for key in self._claims.get(address, ()) if (pod := self.pods.get(key))]
        if not found:
            self._workloads.pop(address, None)
            return
        pod = max(found, key=lambda one: (not one.ending, one.created, one.key))
        self._workloads[address] = workloads.workload(pod, self._top(pod), self._cluster)

    def _top(self, pod: PodRecord) -> Owner:
        owner_key = _owner_key(pod)
        store = self.owners.get(owner_key[0]) if owner_key else None
        record = store.get(owner_key[1]) if store and owner_key else None
        return workloads.top(pod, record.owner if record else None, known=record is not None)


_GONE = PodRecord(("", ""), (), (), None, "", ending=True)


def _owner_key(pod: PodRecord) -> tuple[str, Key] | None:
    return (pod.owner.kind, (pod.key[0], pod.owner.name)) if pod.owner else None


def _discard(groups: dict[Group, set[Key]], group: Group, member: Key) -> None:
    """Take a member out of its group, and the group away with its last member."""
    members = groups.get(group)
    if members is not None:
        members.discard(member)
        if not members:
            del groups[group]
