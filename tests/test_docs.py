"""The documentation lists what the code has, all of it and nothing else."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "dependencies.md"


def listed(*headings: str) -> set[str]:
    """Give what the first column of the tables under these headings names."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name for heading in headings for name in re.findall(r"^\| `([^`]+)`", sections[heading], re.MULTILINE)}


def names(requirements: Iterable[str]) -> set[str]:
    """Strip versions and comments, and leave ourselves out."""
    found = {match[0] for line in requirements if (match := re.match(r"[A-Za-z][\w.-]*", line))}
    return found - {"mesh-telemetry"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_each_dependency_has_its_line(project: dict) -> None:
    assert names(project["dependencies"]) == listed("Always installed")


def test_each_dependency_of_an_extra_has_its_line(project: dict) -> None:
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name != "dev"}
    assert names(need for needs in extras.values() for need in needs) == listed("Extras")


def test_each_tool_of_development_has_its_line(project: dict) -> None:
    dev = names(project["optional-dependencies"]["dev"])
    build = names((ROOT / "requirements" / "build.in").read_text().splitlines())
    assert dev | build == listed("Development")


def test_each_crate_has_its_line() -> None:
    manifests = [path for path in (ROOT / "native").rglob("Cargo.toml") if "target" not in path.parts]
    crates = {
        crate
        for manifest in manifests
        for section in ("dependencies", "dev-dependencies", "build-dependencies")
        for crate, source in tomllib.loads(manifest.read_text()).get(section, {}).items()
        if "path" not in source  # our own
    }
    assert crates == listed("Rust crates")


def test_each_line_says_what_for_and_why() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("|"))
