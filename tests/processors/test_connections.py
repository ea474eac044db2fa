"""Running totals become increases, each byte and each connection counted once."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry.batch import Batch, Template, fault_of
from telemetry.processors.connections import Connections
from tests.rows import NOW_NS, SECOND_NS, logentries, metrics

STARTED_NS = NOW_NS - 60 * SECOND_NS


def report(event: str, received: int, sent: int, id_: str | None = "c1", began_ns: int = NOW_NS, **more) -> dict:
    return {
        "context.protocol": "tcp",
        "connection.id": id_,
        "connection.event": event,
        "connection.received.bytes_total": received,
        "connection.sent.bytes_total": sent,
        "request.time": began_ns,
        **more,
    }


def connections(limit: int = 1000) -> Connections:
    return Connections(started_ns=STARTED_NS, limit=limit)


def run(processor: Connections, *reports: dict) -> list[tuple]:
    (batch,) = processor.process(logentries(*reports))
    assert fault_of(batch) is None
    wanted = ("connection.opened", "connection.received.bytes", "connection.sent.bytes")
    return batch.rows.select(wanted).rows()


def test_totals_become_increases_within_a_batch_and_across_batches():
    processor = connections()
    assert run(processor, report("open", 0, 0), report("continue", 100, 7)) == [(True, 0, 0), (False, 100, 7)]
    assert run(processor, report("continue", 150, 7), report("close", 151, 9)) == [(False, 50, 0), (False, 1, 2)]
    assert len(processor) == 0


def test_a_connection_reported_only_at_its_end_is_opened_and_counted_then():
    assert run(connections(), report("close", 10, 20)) == [(True, 10, 20)]


def test_connections_do_not_mix():
    processor = connections()
    run(processor, report("open", 5, 0, "a"), report("open", 7, 0, "b"))
    assert run(processor, report("close", 9, 0, "b"), report("close", 6, 0, "a")) == [(False, 2, 0), (False, 1, 0)]


def test_reports_without_an_id_stand_each_for_itself():
    assert run(connections(), report("close", 3, 0, None), report("close", 4, 0, None)) == [(True, 3, 0), (True, 4, 0)]


def test_a_connection_older_than_this_process_begins_to_count_at_its_first_report():
    processor = connections()
    old = STARTED_NS - SECOND_NS
    assert run(processor, report("continue", 1000, 50, began_ns=old)) == [(False, 0, 0)]
    assert run(processor, report("close", 1001, 52, began_ns=old)) == [(False, 1, 2)]


def test_a_total_that_falls_is_a_new_connection_under_an_old_id():
    processor = connections()
    run(processor, report("continue", 100, 100))
    assert run(processor, report("continue", 30, 40)) == [(False, 30, 40)]


def test_memory_is_bounded_and_what_was_forgotten_is_not_counted_twice():
    processor = connections(limit=2)
    for at, name in enumerate("abc"):
        run(processor, report("open", 10, 0, name, **{"context.time": NOW_NS + at * SECOND_NS}))
    assert len(processor) == 2
    assert processor.forgotten_total == 1
    assert run(processor, report("continue", 15, 0, "a", began_ns=NOW_NS)) == [(False, 0, 0)]


def test_other_rows_and_other_templates_pass_unchanged():
    processor = connections()
    entries = logentries({"request.id": "r"})
    assert list(processor.process(entries)) == [entries]
    points = metrics(1)
    assert list(processor.process(points)) == [points]


def test_requests_beside_connections_keep_their_place():
    batch = logentries({"request.id": "first"}, report("close", 1, 2), {"request.id": "last"})
    (result,) = connections().process(batch)
    assert result.rows["request.id"].to_list() == ["first", None, "last"]
    assert result.rows["connection.received.bytes"].to_list() == [None, 1, None]


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100), st.integers(0, 100)), max_size=40)


@given(steps=STEPS, cuts=st.lists(st.integers(0, 40), max_size=5))
def test_increases_add_up_to_the_last_total_however_reports_are_batched(steps, cuts):
    totals: dict[str, tuple[int, int]] = {}
    reports = []
    for name, received, sent in steps:
        before = totals.get(name, (0, 0))
        totals[name] = (before[0] + received, before[1] + sent)
        reports.append(report("continue", *totals[name], name))
    processor = connections()
    opened = received = sent = 0
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(reports)], strict=True):
        if batch := reports[start:end]:
            rows = run(processor, *batch)
            opened += sum(row[0] for row in rows)
            received += sum(row[1] for row in rows)
            sent += sum(row[2] for row in rows)
    assert opened == len(totals)
    assert (received, sent) == (sum(t[0] for t in totals.values()), sum(t[1] for t in totals.values()))


def test_a_batch_of_another_template_is_not_looked_into():
    batch = Batch(Template.METRIC, metrics(1).rows, "test", 1, 1)
    assert list(connections().process(batch)) == [batch]
