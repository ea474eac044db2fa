"""Mixer's rules: what the configuration says of each handler, made into the choice of its rows."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.config.rules import PROBED, ProbeSettings, RuleSettings, templates_of
from telemetry.processors.probes import is_probe
from telemetry.rules import Select, Selected, everything
from telemetry.rules.allowance import Allowance
from telemetry.rules.draw import Bools
from telemetry.rules.matching import compiled_for, shape_of
from telemetry.rules.sampling import Sampling

__all__ = ["DEFAULT", "Rules", "match_of"]

DEFAULT = "default"
"""What the rule is called that holds for handlers that no rule names."""
_REMEMBERED = 4

Keep = Callable[[str, object, Callable[[], Allowance]], Allowance]
"""Gives what was kept under a name, if it was made of the same, else what is made now: Parts.part."""


def _anew(_name: str, _made_of: object, make: Callable[[], Allowance]) -> Allowance:
    return make()


class Rules:
    """All rules. One choice is made for all handlers that the same rules name and that accept the same.

    `clock_ns` is for rate limits, of which each handler has its own; `keep` gives one that goes on from before.
    """

    def __init__(
        self,
        rules: Sequence[RuleSettings] = (),
        probes: ProbeSettings | None = None,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        keep: Keep = _anew,
    ) -> None:
        self.rules = tuple(rules)
        self.probes = probes or ProbeSettings()
        self._clock_ns = clock_ns
        self._keep = keep
        self._shared: dict[object, _Remembering] = {}

    def templates_for(self, handler: str, accepts: Collection[Template]) -> frozenset[Template]:
        """Give the templates of which any row can reach the handler: nothing else need be made or kept for it."""
        plan = self.plan(handler, accepts)
        return frozenset(accepts) if plan is None else frozenset(each for each, rules in plan.items() if rules)

    def select_for(self, handler: str, accepts: Collection[Template]) -> Select:
        """Give the choice of the handler's rows; the same object for handlers that get the same."""
        plan = self.plan(handler, accepts)
        if plan is None:
            return self._share(DEFAULT, lambda: _WithoutProbes(self.probes)) if self.probes.ignore else everything
        if any(rule.sampling and rule.sampling.rate_limit for rules in plan.values() for rule in rules):
            return _Choice(plan, lambda rule: self._limit(handler, rule))
        return self._share(tuple(plan.items()), lambda: _Choice(plan, lambda _: None))

    def plan(self, handler: str, accepts: Collection[Template]) -> Mapping[Template, tuple[RuleSettings, ...]] | None:
        """Give the rules of each template for the handler, in their order; None when no rule names it."""
        named = [rule for rule in self.rules if handler in rule.handlers]
        if not named:
            return None
        taken = [template for template in Template if template in accepts]
        return {each: tuple(rule for rule in named if each in _templates(rule, accepts)) for each in taken}

    def _limit(self, handler: str, rule: RuleSettings) -> Allowance | None:
        """Give what the rule's rate limit still lets go to the handler; None where it has no limit."""
        rate = rule.sampling.rate_limit if rule.sampling else None
        if rate is None:
            return None
        burst = rate.burst or max(1, math.ceil(rate.rows_per_second))
        make = partial(Allowance, rate.rows_per_second, burst, self._clock_ns)
        return self._keep(f"rate limit: {handler}/{rule.name}", rate, make)

    def _share(self, key: object, make: Callable[[], Select]) -> Select:
        if key not in self._shared:
            self._shared[key] = _Remembering(make())
        self._shared[key].users += 1
        return self._shared[key]


def _templates(rule: RuleSettings, accepts: Collection[Template]) -> frozenset[Template]:
    return rule.asked & _fitting(rule.match, frozenset(rule.asked)) & frozenset(accepts)


# Asked for each handler, at each reload, and for each row that is explained.
@lru_cache(maxsize=4096)
def _fitting(match: str, among: frozenset[Template]) -> frozenset[Template]:
    return templates_of(match, among)


def match_of(batch: Batch, text: str) -> Bools:
    """Say which rows of the batch match."""
    compiled = compiled_for(text, shape_of(batch))
    if not compiled.reads:
        return np.full(len(batch.rows), fill_value=bool(pl.select(compiled.expression).item()))
    # To plan an expression takes the longer the wider the frame is.
    return batch.rows[list(compiled.reads)].select(compiled.expression).to_series().to_numpy()


@dataclass(frozen=True, slots=True)
class _WithoutProbes:
    """The default rule: everything, but requests that are the platform's own."""

    probes: ProbeSettings

    def __call__(self, batch: Batch) -> Selected:
        if batch.template not in PROBED:
            return Selected(batch)
        probes = batch.rows.select(is_probe(self.probes.user_agents)).to_series()
        count = int(probes.sum())
        return Selected(batch.take(~probes), filtered=count) if count else Selected(batch)


class _Choice:
    """The rows that any rule matches and keeps, each once."""

    def __init__(
        self, plan: Mapping[Template, Sequence[RuleSettings]], limit_of: Callable[[RuleSettings], Allowance | None]
    ) -> None:
        sampled = {rule.name: rule for rules in plan.values() for rule in rules}
        self._sampling = {
            name: Sampling(rule.sampling, limit_of(rule)) for name, rule in sampled.items() if rule.sampling
        }
        self._plan = plan

    def __call__(self, batch: Batch) -> Selected:
        matched = np.zeros(len(batch.rows), dtype=np.bool_)
        kept = matched.copy()
        # What another rule has kept goes on as it is: it takes nothing from a limit.
        for rule in sorted(self._plan.get(batch.template, ()), key=lambda rule: rule.name in self._sampling):
            here = match_of(batch, rule.match)
            matched |= here
            sampling = self._sampling.get(rule.name)
            kept |= sampling.keep(batch, here & ~kept) if sampling else here
        rows, matches, going = len(kept), int(matched.sum()), int(kept.sum())
        if going == rows:
            return Selected(batch)
        chosen = batch.take(pl.Series(kept)) if going else batch.slice(0, 0)
        return Selected(chosen, filtered=rows - matches, sampled_out=matches - going)


class _Remembering:
    """A pure choice that remembers what it chose from the last batches, where several handlers will ask for them."""

    def __init__(self, choice: Select) -> None:
        self.users = 0
        self._choice = choice
        self._known: OrderedDict[int, tuple[Batch, Selected]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, batch: Batch) -> Selected:
        if self.users < 2:
            return self._choice(batch)
        with self._lock:
            known = self._known.get(id(batch))
        if known and known[0] is batch:
            return known[1]
        selected = self._choice(batch)
        with self._lock:
            self._known[id(batch)] = batch, selected
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return selected
