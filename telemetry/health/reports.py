"""Which codes were reported of whom: what Kiali asks Prometheus for, from the kept edges."""

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from telemetry.edges import Reader, Window
from telemetry.health.kiali import Codes, combined

__all__ = ["Reports", "Subject", "reported"]

_Sums = defaultdict[str, defaultdict[str, float]]


class Subject(StrEnum):
    """Whose health it is."""

    SERVICE = "service"
    WORKLOAD = "workload"
    APP = "app"


_INBOUND = {
    Subject.SERVICE: ("destination.service.namespace", "destination.service.name"),
    Subject.WORKLOAD: ("destination.workload.namespace", "destination.workload.name"),
    Subject.APP: ("destination.workload.namespace", "destination.canonical.service"),
}
_OUTBOUND = {
    Subject.WORKLOAD: ("source.workload.namespace", "source.workload.name"),
    Subject.APP: ("source.workload.namespace", "source.canonical.service"),
}


def _sums() -> _Sums:
    return defaultdict(lambda: defaultdict(float))


@dataclass(frozen=True, slots=True)
class Reports:
    """What was reported of one subject. A waypoint stands in the server's place."""

    of_source: _Sums = field(default_factory=_sums)
    of_destination: _Sums = field(default_factory=_sums)
    outbound: _Sums = field(default_factory=_sums)

    @property
    def inbound(self) -> Codes:
        """Requests to the subject, both reporters in one."""
        return combined(self.of_source, self.of_destination)


def reported(reader: Reader, window: Window, subject: Subject) -> dict[tuple[str | None, str], Reports]:
    """Give the reports of every subject, by namespace and name. Services have no outbound requests, as in Kiali."""
    sums = reader.summed("reports", reader.aligned(window))
    named = sums.join(reader.edges(), on="edge", how="left")
    found: defaultdict[tuple[str | None, str], Reports] = defaultdict(Reports)
    for who, reporter, protocol, code, count in _grouped(named, _INBOUND[subject]):
        side = found[who].of_source if reporter == "source" else found[who].of_destination
        side[protocol][code] += count
    if subject in _OUTBOUND:
        for who, _, protocol, code, count in _grouped(named.filter(pl.col("reporter") == "source"), _OUTBOUND[subject]):
            found[who].outbound[protocol][code] += count
    return dict(found)


def _grouped(
    named: pl.DataFrame, who: tuple[str, str]
) -> list[tuple[tuple[str | None, str], str, str, str, float]]:  # fmt: skip
    keys = [*who, "reporter", "context.protocol", "code"]
    known = named.filter(pl.col(who[1]).is_not_null() & pl.col("context.protocol").is_not_null())
    sums = known.group_by(keys, maintain_order=True).agg(pl.col("count").sum())
    return [((space, name), *rest) for space, name, *rest in sums.iter_rows()]
