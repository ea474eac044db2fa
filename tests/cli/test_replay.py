"""`telemetry replay`, as a user sees it."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from telemetry.batch import Batch, Template
from telemetry.cli import app
from telemetry.cli.moments import moment_ns
from telemetry.dead_letters import DeadLetters
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics
from tests.rows import NOW_NS, SECOND_NS, logentries, metrics

CONFIG = """\
handlers:
  prometheus: {adapter: prometheus}
  out: {adapter: stdout}
dead_letters: {path: letters}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["replay", *(str(argument) for argument in arguments)])


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "telemetry.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    box = DeadLetters(tmp_path / "letters", "out", SelfMetrics(), max_bytes=1 << 24)
    box(logentries({"request.path": "/one"}, {"request.path": "/two"}), ["bad", "worse"])
    return box


def test_dead_letters_go_to_the_handler_and_their_files_go(config, letters, capfd):
    result = run("-c", config, "--handler", "out", "--dead-letters")
    assert result.exit_code == 0, result.output
    assert "/one" in capfd.readouterr().out
    assert "delivered: 2" in result.stderr
    assert letters.files() == []


def test_letters_of_another_handler_are_named_by_their_folder(config, letters, tmp_path):
    config.write_text(CONFIG.replace("out:", "new:"))
    result = run("-c", config, "--handler", "new", "--dead-letters", "--folder", letters.folder)
    assert result.exit_code == 0, result.output
    assert letters.files() == []


def test_nothing_to_send_is_no_fault(config):
    assert run("-c", config, "--handler", "out", "--dead-letters").exit_code == 0


def test_the_summary_is_json_for_programs(config):
    told = json.loads(run("-c", config, "--handler", "out", "--dead-letters", "--json").stdout)
    assert (told["complete"], told["rows"], told["files_removed"]) == (True, 0, 0)


def test_files_that_can_not_be_read_are_told_with_exit_code_3(config, letters):
    letters.files()[0].path.write_bytes(b"damaged")
    result = run("-c", config, "--handler", "out", "--dead-letters")
    assert result.exit_code == 3
    assert "files unreadable: 1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--handler", "out"], "give either --from TIME"),
        (["--handler", "out", "--from", "-1h", "--dead-letters"], "give either --from TIME"),
        (["--handler", "out", "--from", "yesterday"], "such as 2026-11-21T12:00:00Z"),
        (["--handler", "out", "--from", "2026-11-21T12:00:00"], "with its zone"),
        (["--handler", "out", "--from", "now", "--to", "-5m"], "--from is not before --to"),
        (["--handler", "nobody", "--dead-letters"], "there are: prometheus, out"),
        (["--handler", "out", "--dead-letters", "--folder", "/nowhere"], "/nowhere is no folder"),
    ],
)
def test_mistakes_are_named_with_exit_code_2(config, arguments, said):
    result = run("-c", config, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_faults_of_the_configuration_are_listed_with_exit_code_2(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("log: {level: loud}\n")
    result = run("-c", path, "--handler", "out", "--dead-letters")
    assert result.exit_code == 2
    assert "broken.yaml:1:14: log.level" in result.stderr


def test_a_handler_that_is_scraped_can_not_be_sent_anything(config):
    result = run("-c", config, "--handler", "prometheus", "--dead-letters")
    assert result.exit_code == 1
    assert "prometheus shows what the running service holds in memory" in result.stderr


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("now", 0), ("-15m", -900), ("-1.5h", -5400), ("-250ms", -0.25), ("2023-11-14T22:13:20Z", 0),
        ("2023-11-14T23:13:20.5+01:00", 0.5),
    ],
)  # fmt: skip
def test_times_are_read_as_people_write_them(text, at_s):
    assert moment_ns(text, NOW_NS) == NOW_NS + int(at_s * SECOND_NS)


@given(text=st.text())
def test_anything_else_is_refused_with_the_way_out(text):
    with pytest.raises(ValueError, match="such as 2026-11-21T12:00:00Z"):
        moment_ns(f"?{text}", NOW_NS)


async def _write(path: Path, *batches: Batch) -> None:
    journal = SqliteJournal(path, SelfMetrics(), max_bytes=1 << 26)
    async with journal:
        journal.attach("sink", set(Template))
        await journal.append(batches)


async def _write_each_second(path: Path, *batches: Batch) -> None:
    moment = [NOW_NS]
    journal = SqliteJournal(path, SelfMetrics(), max_bytes=1 << 26, clock_ns=lambda: moment[0])
    async with journal:
        journal.attach("sink", set(Template))
        for batch in batches:
            await journal.append([batch])
            moment[0] += SECOND_NS


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    asyncio.run(_write(path, *(logentries({"request.path": f"/{at}"}, sequence=at) for at in range(3)), metrics(1)))
    return path


def test_history_goes_to_a_handler_that_was_not_there(config, journal, capfd):
    config.write_text(f"journal: {{path: {journal}}}\n{CONFIG}".replace("out:", "new:"))
    result = run("-c", config, "--handler", "new", "--from", "-1h")
    assert result.exit_code == 0, result.output
    sent = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["sequence"] for row in sent if row["template"] == "logentry"] == [0, 1, 2]


def test_batches_that_can_not_be_read_are_told_with_exit_code_3_and_the_others_go(config, journal, capfd):
    config.write_text(f"journal: {{path: {journal}}}\n{CONFIG}")
    with closing(sqlite3.connect(journal)) as database:
        database.execute("UPDATE bodies SET body = x'00' WHERE offset = 2")
        database.commit()
    result = run("-c", config, "--handler", "out", "--from", "-1h")
    assert result.exit_code == 3
    assert "batches damaged: 1" in result.stderr
    sent = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["sequence"] for row in sent if row["template"] == "logentry"] == [0, 2]


def test_only_the_span_of_time_goes(config, journal, capfd):
    config.write_text(f"journal: {{path: {journal}}}\n{CONFIG}")
    assert run("-c", config, "--handler", "out", "--from", "-2h", "--to", "-1h").exit_code == 0
    assert capfd.readouterr().out == ""


def test_rules_are_applied_unless_told_not_to(config, journal):
    rules = "rules: [{name: r, match: 'request.url_path == \"/none\"', handlers: [out], templates: [logentry]}]\n"
    config.write_text(f"journal: {{path: {journal}}}\n{CONFIG}{rules}")
    told = json.loads(run("-c", config, "--handler", "out", "--from", "-1h", "--json").stdout)
    assert (told["delivered"], told["filtered"]) == (0, told["rows"])
    told = json.loads(run("-c", config, "--handler", "out", "--from", "-1h", "--json", "--no-rules").stdout)
    assert (told["delivered"], told["filtered"]) == (told["rows"], 0)


def test_a_rate_limit_lets_through_what_it_would_have_let_through_then(config, tmp_path, capfd):
    path = tmp_path / "journal.db"
    ten_rows = [{"response.outcome": "success"}] * 10
    asyncio.run(_write_each_second(path, *(logentries(*ten_rows, sequence=at) for at in range(30))))
    limit = "sampling: {rate_limit: {rows_per_second: 4, burst: 10}, keep_errors: false}"
    rules = f"rules: [{{name: r, handlers: [out], templates: [logentry], {limit}}}]\n"
    config.write_text(f"journal: {{path: {path}}}\n{CONFIG}{rules}")
    told = json.loads(run("-c", config, "--handler", "out", "--from", "2023-01-01T00:00:00Z", "--json").stdout)
    assert (told["rows"], told["delivered"], told["sampled_out"]) == (300, 10 + 29 * 4, 300 - 10 - 29 * 4)


def test_a_journal_in_memory_has_no_history(config):
    result = run("-c", config, "--handler", "out", "--from", "-1h")
    assert result.exit_code == 1
    assert "journal.path" in result.stderr


def test_a_journal_that_is_not_there_is_named(config, tmp_path):
    config.write_text(f"journal: {{path: {tmp_path}/nothing.db}}\n{CONFIG}")
    result = run("-c", config, "--handler", "out", "--from", "-1h")
    assert result.exit_code == 1
    assert "nothing.db" in result.stderr
