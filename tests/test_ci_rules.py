"""In CI no test that needs a real server may be skipped."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SKIPS = """
import pytest

@pytest.mark.real
def test_with_a_server():
    pytest.skip("no server")

@pytest.mark.real
@pytest.mark.skipif(True, reason="by mark")
def test_with_a_mark():
    pass

def test_of_something_else():
    pytest.skip("not here")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers = real: a server\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


def test_a_skipped_real_test_fails_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(SKIPS)
    suite.runpytest_inprocess().assert_outcomes(failed=1, errors=1, skipped=1)


def test_elsewhere_a_real_test_may_skip(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    suite.makepyfile(SKIPS)
    suite.runpytest_inprocess().assert_outcomes(skipped=3)


def test_a_module_skipped_whole_fails_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile("import pytest\npytest.skip('no server', allow_module_level=True)")
    suite.runpytest_inprocess().assert_outcomes(errors=1)


def test_a_missing_server_fails_and_says_what_to_do(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_envoy(envoy_binary): pass")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*run `make tools` first*"])
