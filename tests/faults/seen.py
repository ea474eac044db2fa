"""What a run has gone through, and whether that is enough for it to prove anything."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tests.faults.schedule import FULL_DISK, Damage, End, Fault
from tests.faults.sink import Mood

__all__ = ["FLOOR", "Seen"]

FLOOR: Mapping[Fault, int] = {
    **{mood: 1 for mood in Mood if mood is not Mood.WORK},
    **dict.fromkeys(Damage, 1),
    End.CRASH: 4,
    End.STOP: 1,
    End.RELOAD: 1,
    FULL_DISK: 1,
}
"""How often each fault must have struck in a schedule of ten rounds."""
_RETRIES, _DUPLICATES = 10, 1


@dataclass
class Seen:
    """What a run has seen. `faults`: how often each has struck; one that nobody noticed does not count."""

    faults: Counter[Fault] = field(default_factory=Counter)
    retries: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    asked: int = 0
    durable: int = 0
    given_up: int = 0
    slowest_start_s: float = 0.0
    slowest_liveness_s: float = 0.0

    def floors(self, schedules: int, without: Collection[Fault] = ()) -> dict[str, tuple[int, int]]:
        """Give for each thing that so many schedules must have seen how often they have, and how often they must."""
        faults = {str(fault): (self.faults[fault], least) for fault, least in FLOOR.items() if fault not in without}
        counts = {"retries": (self.retries, _RETRIES), "duplicates": (self.duplicates, _DUPLICATES)}
        return {name: (times, least * schedules) for name, (times, least) in {**faults, **counts}.items()}

    def missing(self, schedules: int, without: Collection[Fault] = ()) -> list[str]:
        """Give what so many schedules have seen too little of: with any of that, they are not honest."""
        floors = self.floors(schedules, without).items()
        return [f"{name}: {times} of at least {least}" for name, (times, least) in floors if times < least]

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(
            self.faults + other.faults,
            self.retries + other.retries,
            self.duplicates + other.duplicates,
            self.dead_letters + other.dead_letters,
            self.asked + other.asked,
            self.durable + other.durable,
            self.given_up + other.given_up,
            max(self.slowest_start_s, other.slowest_start_s),
            max(self.slowest_liveness_s, other.slowest_liveness_s),
        )

    def __str__(self) -> str:
        counts = (
            f"{self.asked} asked, {self.durable} durable, {self.retries} retries, {self.duplicates} duplicates, "
            f"{self.dead_letters} dead letters, {self.given_up} given up for damage"
        )
        faults = ", ".join(f"{fault} {times}" for fault, times in self.faults.items())
        return f"{counts}; slowest start {self.slowest_start_s:.1f} s; faults: {faults}"
