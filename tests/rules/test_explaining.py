"""What is said of a row: every rule, every handler, and it is what happens."""

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Template
from telemetry.rules.explaining import Decision, explain
from tests.rows import logentries, metrics
from tests.rules.given import EVERY, rule, rules

ENTRIES = frozenset({Template.LOGENTRY})
PAYMENTS = rule('request.method in ["POST"] && response.code >= 500 && (has(trace.id) || true)', name="payments")
CODES = st.sampled_from([None, 200, 503])
METHODS = st.sampled_from([None, "GET", "POST"])


def explained(batch, *some, **handlers):
    return explain(rules(*some), batch, handlers or {"audit": ENTRIES})


def test_the_term_that_was_false_is_named():
    (row,) = explained(logentries({"request.method": "POST", "response.code": 200}), PAYMENTS)
    (why,) = row.rules
    assert (why.rule, why.matched, why.term, why.absent) == ("payments", False, "response.code >= 500", False)


def test_a_term_that_could_not_be_told_is_named_as_such():
    (row,) = explained(logentries({"request.method": "POST"}), PAYMENTS)
    assert (row.rules[0].term, row.rules[0].absent) == ("response.code >= 500", True)


def test_a_false_term_decides_before_one_that_could_not_be_told():
    (row,) = explained(logentries({"response.code": 200}), PAYMENTS)
    assert (row.rules[0].term, row.rules[0].absent) == ("response.code >= 500", False)


def test_each_handler_says_what_it_receives_and_by_which_rules():
    batch = logentries({"request.method": "POST", "response.code": 503, "response.outcome": "server_error"})
    sampled = rule("true", "audit", "kafka", name="some", sampling={"percent": 0, "keep_errors": False})
    (row,) = explained(
        batch, PAYMENTS, sampled, audit=ENTRIES, kafka=ENTRIES, stdout=ENTRIES, prometheus={Template.METRIC}
    )
    assert [(one.handler, one.decision, one.rules) for one in row.handlers] == [
        ("audit", Decision.DELIVERED, ("payments", "some")),
        ("kafka", Decision.SAMPLED_OUT, ("some",)),
        ("stdout", Decision.DELIVERED, ("default",)),
        ("prometheus", Decision.NOT_ACCEPTED, ()),
    ]


def test_a_probe_is_explained_by_the_key_that_leaves_it_out():
    (row,) = explained(logentries({"request.useragent": "kube-probe/1.29"}), stdout=ENTRIES)
    assert (row.rules[0].rule, row.rules[0].term) == ("default", "probes.ignore")
    assert row.handlers[0].decision is Decision.FILTERED


def test_metrics_are_explained_by_their_labels():
    first, second = explained(metrics(1, 2), rule('labels.at == "1"'), audit=EVERY)
    assert first.rules[0].term == 'labels.at == "1"'
    assert second.rules[0].matched


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(METHODS, CODES), min_size=1, max_size=8))
def test_what_is_explained_is_what_happens(rows):
    batch = logentries(
        *(
            {"request.method": m, "response.code": c, "response.outcome": "success", "request.id": str(m)}
            for m, c in rows
        )
    )
    some = (PAYMENTS, rule("response.code == 200", name="half", sampling={"percent": 50}))
    happened = rules(*some).select_for("audit", ENTRIES)(batch).batch.row_numbers.to_list()
    said = explained(batch, *some)
    assert [one.row for one in said if one.handlers[0].decision is Decision.DELIVERED] == happened
    assert all((why.term == "") is why.matched for one in said for why in one.rules)
