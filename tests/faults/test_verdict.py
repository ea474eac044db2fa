"""What a soak ends with: it must not pass what leaks, breaks the law or has seen too little."""

from collections import Counter
from dataclasses import replace

import pytest

from bench.soak.samples import Sample
from bench.soak.verdict import Finding, mib_per_hour, of_crashes, of_steady, told
from tests.faults.schedule import End
from tests.faults.seen import FLOOR, Seen

MIB = 1 << 20
CALM = Sample(0.0, 300 * MIB, 0, 32, 33, 1, 1, 1, 1, 0)


def hour(rise_mib: float = 0.0, every_s: float = 5.0) -> list[Sample]:
    """A service that grows by so much in an hour, after a first half in which its caches fill."""
    samples = []
    for at in range(720):
        filled = min(at, 360) / 360 * 150 + max(0, at - 360) / 720 * rise_mib
        samples.append(replace(CALM, time_s=at * every_s, rss_bytes=int((150 + filled) * MIB)))
    return samples


def seen(schedules: int = 1) -> Seen:
    faults = Counter({fault: least * schedules for fault, least in FLOOR.items()})
    return Seen(faults, retries=10 * schedules, duplicates=schedules)


def broken(findings: list[Finding]) -> list[str]:
    return [one.name for one in findings if one.kept is False]


def test_caches_that_fill_in_the_first_half_are_no_leak():
    findings = list(of_steady(hour(), seen(), []))
    assert not broken(findings)
    assert told(findings).endswith("PASSED")


@pytest.mark.parametrize("rise_mib", [40.0, 400.0])
def test_memory_that_rises_in_the_second_half_fails_the_run(rise_mib: float):
    assert mib_per_hour(hour(rise_mib)) == pytest.approx(rise_mib, rel=0.02)
    assert broken(list(of_steady(hour(rise_mib), seen(), []))) == ["memory"]


def test_a_short_run_says_that_it_can_not_judge_memory():
    findings = list(of_steady(hour(400.0, every_s=0.5), seen(), []))
    assert not broken(findings)
    assert told(findings).endswith("PASSED; not judged: memory")


def test_one_look_at_a_broken_law_fails_the_run():
    samples = hour()
    samples[7] = replace(samples[7], unaccounted_rows=1)
    assert broken(list(of_steady(samples, seen(), []))) == ["the law"]


@pytest.mark.parametrize("name", ["descriptors", "threads"])
def test_what_is_opened_and_never_closed_fails_the_run(name: str):
    samples = [replace(one, **{name: 30 + at // 20}) for at, one in enumerate(hour())]
    assert broken(list(of_steady(samples, seen(), []))) == [{"descriptors": "open files"}.get(name, name)]


def test_a_run_that_has_seen_too_little_fails():
    few = seen(schedules=3)
    few.faults[End.CRASH] -= 1
    assert broken(list(of_crashes(3, few, []))) == ["kill -9"]
    assert broken(list(of_crashes(0, Seen(), [])))


def test_a_broken_property_is_said():
    findings = list(of_crashes(1, seen(), ["conservation: 3 durable and not at otlp"]))
    assert "conservation: 3 durable" in told(findings)
    assert told(findings).endswith("FAILED: 1 schedules with crashes")
