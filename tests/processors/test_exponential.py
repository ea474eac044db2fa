"""Exponential buckets are where OpenTelemetry says they are, and hold what was put in."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.processors.exponential import exponential
from telemetry.processors.groups import group

VALUES = st.floats(0, 1e15, allow_subnormal=False) | st.sampled_from([0.0, 1.0, 2.0, 0.5, 1e-9, 4096.0])


def told(values, keys=None, present=None, scale=3):
    groups = group(np.array(keys if keys is not None else [0] * len(values)))
    there = np.array(present if present is not None else [True] * len(values))
    return exponential(np.array(values, dtype=np.float64), there, groups, scale).to_list()


def test_a_bucket_ends_at_its_power_of_the_base_and_holds_it():
    # base = 2**(1/8): bucket 7 ends at 2, bucket -1 at 1.
    (one,) = told([1.0, 1.01, 2.0, 2.01])
    assert [(bucket["index"], bucket["count"]) for bucket in one["positive"]] == [(-1, 1), (0, 1), (7, 1), (8, 1)]


def test_nothing_is_counted_as_zero():
    (one,) = told([0.0, 0.0, 3.0])
    assert (one["zero_count"], one["zero_threshold"], one["negative"]) == (2, 0.0, [])


def test_what_is_not_there_is_in_no_bucket():
    first, second = told([5.0, 7.0], keys=[0, 1], present=[True, False])
    assert (len(first["positive"]), second["positive"], second["zero_count"]) == (1, [], 0)


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, st.integers(0, 3)), min_size=1, max_size=40), st.integers(-4, 8))
def test_every_value_is_in_the_bucket_of_its_group(rows, scale):
    values, keys = zip(*rows, strict=True)
    base = 2.0 ** (2.0**-scale)
    for key, one in zip(sorted(set(keys)), told(values, keys, scale=scale), strict=True):
        mine = [value for value, other in rows if other == key]
        assert one["zero_count"] == mine.count(0.0)
        indices = [bucket["index"] for bucket in one["positive"]]
        assert indices == sorted(set(indices))
        assert sum(bucket["count"] for bucket in one["positive"]) + one["zero_count"] == len(mine)
        for value in filter(None, mine):
            held = math.log(value, base)
            assert any(index - 1e-6 <= held <= index + 1 + 1e-6 for index in indices)
