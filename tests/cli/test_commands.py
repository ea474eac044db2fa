"""The commands, as a user sees them: output, and exit codes that scripts can rely on."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner, Result

from telemetry.cli import app

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config/telemetry.yaml"

BROKEN = """\
receiver: {grcp: {}}
log: {level: loud}
http: {address: "\\e[31m"}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    return path


def test_the_example_is_valid() -> None:
    result = run("validate", EXAMPLE)
    assert (result.exit_code, result.stdout) == (0, f"{EXAMPLE} is valid\n")


def test_validate_lists_every_fault_one_a_line_and_exits_with_2(broken: Path) -> None:
    result = run("validate", broken)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{broken}:1:12: receiver.grcp: is not a key that is known here (did you mean grpc?)",
        f"{broken}:2:14: log.level: must be debug, info, warning or error, not 'loud'",
        f"{broken}:3:17: http.address: must end with a port from 0 to 65535, such as 127.0.0.1:9901",
    ]


def test_an_expression_is_shown_with_a_caret_under_its_fault(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.yaml"
    path.write_text("rules:\n- {name: errors, match: 'response.kode >= 500', handlers: []}\n")
    lines = run("validate", path).stderr.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{path}:2:"))
    assert "there is no attribute response.kode" in lines[at]
    assert lines[at + 1].strip() == "response.kode >= 500"
    assert lines[at + 2].index("^") == lines[at + 1].index("response.kode")


def test_validate_gives_faults_as_json(broken: Path) -> None:
    result = run("validate", "--json", broken)
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert told["valid"] is False
    assert told["faults"][0] == {
        "file": str(broken),
        "line": 1,
        "column": 12,
        "path": "receiver.grcp",
        "message": "is not a key that is known here",
        "hint": "did you mean grpc?",
    }
    assert json.loads(run("validate", "--json", EXAMPLE).stdout) == {"valid": True, "faults": []}


def test_control_characters_in_a_file_never_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text('"\\e[2J": 1\nlog: {level: "\\e]0;x\\a\\u202e"}\n')
    result = run("validate", path)
    assert result.exit_code == 2
    assert not set(result.stderr) & {"\x1b", "\x07", "\u202e"}


def test_serve_refuses_a_broken_file_with_2(broken: Path) -> None:
    result = run("serve", "-c", broken)
    assert result.exit_code == 2
    assert "receiver.grcp" in result.stderr


def test_the_schema_takes_the_example() -> None:
    schema = json.loads(run("schema").stdout)
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text()), schema)
    assert "PrometheusHandler" in schema["$defs"]


@pytest.mark.parametrize("mesh", ["envoy", "istio", "consul"])
def test_generate_prints_what_the_mesh_is_to_be_told(mesh: str) -> None:
    result = run("generate", mesh, "--address", "telemetry.example.org:9901")
    assert result.exit_code == 0
    assert "telemetry.example.org" in result.stdout
    assert result.stdout.startswith("#")


def test_generate_takes_headers_and_address_from_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    logs = "{only_named: true, request_headers: [x-tenant]}"
    path.write_text(f"receiver: {{grpc: {{address: '127.0.0.9:7'}}, access_logs: {logs}}}")
    http, _, static, *_ = yaml.safe_load_all(run("generate", "envoy", "-c", path).stdout)
    assert http["access_log"][0]["typed_config"]["additional_request_headers_to_log"] == ["x-tenant"]
    assert "127.0.0.9" in str(static)


def test_generate_refuses_an_address_that_no_envoy_could_use() -> None:
    result = run("generate", "envoy", "--address", "nowhere")
    assert result.exit_code == 2
    assert "must be host:port" in result.stderr


def test_version_names_what_it_stands_on() -> None:
    versions = json.loads(run("version", "--json").stdout)
    assert set(versions) == {"mesh-telemetry", "python", "polars", "grpc", "pydantic"}
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert f"polars {versions['polars']}" in run("version").stdout


def test_attributes_are_listed_all() -> None:
    from telemetry.attributes import ATTRIBUTES

    rows = json.loads(run("attributes", "--json").stdout)
    assert [row["name"] for row in rows] == [attribute.name for attribute in ATTRIBUTES]
    assert "request.id" in run("attributes").stdout


@pytest.mark.parametrize("arguments", [("bogus",), ("serve", "--bogus"), ("validate",), ("generate", "linkerd")])
def test_a_command_line_that_makes_no_sense_exits_with_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_commands_that_need_no_columns_do_not_load_polars_or_grpc() -> None:
    code = (
        "import sys, telemetry.cli as c\ntry: c.app(['version'])\nfinally: print({'polars', 'grpc'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "set()"
