"""Prometheus' text pages, read as they stand: no library leaves Envoy's counters their names."""

import re
from collections.abc import Iterable, Mapping

Series = tuple[str, tuple[tuple[str, str], ...]]
_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def types(text: str) -> dict[str, str]:
    found = (line.split() for line in text.splitlines() if line.startswith("# TYPE "))
    return {name: kind for _, _, name, kind in found}


def samples(text: str, without: Iterable[str] = ()) -> dict[Series, float]:
    """Every sample; `without` these labels."""
    left_out = set(without)
    found: dict[Series, float] = {}
    for match in filter(None, map(_LINE.match, text.splitlines())):
        labels = tuple(sorted(pair for pair in _LABEL.findall(match[2] or "") if pair[0] not in left_out))
        found[match[1], labels] = float(match[3])
    return found


def one(page: Mapping[Series, float], name: str, **labels: str) -> float:
    """The value of the one series that has the name and at least these labels."""
    (value,) = (value for (own, pairs), value in page.items() if own == name and labels.items() <= dict(pairs).items())
    return value
