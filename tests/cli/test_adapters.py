"""`telemetry adapters` and `telemetry new adapter`, as the author of an adapter meets them."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from telemetry.cli import app
from telemetry.discovery import adapters


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_every_adapter_is_listed_with_its_templates() -> None:
    listed = json.loads(run("adapters", "--json").stdout)
    assert [one["name"] for one in listed] == list(adapters())
    [stdout] = [one for one in listed if one["name"] == "stdout"]
    assert stdout["templates"] == sorted(template.value for template in adapters()["stdout"].accepts)
    table = run("adapters").stdout
    assert "stdout" in table
    assert stdout["summary"] in table


def test_options_are_shown_with_type_default_and_meaning() -> None:
    audit = json.loads(run("adapters", "audit", "--json").stdout)
    options = {one["name"]: one for one in audit["options"]}
    assert options["signing_key"] | {"description": ""} == {
        "name": "signing_key", "type": "secret", "required": True, "default": None, "description": "",
    }  # fmt: skip
    assert (options["max_file_age"]["type"], options["max_file_age"]["default"]) == ("duration", "3600s")
    assert all(one["description"] for one in options.values())
    shown = run("adapters", "audit").stdout
    assert all(name in shown for name in options)


def test_an_unknown_adapter_is_an_error_that_names_the_known() -> None:
    result = run("adapters", "\x1b[31m")
    assert result.exit_code == 2
    assert "stdout" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.fixture
def made(tmp_path: Path) -> Path:
    target = tmp_path / "made"
    result = run("new", "adapter", "my_store", "--directory", target)
    assert result.exit_code == 0, result.output
    return target


def test_a_new_adapter_passes_its_tests_at_once(made: Path, tmp_path: Path) -> None:
    # Installed as pip would: the package, and beside it what it says of itself.
    site = tmp_path / "site"
    (site / "telemetry_my_store-0.1.0.dist-info").mkdir(parents=True)
    (site / "telemetry_my_store").symlink_to(made / "telemetry_my_store")
    info = site / "telemetry_my_store-0.1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: telemetry-my-store\nVersion: 0.1.0\n")
    project = tomllib.loads((made / "pyproject.toml").read_text())["project"]
    for group, points in project["entry-points"].items():
        lines = "".join(f"{name} = {where}\n" for name, where in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(tests, cwd=made, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    listed = [sys.executable, "-m", "telemetry", "adapters", "my_store", "--json"]
    told = json.loads(subprocess.run(listed, env=environment, capture_output=True, text=True, check=True).stdout)
    assert told["options"][0]["name"] == "path"


def test_a_new_adapter_is_one_file_of_thirty_lines(made: Path) -> None:
    assert len((made / "telemetry_my_store" / "__init__.py").read_text().splitlines()) <= 30


@pytest.mark.parametrize("name", ["Mine", "1st", "../up", "my-store", "a" * 41, "stdout", ""])
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    assert run("new", "adapter", name, "--directory", tmp_path / "made").exit_code == 2
    assert not (tmp_path / "made").exists()


def test_what_is_there_already_is_not_touched(made: Path) -> None:
    (made / "README.md").write_text("mine")
    assert run("new", "adapter", "my_store", "--directory", made).exit_code == 2
    assert (made / "README.md").read_text() == "mine"
