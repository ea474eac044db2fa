"""What goes wrong and when: all of it from one seed, so that a run can be repeated."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

from tests.faults.sink import FOR_ROWS, Mood

__all__ = ["FULL_DISK", "HANDLERS", "Damage", "End", "Fault", "Round", "schedule"]

HANDLERS = ("numbered", "otlp")

Fault: TypeAlias = str
"""A mood of a sink, an end, a damage, or FULL_DISK."""
FULL_DISK: Fault = "fill the disk"


class End(StrEnum):
    """How a round ends."""

    GO_ON = "go on"
    RELOAD = "reload"
    STOP = "stop"
    CRASH = "kill -9"


class Damage(StrEnum):
    """What is done to the journal's files while nobody has them open."""

    TORN = "cut the log off"
    TRUNCATED = "cut the file off"
    GARBLED = "overwrite some of the file"


@dataclass(frozen=True, slots=True)
class Round:
    """So many requests while the sinks are in these moods; `disk_full`: for a while."""

    requests: int
    moods: dict[str, Mood]
    end: End = End.GO_ON
    after_s: float = 0.0
    """When it ends, from the first request on; the requests go on."""
    settled: bool = False
    """Whether it waits first until the journal has everything."""
    disk_full: bool = False
    damage: Damage | None = None


def schedule(seed: int, rounds: int) -> list[Round]:
    """Give so many rounds. Every mood, end and damage comes before any comes again."""
    random = Random(seed)
    moods = {"numbered": _deck(random, list(Mood)), "otlp": _deck(random, [one for one in Mood if one != FOR_ROWS])}
    ends = _deck(random, [End.CRASH, End.CRASH, End.CRASH, End.STOP, End.GO_ON, End.RELOAD])
    damages = _deck(random, [None, *Damage])
    full = _deck(random, [True, False, False, False])
    return [_round(random, {name: next(deck) for name, deck in moods.items()}, next(ends), damages, next(full))
            for _ in range(rounds)]  # fmt: skip


def _round(random: Random, moods: dict[str, Mood], end: End, damages: Iterator[Damage | None], full: bool) -> Round:
    damage = next(damages) if end is End.CRASH else None
    return Round(
        requests=random.choice([20, 60, 150]),
        moods=moods,
        end=end,
        after_s=round(random.uniform(0.05, 0.8), 3),
        settled=full or random.random() < (0.7 if damage else 0.3),
        disk_full=full,
        damage=damage,
    )


def _deck(random: Random, cards: list) -> Iterator:
    while True:
        yield from random.sample(cards, len(cards))
