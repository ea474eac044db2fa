"""What a new configuration would do in place of another: keys, handlers, rules, metrics, and how many series."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from telemetry.batch import Template
from telemetry.cli.newest import newest
from telemetry.config import Settings
from telemetry.config.changes import Change, changes, needing_restart
from telemetry.config.handlers import HandlerSettings
from telemetry.errors import StartError
from telemetry.journal.history import History
from telemetry.predict import Count, SeriesOf, same_series, total
from telemetry.rules.rules import Rules

__all__ = ["Difference", "Prediction", "difference", "predict"]

_NAMED = ("rules", "metrics")


@dataclass(frozen=True, slots=True)
class Prediction:
    """Series by metric, of the same requests: `rows` LOGENTRY rows kept from `from_ns` to `to_ns`.

    `complete`: nothing of the history asked for was left out.
    """

    rows: int
    from_ns: int
    to_ns: int
    complete: bool
    old: Mapping[str, Count]
    new: Mapping[str, Count]

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON's types."""
        return {**asdict(self), "total": {"old": asdict(total(self.old)), "new": asdict(total(self.new))}}


@dataclass(frozen=True, slots=True)
class Difference:
    """What would change. Handlers, by name, with what becomes of each."""

    changes: Sequence[Change]
    handlers: Mapping[str, str] = field(default_factory=dict)

    @property
    def restarts(self) -> Sequence[Change]:
        """The keys that a running service can't take."""
        return needing_restart(list(self.changes))

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON's types."""
        found = [
            {"key": one.key, "before": one.before, "after": one.after, "needs_restart": one.needs_restart}
            for one in self.changes
        ]
        return {"changes": found, "handlers": dict(self.handlers)}


def difference(old: Settings, new: Settings) -> Difference:
    """Compare two configurations; rules and metrics are compared by their names."""
    found = [one for one in changes(old, new) if one.path[0] not in _NAMED]
    for key in _NAMED:
        found += _named_changes(key, getattr(old, key), getattr(new, key))
    return Difference(found, dict(_handlers(old, new)))


def _named_changes(key: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    olds: dict[str, BaseModel] = {one.name: one for one in old}
    news: dict[str, BaseModel] = {one.name: one for one in new}
    for name in [*olds, *(name for name in news if name not in olds)]:
        before, after = olds.get(name), news.get(name)
        if before is None or after is None:
            yield Change((key, name), "absent" if before is None else "there", "absent" if after is None else "there")
        else:
            yield from (Change((key, name, *one.path), one.before, one.after) for one in changes(before, after))
    if list(olds) != list(news) and sorted(olds) == sorted(news):
        yield Change((key,), f"in the order {', '.join(olds)}", f"in the order {', '.join(news)}")


def _handlers(old: Settings, new: Settings) -> Iterator[tuple[str, str]]:
    """Give those that differ, and how, as Handlers.apply does it."""
    rules, others = Rules(old.rules, old.probes), Rules(new.rules, new.probes)
    for name, before in old.handlers.items():
        after = new.handlers.get(name)
        if after is None:
            yield name, "removed: what it has yet to take is given up"
        elif before.accepts != after.accepts:
            yield name, "removed and begun anew: it takes other templates; what it has yet to take is given up"
        elif before.adapter_settings() != after.adapter_settings():
            begun = "; its totals begin anew" if _keeps_totals(before) else ""
            yield name, f"restarted: its adapter is made anew, its cursor goes on{begun}"
        elif before.delivery != after.delivery:
            yield name, "paused for a moment: its delivery changes, its adapter goes on"
        elif rules.plan(name, before.accepts) != others.plan(name, after.accepts) or old.probes != new.probes:
            yield name, "goes on: other rows from the next batch"
    yield from ((name, "added: it begins with what comes after") for name in new.handlers if name not in old.handlers)


def _keeps_totals(handler: HandlerSettings) -> bool:
    """Whether the adapter adds up: those that do have an option that bounds how many totals they hold."""
    return hasattr(handler, "max_series") and getattr(handler, "temporality", "cumulative") == "cumulative"


def predict(
    old: Settings,
    new: Settings,
    journal: Path,
    *,
    from_ns: int,
    max_rows: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Prediction:
    """Run both configurations' metrics over the newest of the history.

    Raises StartError when there is none, saying what to do.
    """
    before, after = SeriesOf(old, old), SeriesOf(new, old)
    same = same_series(old, new)
    rows, first_ns, last_ns, complete = 0, 0, 0, True
    kept = newest(History(journal), from_ns, time.time_ns(), Template.LOGENTRY, max_rows=max_rows)
    for appended_ns, batch in kept:
        if rows + len(batch.rows) > max_rows and rows:
            complete = False
            break
        before.add(batch)
        if not same:
            after.add(batch)
        rows, first_ns, last_ns = rows + len(batch.rows), appended_ns, last_ns or appended_ns
        progress(rows)
    if not rows:
        raise StartError(f"{journal} holds no entries of that time; {_KEEP}")
    return Prediction(rows, first_ns, last_ns, complete, before.counts(), (before if same else after).counts())


_KEEP = (
    "to have the series predicted, let the service keep some: journal: {path: ./data/journal.db, retention: 10m, "
    "retain: [logentry]}"
)
