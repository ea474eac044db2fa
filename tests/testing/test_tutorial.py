"""The tutorial does what it says: every block of it is run, in its order."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "adapters" / "writing-your-own.md"
BLOCK = re.compile(r"^```python file=(\S+)(?: replaces='([^\n]*)')?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def apply(folder: Path, *, replacing: bool) -> None:
    for file, replaced, text in BLOCK.findall(PAGE.read_text()):
        path = folder / file
        if not replaced:
            if not replacing:
                path.write_text(text)
        elif replacing:
            before = path.read_text()
            assert before.count(replaced) == 1, replaced
            path.write_text(before.replace(replaced, text[:-1]))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    apply(tmp_path, replacing=False)
    return tmp_path


def test_the_adapter_has_twenty_lines(folder: Path) -> None:
    assert len((folder / "slow.py").read_text().splitlines()) <= 20


def test_it_does_what_the_page_shows(folder: Path) -> None:
    done = run(folder, "try_it.py")
    [shown] = re.findall(r"^```output\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert (done.stdout, done.stderr) == (shown, "")


def test_its_contract_fails_where_the_page_says_and_passes_after_the_change(folder: Path) -> None:
    scope = "asyncio_default_fixture_loop_scope=function"
    pytest_run = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-o", scope, "test_slow.py")
    before = run(folder, *pytest_run)
    told = set(re.findall(r"\*\*`(test_\w+)`\*\*", PAGE.read_text()))
    failed = set(re.findall(r"^FAILED \S+::(test_\w+)", before.stdout, re.MULTILINE))
    assert failed == told, before.stdout
    apply(folder, replacing=True)
    after = run(folder, *pytest_run)
    assert after.returncode == 0, after.stdout


def test_every_block_of_code_is_one_that_is_run() -> None:
    assert len(BLOCK.findall(PAGE.read_text())) == PAGE.read_text().count("```python")
