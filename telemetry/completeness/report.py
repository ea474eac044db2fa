"""What is known of everyone over the last minutes: per workload, and of all."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from telemetry.completeness.envoys import Envoy, Who
from telemetry.completeness.reasons import Counts, Reason, reasons

__all__ = ["FIELDS", "Report", "Share", "WorkloadShare", "report"]

FIELDS = ("http_expected", "http_seen", "tcp_expected", "tcp_seen", "written", "dropped", "connect_failures",
          "broken_streams")  # fmt: skip
"""The columns of the window, the fields of Counts."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """How many there were by Envoys' counters, and how many of them we have seen."""

    expected: float = 0.0
    seen: float = 0.0

    @property
    def ratio(self) -> float | None:
        """Give the share seen, 1 at most; None where there was nothing to see."""
        return min(self.seen / self.expected, 1.0) if self.expected > 0 else None

    def __add__(self, other: "Share") -> "Share":
        return Share(self.expected + other.expected, self.seen + other.seen)

    @property
    def at_most_all(self) -> "Share":
        """Give the same, where an entry too many does not stand for one that is missing."""
        return Share(self.expected, min(self.seen, self.expected))


@dataclass(frozen=True, slots=True)
class WorkloadShare:
    """One workload. `http`: requests that ended, `tcp`: connections opened; of `envoys`, without `unknown_envoys`.

    `unknown_envoys` tell us of requests, but not how many there are. A ratio is None where nobody knows.
    """

    workload: str | None
    namespace: str | None
    cluster: str | None
    envoys: int
    unknown_envoys: int
    http: Share
    tcp: Share
    reasons: tuple[Reason, ...]

    @property
    def all(self) -> Share:
        """Requests and connections together."""
        return self.http.at_most_all + self.tcp.at_most_all


@dataclass(frozen=True, slots=True)
class Report:
    """Every workload, over `window_s` up to `time_ns`, when entries had had time enough to arrive; 0: none made yet."""

    time_ns: int = 0
    window_s: float = 0.0
    workloads: tuple[WorkloadShare, ...] = field(default=())

    @property
    def all(self) -> Share:
        """All of them together: every request weighs the same."""
        return sum((one.all for one in self.workloads), Share())


def report(
    time_ns: int, window_s: float, envoys: Iterable[Envoy], sums: Floats, *, refused_here: float
) -> Report:  # fmt: skip
    """Make it. `sums`: a row for each Envoy by its number, columns as FIELDS."""
    of_workload: dict[Who, list[Envoy]] = {}
    for envoy in envoys:
        of_workload.setdefault(envoy.who, []).append(envoy)
    made = (_workload(who, some, sums, refused_here) for who, some in of_workload.items())
    return Report(time_ns, window_s, tuple(sorted(made, key=_name)))


def _workload(who: Who, envoys: list[Envoy], sums: Floats, refused_here: float) -> WorkloadShare:
    known = [envoy.code for envoy in envoys if envoy.known]
    unknown = len(envoys) - len(known)
    of_fields = dict(zip(FIELDS, sums[known].sum(axis=0).tolist(), strict=True))
    counts = Counts(**of_fields, refused_here=refused_here)
    return WorkloadShare(
        *who,
        envoys=len(envoys),
        unknown_envoys=unknown,
        http=Share(counts.http_expected, counts.http_seen),
        tcp=Share(counts.tcp_expected, counts.tcp_seen),
        reasons=((Reason("no_metrics", unknown),) if unknown else ()) + reasons(counts),
    )


def _name(one: WorkloadShare) -> tuple[str, str, str]:
    return one.namespace or "", one.workload or "", one.cluster or ""
