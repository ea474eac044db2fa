"""The address registry: latest word, bounded, numbers that change with the owner."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh.addresses import INBOUND_BIND, LOOPBACK, UNKNOWN, Addresses
from telemetry.mesh.workload import Workload


def test_the_latest_word_counts():
    known = Addresses()
    known.learn("10.0.0.1", Workload(name="a"))
    known.learn("10.0.0.1", Workload(name="b"))
    assert known.find("10.0.0.1").name == "b"
    assert known.find("10.0.0.2") is None
    assert known.find(None) is None


def test_an_addresss_number_changes_with_its_workload_only():
    known = Addresses()
    known.learn("10.0.0.1", Workload(name="a"))
    number = known.number("10.0.0.1")
    known.learn("10.0.0.1", Workload(name="a"))
    assert known.number("10.0.0.1") == number
    known.learn("10.0.0.1", Workload(name="b"))
    assert known.number("10.0.0.1") != number


def test_addresses_with_a_meaning_have_numbers_of_their_own():
    known = Addresses()
    assert known.number("127.0.0.1") == known.number("::1") == LOOPBACK
    assert known.number("127.0.0.6") == INBOUND_BIND
    assert known.number("192.0.2.1") == UNKNOWN


@given(st.lists(st.integers(0, 50), max_size=200))
def test_memory_is_bounded_and_the_longest_unmentioned_goes_first(mentions):
    known = Addresses(limit=10)
    for at in mentions:
        known.learn(str(at), Workload(name=str(at)))
    recent = list(dict.fromkeys(reversed(mentions)))[:10]
    assert len(known) == len(recent)
    assert all(known.find(str(at)) for at in recent)
