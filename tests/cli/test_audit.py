"""`telemetry audit`: keys, verdicts with exit codes, and questions answered from every kind of file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from telemetry.cli import app
from tests.audit.audits import Keys, keys_in, write_audit


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(params=["jsonl", "parquet"])
def audit(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Keys]:
    keys = keys_in(tmp_path)
    write_audit(tmp_path / "audit", keys, request.param)
    return tmp_path / "audit", keys


def test_keygen_makes_a_pair_and_overwrites_none(tmp_path: Path) -> None:
    result = run("keygen", tmp_path / "key")
    assert result.exit_code == 0
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in result.output + (tmp_path / "key.pub").read_text()
    again = run("keygen", tmp_path / "key")
    assert again.exit_code == 1
    assert "exists" in again.stderr


def test_an_intact_audit_exits_with_0_and_shows_its_head(audit: tuple[Path, Keys]) -> None:
    folder, keys = audit
    result = run("verify", folder, "--public-key", keys.public)
    assert result.exit_code == 0
    assert result.stdout.startswith("intact: 24 records in 4 files, 11 links\nhead 11:")
    told = json.loads(run("verify", folder, "--public-key", keys.public, "--json").stdout)
    assert run("verify", folder, "--head", told["head"]).exit_code == 0
    assert run("verify", folder, "--head", f"12:{'0' * 64}").exit_code == 1
    assert run("verify", folder, "--head", "12").exit_code == 2


def test_the_folders_own_key_is_used_with_a_warning(audit: tuple[Path, Keys]) -> None:
    result = run("verify", audit[0])
    assert result.exit_code == 0
    assert "give --public-key to be sure" in result.stderr


def test_a_changed_audit_exits_with_1_and_says_where(audit: tuple[Path, Keys]) -> None:
    folder, keys = audit
    second = sorted([*folder.glob("*.jsonl"), *folder.glob("*.parquet")])[1]
    second.write_bytes(second.read_bytes()[:-1])
    result = run("verify", folder, "--public-key", keys.public)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{second.name}: ")
    assert result.stdout.startswith("CHANGED in ")
    assert json.loads(run("verify", folder, "--json").stdout)["findings"][0]["file"] == second.name


def test_no_audit_at_all_exits_with_1(tmp_path: Path) -> None:
    result = run("verify", tmp_path)
    assert result.exit_code == 1
    assert "public-key.pem" in result.stderr


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ([], 24),
        (["--path", "/cart"], 8),
        (["--service", "cart"], 8),
        (["--service", "cart.shop.svc.cluster.local", "--path", "/reviews"], 0),
        (["--service", "cart-v1"], 8),
        (["--principal", "spiffe://cluster.local/ns/shop/sa/ratings"], 8),
        (["--principal", "spiffe://cluster.local/ns/shop/sa/web", "--limit", "5"], 5),
        (["--since", "2023-11-15T00:00:00Z"], 9),
        (["--until", "2023-11-14T23:00:00Z"], 6),
        (["--since", "2024-01-01"], 0),
    ],
)
def test_questions_are_answered_from_finished_and_open_files(
    audit: tuple[Path, Keys], question: list[str], count: int
) -> None:
    result = run("query", audit[0], *question, "--json")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == count
    for line in result.stdout.splitlines():
        assert json.loads(line)["class_uid"] == 4002


def test_a_table_shows_who_what_and_when(audit: tuple[Path, Keys]) -> None:
    result = run("query", audit[0], "--path", "/cart")
    assert result.exit_code == 0
    assert result.stdout.count("/cart/items") == 8
    assert "spiffe://cluster.local/ns/shop/sa/web" in result.stdout
