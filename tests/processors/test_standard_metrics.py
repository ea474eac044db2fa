"""Istio's metrics thinned as its Telemetry API says it; nothing is lost by it."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Batch, Template, fault_of
from telemetry.processors.signals import Metrics, Signals
from telemetry.processors.standard_metrics import NAMES, Mode, Override, Standard, bare_metrics
from tests.rows import NOW_NS, SECOND_NS, logentries

ALL = frozenset(NAMES)
CLIENT, SERVER = "outbound", "inbound"


def points(batch: Batch, *overrides: Override, **more) -> pl.DataFrame:
    """All points, labels beside them."""
    signals = Signals(seed=1, started_ns=NOW_NS - SECOND_NS, metrics=Metrics(Standard(overrides, **more)))
    # What it says that it reads is enough.
    lean = batch.rows.with_columns(pl.lit(None, batch.rows[name].dtype).alias(name) for name in unread(signals, batch))
    made = [out for out in signals.process(Batch(batch.template, lean, "t", 1, 1)) if out.template is Template.METRIC]
    assert [fault_of(one) for one in made] == [None] * len(made)
    frames = [one.rows.unnest("labels").with_columns(labels=one.rows["labels"]) for one in made]
    return pl.concat([frame.with_columns(pl.col("labels").hash()) for frame in frames], how="diagonal")


def unread(signals: Signals, batch: Batch) -> list[str]:
    return [name for name in batch.rows.columns if name not in signals.reads]


def of(frame: pl.DataFrame, metric: str) -> pl.DataFrame:
    return frame.filter(pl.col("metric") == NAMES[metric])


def asked(kind: str = SERVER, **more) -> dict:
    key = (SERVER, CLIENT, "waypoint").index(kind)
    return {
        "context.key": key,
        "context.reporter.kind": kind,
        "response.code": 200,
        "response.duration": 5_000_000,
        **more,
    }


def test_a_removed_label_is_gone_and_its_rows_are_one():
    batch = logentries(asked(**{"response.code": 200}), asked(**{"response.code": 503}))
    frame = of(points(batch, Override(ALL, labels={"response_code": None})), "REQUEST_COUNT")
    assert "response_code" not in frame.columns
    assert frame["value"].to_list() == [2]


def test_rows_whose_key_differs_but_whose_labels_do_not_are_one():
    rows = [asked(**{"context.key": key, "source.principal": f"p{key}"}) for key in range(3)]
    frame = of(points(logentries(*rows), Override(ALL, labels={"source_principal": None})), "REQUEST_DURATION")
    assert frame.select("value", "count").rows() == [(15.0, 3)]


def test_an_added_label_splits_the_sums_by_a_header():
    headers = [None, [{"key": "x-team", "value": "blue"}], [{"key": "x-team", "value": "red"}]]
    batch = logentries(*(asked(**{"request.headers": one}) for one in headers))
    frame = of(points(batch, Override(ALL, labels={"team": 'request.headers["x-team"]'})), "REQUEST_COUNT")
    assert dict(frame.select("team", "value").rows()) == {"unknown": 1, "blue": 1, "red": 1}


@pytest.mark.parametrize(
    ("text", "value"), [('"prod"', "prod"), ("response.code / 100", "2"), ("response.code == 200", "true")]
)
def test_a_label_may_be_a_constant_a_number_or_a_truth(text, value):
    frame = points(logentries(asked(), asked()), Override(ALL, labels={"reporter": text}))
    assert set(frame["reporter"]) == {value}
    assert of(frame, "REQUEST_COUNT")["value"].sum() == 2


def test_a_disabled_metric_is_not_made_and_what_it_alone_read_is_not_read():
    off = Override(frozenset({"REQUEST_SIZE"}), disabled=True)
    assert NAMES["REQUEST_SIZE"] not in set(points(logentries(asked()), off)["metric"])
    signals = Signals(seed=1, started_ns=0, metrics=Metrics(Standard([off])))
    assert "request.total_size" not in signals.reads
    assert "response.total_size" in signals.reads


def test_a_later_override_wins():
    off, on = (Override(frozenset({"REQUEST_COUNT"}), disabled=disabled) for disabled in (True, False))
    some = Override(ALL, labels={"source_app": None})
    again = Override(ALL, labels={"source_app": '"x"'})
    frame = points(logentries(asked()), off, on, some, again)
    assert of(frame, "REQUEST_COUNT")["source_app"].to_list() == ["x"]


def test_a_mode_is_one_side_of_the_request():
    batch = logentries(asked(CLIENT), asked(SERVER), asked("waypoint"))
    off = Override(ALL, frozenset({Mode.CLIENT}), disabled=True)
    assert of(points(batch, off), "REQUEST_COUNT")["reporter"].sort().to_list() == ["destination", "waypoint"]
    fewer = Override(ALL, frozenset({Mode.SERVER}), labels={"source_app": None})
    frame = of(points(batch, fewer), "REQUEST_COUNT")
    assert dict(frame.select("reporter", "source_app").rows()) == {
        "source": "unknown", "destination": None, "waypoint": None,
    }  # fmt: skip


def test_all_disabled_reads_and_makes_nothing():
    signals = Signals(seed=1, started_ns=0, metrics=Metrics(Standard([Override(ALL, disabled=True)])))
    batch = logentries(asked())
    assert list(signals.process(batch)) == [batch]
    assert signals.reads == {"context.time"}


def test_a_metric_without_labels_is_told_of():
    names = dict.fromkeys(points(logentries(asked())).columns[1:], None)
    assert set(bare_metrics([Override(ALL, labels=names)])) >= {"REQUEST_COUNT", "TCP_SENT_BYTES"}


def test_probes_do_not_count_where_they_are_ignored():
    batch = logentries(asked(**{"request.useragent": "kube-probe/1.29"}), asked(**{"request.useragent": "curl"}))
    signals = Signals(seed=1, started_ns=0, metrics=Metrics(probes=("kube-probe/",)))
    made = [out.rows for out in signals.process(batch) if out.template is Template.METRIC]
    assert made[0].filter(metric="istio_requests_total")["value"].sum() == 1


@pytest.mark.parametrize(
    ("more", "bounds", "native"),
    [
        ({}, 19, False),
        ({"explicit": False, "scale": 3}, 0, True),
        ({"scale": 3}, 19, True),
    ],
)
def test_histograms_are_told_as_asked(more, bounds, native):
    batch = logentries(asked(**{"response.duration": 1_500_000}), asked(**{"response.duration": None}))
    (row,) = of(points(batch, **more), "REQUEST_DURATION").rows(named=True)
    assert (len(row["bounds"]), len(row["buckets"]), sum(row["buckets"]), row["count"]) == (bounds, bounds + 1, 1, 1)
    assert (row["exponential"] is not None) is native
    # Istio's whole milliseconds beside Istio's bounds, else as it was.
    assert row["value"] == (1.0 if bounds else 1.5)
    if native:
        assert sum(bucket["count"] for bucket in row["exponential"]["positive"]) == 1


def test_who_takes_anothers_place_goes_on_where_that_one_stopped():
    before = Signals(seed=1, started_ns=NOW_NS - SECOND_NS)
    fewer = Metrics(Standard([Override(frozenset({"REQUEST_COUNT"}), disabled=True)]))
    after = Signals(seed=1, started_ns=0, metrics=fewer, before=before)
    batch = logentries(asked())
    first = next(out for out in before.process(batch) if out.template is Template.METRIC)
    second = next(out for out in after.process(batch) if out.template is Template.METRIC)
    assert NAMES["REQUEST_COUNT"] in set(first.rows["metric"])
    assert NAMES["REQUEST_COUNT"] not in set(second.rows["metric"])
    assert first.rows["time"][0] == second.rows["start"][0]


ENTRY = st.fixed_dictionaries({
    "context.key": st.integers(0, 3),
    "context.protocol": st.sampled_from(["http", "grpc"]),
    "context.reporter.kind": st.sampled_from([CLIENT, SERVER]),
    "response.code": st.sampled_from([None, 200, 503]),
    "response.grpc_status": st.sampled_from([None, 0, 14]),
    "response.flags": st.sampled_from([0, 2]),
    "request.method": st.sampled_from([None, "GET", "POST"]),
    "request.total_size": st.sampled_from([None, 0, 700]),
    "response.duration": st.sampled_from([None, 0, 7_300_000]),
})  # fmt: skip
LABELS = ("response_code", "response_flags", "grpc_response_status", "source_workload", "reporter", "request_protocol")
OVERRIDES = st.builds(
    Override,
    metrics=st.sampled_from([ALL, frozenset({"REQUEST_COUNT"}), frozenset({"REQUEST_SIZE", "REQUEST_DURATION"})]),
    modes=st.sampled_from([frozenset(Mode), frozenset({Mode.CLIENT}), frozenset({Mode.SERVER})]),
    labels=st.dictionaries(st.sampled_from(LABELS), st.sampled_from([None, '"x"', "request.method"])),
)


def totals(frame: pl.DataFrame) -> dict[str, tuple]:
    sums = Counter()
    for metric, value, count, buckets in frame.select("metric", "value", "count", "buckets").rows():
        sums[metric, "value"] += value
        sums[metric, "count"] += count or 0
        sums.update({(metric, at): number for at, number in enumerate(buckets or ())})
    return {key: total for key, total in sums.items() if total}


@settings(deadline=None, max_examples=60)
@given(st.lists(ENTRY, min_size=1, max_size=20), st.lists(OVERRIDES, max_size=3))
def test_totals_are_the_same_before_and_after(entries, overrides):
    # Who and whom follow from the narrow key, as normalise makes it.
    def who(entry):
        return entry["context.key"], entry["context.protocol"], entry["context.reporter.kind"]

    def whole(entry):
        known = sorted({who(one) for one in entries})
        made = {"source.workload.name": f"w{entry['context.key'] % 2}"}
        flags = {"context.proxy_error_code": str(entry["response.flags"])}
        return {**entry, **made, **flags, "context.key": known.index(who(entry))}

    batch = logentries(*map(whole, entries))
    assert totals(points(batch, *overrides)) == totals(points(batch))
