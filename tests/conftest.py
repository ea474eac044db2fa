"""What every test may ask for: real servers, free ports; and the rule that CI skips nothing real."""

import os
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent.parent / ".tools" / "bin"


def tool(name: str) -> Path:
    path = TOOLS / name
    if not path.exists():
        pytest.fail(f"{path} is missing: run `make tools` first", pytrace=False)
    return path


@pytest.fixture(scope="session")
def envoy_binary() -> Path:
    return tool("envoy")


@pytest.fixture(scope="session")
def prometheus_binary() -> Path:
    return tool("prometheus")


@pytest.fixture(scope="session")
def promtool_binary() -> Path:
    return tool("promtool")


@pytest.fixture(scope="session")
def h2load_binary() -> Path:
    return tool("h2load")


@pytest.fixture
def free_port() -> Callable[..., int]:
    """Give a TCP port on which nobody listens now at this loopback address; never the same one twice."""
    given: set[int] = set()

    def port(host: str = "127.0.0.1") -> int:
        while True:
            with socket.socket() as probe:
                probe.bind((host, 0))
                number: int = probe.getsockname()[1]
            if number not in given:
                given.add(number)
                return number

    return port


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if os.environ.get("CI") and skipped and item.get_closest_marker("real"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where tests with real servers must run: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if os.environ.get("CI") and report.skipped:
        # A module that skips itself whole can't say what was in it.
        report.outcome = "failed"
        report.longrepr = f"skipped whole in CI: {report.longrepr}"
    return report
