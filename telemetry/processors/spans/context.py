"""The ids of spans: those in headers, read by the rules for Envoy's tracer, and where there are none, made."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.hashes import Hashes
from telemetry.processors.hops.matching import Ends
from telemetry.processors.spans.family import Family, Spans, family
from telemetry.processors.spans.identifiers import span_ids

__all__ = ["Tracer", "identified"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_NOBODY = -1


@dataclass
class Tracer:
    """Whether Envoys trace by themselves. `setting`: on, off or auto; `seen_on`: what the last pairs showed."""

    setting: str
    seen_on: bool = False

    def on(self, spans: Spans, kin: Family, told: Bools) -> Bools:
        """Tell of each span whether its Envoy made it; `told`: its headers betray that."""
        if self.setting != "auto":
            return np.full(len(spans.trace), self.setting == "on")
        servers = np.flatnonzero(kin.last & (spans.span != 0))
        clients = kin.client[servers]
        servers, clients = servers[spans.span[clients] != 0], clients[spans.span[clients] != 0]
        # Without a tracer the header passes unchanged from one end of the hop to the other.
        changed = spans.span[servers] != spans.span[clients]
        if len(changed):
            self.seen_on = bool(changed.mean() > 0.5)
        on = told | self.seen_on
        on[servers] = on[clients] = changed
        return on


def identified(outlines: pl.DataFrame, trace: Hashes, tracer: Tracer) -> pl.DataFrame:
    """Give span.id, span.parent_id (String) and span.inferred (Boolean), a row for each of OUTLINE's.

    `trace`: a hash of the trace that the row belongs to.
    """
    spans = _spans(outlines, trace)
    kin = family(spans)
    on = tracer.on(spans, kin, outlines["trace.state"].is_not_null().to_numpy()) & (spans.span != 0)
    # Zipkin's shared spans: both ends have one id, and we have two spans.
    shared = kin.last & (spans.span == spans.span[kin.client])
    read = on & ~shared
    made = span_ids(
        trace, spans.id, spans.sender, spans.receiver, spans.node, spans.ends.start.view(np.uint64), spans.ends.client
    )
    own = outlines["trace.span_id"].zip_with(pl.Series(read), made) if read.any() else made
    parent, logged = _parents(spans, kin, on, outlines)
    by_kin = own.gather(pl.Series(np.maximum(parent, 0).astype(np.uint32)))
    parents = by_kin.zip_with(pl.Series(parent != _NOBODY), logged)
    return pl.DataFrame({
        "span.id": own,
        "span.parent_id": parents,
        "span.inferred": pl.Series(~read | (parent != _NOBODY)),
    })  # fmt: skip


def _spans(outlines: pl.DataFrame, trace: Hashes) -> Spans:
    array = {
        name: outlines[name].to_numpy()
        for name in ("client", "start", "end", "attempts", "span", "id", "node", "from", "to")
    }
    ends = Ends(array["client"], array["start"], array["end"], array["attempts"])
    return Spans(ends, trace, array["span"], array["id"], array["node"], array["from"], array["to"])


def _parents(spans: Spans, kin: Family, on: Bools, outlines: pl.DataFrame) -> tuple[Ints, pl.Series]:
    """Give each span's parent: a row (-1: none of ours), or else an id from its headers (null: none)."""
    parent = np.where(spans.ends.client, kin.around, kin.client)
    around = np.maximum(kin.around, 0)
    # Without a tracer the header names the caller. What an application passes on as it came has no span of its own.
    passed_on = (spans.span == 0) | (spans.span == np.where(on[around], 0, spans.span[around]))
    other_span = spans.ends.client & ~on & ~(passed_on & (kin.around != _NOBODY)) & (spans.span != 0)
    parent = np.where(other_span, _NOBODY, parent)
    caller, by_b3 = outlines["trace.span_id"], outlines["trace.parent_id"]
    if on.any():
        caller = caller.zip_with(pl.Series(~on), by_b3)
    # B3 names the parent outright, but the client's end of a hop is surer for a server.
    told = on & spans.ends.client & by_b3.is_not_null().to_numpy()
    return np.where(told, _NOBODY, parent), caller
