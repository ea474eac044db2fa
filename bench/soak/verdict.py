"""What a soak has shown, a line for each promise: kept, broken, or not to be judged by so short a run."""

import statistics
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bench.soak.samples import Sample
from tests.faults.schedule import Damage, End, Fault
from tests.faults.seen import Seen

__all__ = ["Finding", "of_crashes", "of_steady", "told"]

RSS_MIB_PER_H = 32.0
"""What the steady service's memory may rise by in the second half; docs/faults.md says why it is not nought."""
RSS_JUDGED_FROM_S = 3600
"""A shorter run can't tell caches and tails that fill from memory that leaks. Memory is a saw with a tooth of some 17
minutes, Python's full collections: a line through the second half of half an hour shows the rise of one tooth."""
DESCRIPTORS = 12
"""Both handlers may have more connections open at the end of the run than at its beginning."""
THREADS = 8
"""Pools begin their threads when they first need them: each handler has its own, and an adapter that encodes."""
ASKED_FOR = (str(End.CRASH), "retries", "duplicates")
NEVER_STEADY: Collection[Fault] = {*Damage, End.CRASH, End.STOP}
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """`kept` is None where the run was too short to say."""

    name: str
    said: str
    kept: bool | None

    def __str__(self) -> str:
        mark = {True: "ok", False: "BROKEN", None: "too short"}[self.kept]
        return f"  {mark:<9}  {self.name:<26}  {self.said}"


def of_steady(samples: Sequence[Sample], seen: Seen, faults: Sequence[str]) -> Iterator[Finding]:
    """Judge the service that was never stopped."""
    yield _properties("steady service", faults)
    yield _memory(samples)
    yield _number("open files", [one.descriptors for one in samples], DESCRIPTORS)
    yield _number("threads", [one.threads for one in samples], THREADS)
    broken = sum(one.unaccounted_rows != 0 for one in samples)
    yield Finding("the law", f"rows unaccounted for in {broken} of {len(samples)} looks", not broken)
    yield from _floors("steady: ", seen, 1, NEVER_STEADY)


def of_crashes(schedules: int, seen: Seen, faults: Sequence[str]) -> Iterator[Finding]:
    """Judge the schedules with crashes."""
    yield _properties(f"{schedules} schedules with crashes", faults)
    yield from _floors("", seen, max(schedules, 1), ())


def told(findings: Sequence[Finding]) -> str:
    """Give them as lines, with the one that sums them up last."""
    broken = [one for one in findings if one.kept is False]
    unjudged = [one.name for one in findings if one.kept is None]
    end = f"FAILED: {', '.join(one.name for one in broken)}" if broken else "PASSED"
    return "\n".join([*map(str, findings), end + (f"; not judged: {', '.join(unjudged)}" if unjudged else "")])


def mib_per_hour(samples: Sequence[Sample]) -> float:
    """How steeply a straight line through the second half rises."""
    late = samples[len(samples) // 2 :]
    if len(late) < 2:
        return 0.0
    slope, _ = statistics.linear_regression([one.time_s for one in late], [one.rss_bytes for one in late])
    return slope * 3600 / _MIB


def _memory(samples: Sequence[Sample]) -> Finding:
    rise = mib_per_hour(samples)
    sizes = [samples[at].rss_bytes / _MIB for at in (0, len(samples) // 2, -1)]
    said = (
        f"{sizes[0]:.0f} MiB at the start, {sizes[1]:.0f} halfway, {sizes[2]:.0f} at the end; "
        f"second half {rise:+.1f} MiB/h (allowed +{RSS_MIB_PER_H:.0f})"
    )
    long_enough = samples[-1].time_s >= RSS_JUDGED_FROM_S * 0.95
    return Finding("memory", said, rise <= RSS_MIB_PER_H if long_enough else None)


def _number(name: str, values: Sequence[int], allowed: int) -> Finding:
    """Judge by the medians of the first and the last quarter: single looks catch connections that come and go."""
    quarter = max(1, len(values) // 4)
    rise = statistics.median(values[-quarter:]) - statistics.median(values[:quarter])
    said = f"{values[0]} at the start, {values[-1]} at the end, {max(values)} at most; in between {rise:+.0f}"
    return Finding(name, f"{said} (allowed +{allowed})", rise <= allowed)


def _properties(name: str, faults: Sequence[str]) -> Finding:
    return Finding(name, "; ".join(faults) or "no property was broken", not faults)


def _floors(whose: str, seen: Seen, schedules: int, without: Collection[Fault]) -> Iterator[Finding]:
    """Say whether enough went wrong: each count that people ask for, and the other faults in one line."""
    floors = seen.floors(schedules, without)
    for name in (one for one in ASKED_FOR if one in floors):
        times, least = floors.pop(name)
        yield Finding(f"{whose}{name}", f"{times} (at least {least}, or the run proves nothing)", times >= least)
    times, least, name = min((times, least, name) for name, (times, least) in floors.items())
    said = f"{len(floors)} kinds; the rarest, {name!r}: {times} times (each at least {least})"
    yield Finding(f"{whose}other faults", said, all(times >= least for times, least in floors.values()))
