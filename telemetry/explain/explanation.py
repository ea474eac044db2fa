"""An explanation: all that is said of each entry."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from telemetry.batch import Template
from telemetry.rules.explaining import Received, Why

__all__ = ["Elsewhere", "Entry", "Explained", "Explanation", "Point"]


@dataclass(frozen=True, slots=True)
class Explained:
    """One attribute of one entry, as it would be stored.

    `made_of`: the decoded columns that it was made of, with their values, unless they hold what was concealed.
    `concealed`: redaction has changed it (the value is null where nothing may be left), by the rules `concealed_by`.
    """

    name: str
    value: Any
    origin: str
    made_of: Mapping[str, Any]
    concealed: bool = False
    concealed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One metric that an entry counts into. `value`: what is added; of a histogram, to its sum; of a gauge, itself.

    `rules` and `handlers`: which rules match this row of the metric, and who would receive it.
    """

    metric: str
    kind: str
    unit: str
    value: float
    labels: Mapping[str, str]
    rules: Sequence[Why]
    handlers: Sequence[Received]


@dataclass(frozen=True, slots=True)
class Entry:
    """What becomes of one entry. `rules` and `handlers`: as Point's, of the entry itself."""

    attributes: Sequence[Explained]
    rules: Sequence[Why]
    handlers: Sequence[Received]
    metrics: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A rule that none of this asks: it is about rows of other `templates`, which take more than one entry."""

    rule: str
    handlers: tuple[str, ...]
    templates: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a text's entries, and how many were kept out or repaired, by reason."""

    entries: Sequence[Entry]
    rejected: Mapping[str, int]
    repaired: Mapping[str, int]
    elsewhere: Sequence[Elsewhere] = ()

    def as_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)
