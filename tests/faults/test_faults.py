"""A quick slice of the fault suite; `make soak` runs it for hours. What it proves, and how: docs/faults.md."""

import os
import secrets
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.campaign import Campaign
from tests.faults.schedule import FULL_DISK, Damage, End, schedule
from tests.faults.seen import FLOOR
from tests.faults.sink import Mood
from tests.faults.world import running_world

pytestmark = pytest.mark.real

ROUNDS = 10


async def test_nothing_durable_is_lost_whatever_goes_wrong(tmp_path: Path, envoy_binary: Path) -> None:
    seed = int(os.environ.get("FAULTS_SEED", secrets.randbelow(10**6)))
    async with running_world(tmp_path, envoy_binary) as world:
        campaign, rounds = Campaign(world, seed), schedule(seed, ROUNDS)
        print(f"FAULTS_SEED={seed}", *rounds, sep="\n")  # pytest shows it when the test fails
        await campaign.run(rounds)
    print(campaign.seen)
    assert not campaign.faults
    assert not campaign.seen.missing(1), "not honest: too little went wrong"


@given(seed=st.integers(0, 10**6), rounds=st.integers(ROUNDS, 30))
def test_a_schedule_follows_from_its_seed_and_has_every_fault_in_it(seed: int, rounds: int) -> None:
    found = schedule(seed, rounds)
    assert found == schedule(seed, rounds) != schedule(seed + 1, rounds)
    ends = Counter(one.end for one in found)
    assert ends[End.CRASH] >= FLOOR[End.CRASH]
    assert ends.keys() == set(End)
    assert {mood for one in found for mood in one.moods.values()} == set(Mood)
    assert {one.damage for one in found if one.end is End.CRASH} == {None, *Damage}
    assert any(one.disk_full for one in found)


def test_nothing_that_goes_wrong_is_without_a_floor() -> None:
    assert FLOOR.keys() == {*Mood, *End, *Damage, FULL_DISK} - {Mood.WORK, End.GO_ON}
