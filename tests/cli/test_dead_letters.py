"""`telemetry dead-letters`, as a user sees it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from telemetry.cli import app
from telemetry.dead_letters import DeadLetters
from telemetry.selfmetrics import SelfMetrics
from tests.rows import logentries, metrics


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *(str(argument) for argument in arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    box = DeadLetters(tmp_path / "letters", "kafka", SelfMetrics(), max_bytes=1 << 24)
    box(logentries({"request.path": "/\x1b[31m\x7f"}, {}), ["too\nlarge", "too\nlarge"])
    box(metrics(1), ["no such topic"])
    return tmp_path / "letters"


def test_each_file_is_listed_with_its_handler_rows_and_reason(folder):
    result = run("list", "--folder", folder)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert "kafka  logentry  2" in first
    assert first.endswith("too\\nlarge")
    assert second.endswith("no such topic")


def test_programs_get_json(folder):
    told = [json.loads(line) for line in run("list", "--folder", folder, "--json").stdout.splitlines()]
    assert [(one["rows"], one["reason"]) for one in told] == [(2, "too\nlarge"), (1, "no such topic")]


def test_the_configuration_names_the_folder(folder, tmp_path):
    config = tmp_path / "telemetry.yaml"
    config.write_text("dead_letters: {path: letters}\n")
    assert len(run("list", "-c", config).stdout.splitlines()) == 2


def test_rows_are_shown_with_identity_and_reason_and_no_control_characters(folder):
    path = sorted(folder.rglob("*.arrow"))[0]
    result = run("show", path)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["receiver"], row["sequence"], row["row"], row["reason"]) for row in rows] == [
        ("test", 1, 0, "too\nlarge"), ("test", 1, 1, "too\nlarge"),
    ]  # fmt: skip
    assert rows[0]["request.path"] == "/\x1b[31m\x7f"
    assert "\x1b" not in result.stdout
    assert "\x7f" not in result.stdout


def test_no_more_rows_are_shown_than_asked_for(folder):
    path = sorted(folder.rglob("*.arrow"))[0]
    assert len(run("show", path, "--limit", "1").stdout.splitlines()) == 1


def test_a_damaged_file_is_listed_as_such_and_not_shown(folder):
    path = sorted(folder.rglob("*.arrow"))[0]
    path.write_bytes(b"damaged")
    assert "damaged" in run("list", "--folder", folder).stdout.splitlines()[0]
    result = run("show", path)
    assert result.exit_code == 2
    assert "damaged" in result.stderr


def test_without_a_folder_the_way_out_is_told():
    result = run("list")
    assert result.exit_code == 2
    assert "dead_letters.path" in result.stderr
