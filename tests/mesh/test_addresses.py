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


class Sourced:
    """A source that knows one network by its first letters."""

    def __init__(self, beginning: str, workload: Workload) -> None:
        self.beginning, self.workload = beginning, workload

    def workload_of_address(self, address: str) -> Workload | None:
        return self.workload if address.startswith(self.beginning) else None


def test_orchestrators_know_better_than_nodes_and_nodes_better_than_files():
    cluster, file = Sourced("10.0.", Workload(name="pod")), Sourced("10.", Workload(name="file"))
    known = Addresses(before=[cluster], after=[file])
    known.learn("10.0.0.1", Workload(name="node"))
    known.learn("10.1.0.1", Workload(name="node"))
    addresses = ("10.0.0.1", "10.0.0.2", "10.1.0.1", "10.2.0.1", "192.0.2.1")
    assert [known.find(one) and known.find(one).name for one in addresses] == ["pod", "pod", "node", "file", None]
    assert known.number("192.0.2.1") == UNKNOWN
    assert len({known.number(one) for one in addresses}) == 4


def test_all_of_a_network_is_one_number_that_changes_with_its_workload():
    file = Sourced("10.", Workload(name="a"))
    known = Addresses(after=[file])
    number = known.number("10.0.0.1")
    assert known.number("10.9.9.9") == number
    file.workload = Workload(name="b")
    assert known.number("10.0.0.1") not in {number, UNKNOWN}


def test_loopback_is_nobodys_network():
    everything = Sourced("", Workload(name="a"))
    known = Addresses(before=[everything], after=[everything])
    assert known.number("127.0.0.1") == LOOPBACK
    assert known.find("127.0.0.6") is None


def test_numbers_of_sources_are_bounded_too():
    file = Sourced("", Workload(name="0"))
    known = Addresses(limit=10, after=[file])
    seen = set()
    for at in range(100):
        file.workload = Workload(name=str(at))
        seen.add(known.number("10.0.0.1"))
    assert len(seen) == 100
    assert len(known._of_workload) <= 10
