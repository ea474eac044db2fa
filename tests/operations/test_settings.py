"""What an operator says about operations is checked as it is read."""

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from telemetry.operations.settings import OperationRule, OperationsSettings, glob_regex


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "either regex or glob"),
        ({"regex": "a", "glob": "a"}, "either regex or glob"),
        ({"regex": "("}, "regex"),
        ({"regex": "(?=a)"}, "regex"),
        ({"glob": "a", "methods": ["FETCH"]}, "FETCH is not among"),
        ({"glob": "a", "operation": "a?b"}, "operation"),
        ({"glob": "a", "operation": "a\nb"}, "operation"),
        ({"glob": "a", "operation": "a" * 257}, "operation"),
        ({"glob": "a", "unknown": 1}, "unknown"),
    ],
)
def test_a_rule_that_can_not_work_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OperationRule(**{"operation": "x", **rule})


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/b/c", False),
        ("/a/**", "/a/b/c", True),
        ("/a.b", "/axb", False),
        ("/a/*/c", "/a//c", True),
        ("/a", "/a/b", False),
    ],
)
def test_a_star_stays_within_its_segment_and_two_do_not(glob: str, path: str, matches: bool) -> None:
    rule = OperationRule(glob=glob, operation="x")
    assert pl.Series([path]).str.contains(rule.path_regex)[0] is matches
    assert glob_regex(glob) in rule.path_regex


def test_the_defaults_bound_everything() -> None:
    settings = OperationsSettings()
    assert (settings.max_operations_per_service, settings.max_services, settings.max_children) == (200, 500, 50)
