"""What a catalog file means, and that every fault in one is told at its place."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from typer.testing import CliRunner

from telemetry.catalog import CatalogFile, Service, load, parse
from telemetry.catalog.schema import json_schema
from telemetry.cli import app
from telemetry.config.faults import section
from telemetry.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config/services.yaml"
SCHEMA = json_schema()


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(dedent(text).encode(), "c.yaml", folder=Path("/nonexistent"))
    return [str(fault) for fault in caught.value.faults]


def services(text: str, folder: Path = Path()) -> tuple[Service, ...]:
    return parse(dedent(text).encode(), "c.yaml", folder=folder).services


def test_the_example_is_read() -> None:
    payments, ledger, bank = load(EXAMPLE).services
    assert (payments.key, payments.owner, payments.tier) == ("shop/payments", "team-checkout", 1)
    assert payments.contacts is not None
    assert payments.contacts.on_call == "https://oncall.example.com/checkout"
    assert payments.capacity is not None
    assert (payments.capacity.requests_per_second, payments.capacity.concurrency) == (1200, 300)
    assert payments.objectives is not None
    assert payments.objectives.max_error_ratio == 0.001
    assert payments.objectives.window_s == 30 * 86400
    assert payments.objectives.latency is not None
    assert payments.objectives.latency.targets == ((0.5, 0.04), (0.95, 0.15), (0.99, 0.4), (0.999, 1.0))
    assert ledger.objectives is not None
    assert ledger.objectives.max_error_ratio == 0.0005
    assert (bank.key, bank.objectives) == ("bank", None)


def test_all_faults_are_told_at_once_those_between_services_too() -> None:
    assert faults("""\
        servces: []
        services:
          - name: a
            hosts: [x.example, "b c"]
            addresses: [10.0.0.1/8, nope]
            teir: 3
            contacts: {mail: me, on_call: "javascript:alert(1)"}
            objectives: {availability: 0.9, error_ratio: 0.1}
          - {name: b, openapi: none.yaml, objectives: {latency: {p95: 1}}}
          - {name: c, depends_on: [zz], operations: [{name: x}, {name: y, regex: "("}]}
          - {name: d, addresses: [10.0.0.0/8, 10.0.0.0/8], hosts: [x.example, X.example]}
          - {name: d, addresses: [10.0.0.0/8], depends_on: [zz]}
        """) == [
        "c.yaml:1:1: servces: is not a key that is known here (did you mean services?)",
        "c.yaml:4:24: services[0].hosts[1]: must be a host without port, such as reviews.shop.svc.cluster.local or "
        "*.example.com",
        "c.yaml:5:17: services[0].addresses[0]: has bits beyond its prefix; write 10.0.0.0/8 for the network, or the "
        "address without /",
        "c.yaml:5:29: services[0].addresses[1]: must be an IP address or a network, such as 10.1.2.3, 10.1.0.0/16 or "
        "2001:db8::/32",
        "c.yaml:6:5: services[0].teir: is not a key that is known here (did you mean tier?)",
        "c.yaml:7:22: services[0].contacts.mail: must be a mail address, such as team@example.com",
        "c.yaml:7:35: services[0].contacts.on_call: must be a URL that begins with https:// or http://",
        "c.yaml:8:17: services[0].objectives: availability and error_ratio say the same; keep one",
        "c.yaml:9:24: services[1].openapi: can't read /nonexistent/none.yaml: No such file or directory",
        "c.yaml:9:63: services[1].objectives.latency.p95: must be a duration with its unit, such as 200ms, 30s, 5m "
        "or 1h",
        "c.yaml:10:46: services[2].operations[0]: needs either path or regex",
        "c.yaml:10:74: services[2].operations[1].regex: must be a regular expression: missing ), unterminated "
        "subpattern at position 0",
        "c.yaml:11:39: services[3].addresses[1]: 10.0.0.0/8 stands here twice",
        "c.yaml:11:71: services[3].hosts[1]: x.example stands here twice",
        "c.yaml:12:12: services[4].name: d is a service already, services[3]; give it another name",
        "c.yaml:12:27: services[4].addresses[0]: 10.0.0.0/8 belongs to services[3] already; it can be of one service "
        "only",
        "c.yaml:12:53: services[4].depends_on[0]: zz is no service of this catalog; add it, or mend it",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("services: 3", "c.yaml:1:11: services: must be a list, such as [a, b], not 3"),
        ("services: [a]", "c.yaml:1:12: services[0]: must hold keys and values, such as key: value"),
        ("services: [{}]", "c.yaml:1:12: services[0].name: is missing"),
        ("services: [{name: a, depends_on: [b]}]", "b is no service of this catalog; add it, or mend it"),
        (
            "services: [{name: a, objectives: {latency: {p50: 2s, p95: 1s}}}]",
            "c.yaml:1:44: services[0].objectives.latency: p50 is at most p95, and p95 at most p99",
        ),
        (
            "services: [{name: a, objectives: {latency: {ratio: 0.9}}}]",
            "c.yaml:1:44: services[0].objectives.latency: threshold and ratio need each other",
        ),
        ("services: [{name: a, tier: 12}]", "c.yaml:1:28: services[0].tier: must be at most 9, not 12"),
    ],
)
def test_a_fault_says_what_would_be_right(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert fault in found


def test_the_same_name_may_stand_in_several_namespaces_and_clusters() -> None:
    found = services("services: [{name: a}, {name: a, namespace: x}, {name: a, namespace: x, cluster: eu}]")
    assert [service.key for service in found] == ["a", "x/a", "x/a"]


def test_an_openapi_document_is_looked_up_beside_the_catalog(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("openapi: 3.1.0")
    (found,) = services("services: [{name: a, openapi: a.yaml}]", tmp_path)
    assert found.openapi == tmp_path / "a.yaml"


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load(tmp_path / "none.yaml")


@given(st.binary(max_size=200))
def test_any_bytes_give_services_or_faults(content: bytes) -> None:
    try:
        outcome: object = parse(content, "c.yaml", folder=Path("/nonexistent"))
    except ConfigError as error:
        outcome = error.faults
    assert outcome or isinstance(outcome, CatalogFile)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["10.0.0.0/8", "1s"]),
    lambda inner: st.lists(inner, max_size=3),
)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(Service.model_fields)), VALUES, max_size=4), max_size=3))
def test_any_values_under_our_keys_give_services_or_faults(written: list[dict[str, object]]) -> None:
    try:
        parse(yaml.safe_dump({"services": written}).encode(), "c.yaml", folder=Path("/nonexistent"))
    except ConfigError as error:
        places = [(fault.line, fault.column) for fault in error.faults]
        assert places == sorted(places)


# --- the reference ----------------------------------------------------------------------------------------------------


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        assert field.description, f"{prefix}{key} has no description"
        yield f"{prefix}{key}"
        if below := section(model, key):
            yield from keys(below, f"{prefix}{key}.")


def written_keys(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from written_keys(item, prefix)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from written_keys(inner, f"{prefix}{key}.")


def test_every_key_is_documented_and_nothing_else() -> None:
    documented = re.findall(r"^\| `([a-z_.0-9]+)` \|", (ROOT / "docs/catalog.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(keys(Service))


def test_the_documentation_says_of_each_key_what_the_schema_says() -> None:
    page = " ".join((ROOT / "docs/catalog.md").read_text().split())
    for model in (Service, *{below for key in Service.model_fields if (below := section(Service, key))}):
        for field in model.model_fields.values():
            assert str(field.description).replace("|", "\\|") in page


def test_the_example_has_every_key() -> None:
    shown = set(written_keys(yaml.safe_load(EXAMPLE.read_text())["services"]))
    missing = set(keys(Service)) - shown
    assert missing == {"openapi"}, "a document of its own would be needed; the comment names it"
    assert "openapi: payments.openapi.yaml" in EXAMPLE.read_text()


def test_the_schema_takes_the_example_and_refuses_what_we_refuse() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text()), SCHEMA)
    named = {"name": "a"}
    for wrong in (named | {"teir": 1}, {"hosts": ["a"]}, named | {"tier": "gold"}, named | {"addresses": ["x y"]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"services": [wrong]}, SCHEMA)


def test_the_commands_check_a_catalog_and_print_the_schema(tmp_path: Path) -> None:
    run = CliRunner().invoke
    told = run(app, ["catalog", "validate", str(EXAMPLE)])
    assert (told.exit_code, told.stdout) == (0, f"{EXAMPLE} is valid: 3 services\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text('services: [{name: "\\e[2J", hots: []}]')
    told = run(app, ["catalog", "validate", str(broken)])
    assert told.exit_code == 2
    assert told.stderr.startswith(f"{broken}:1:28: services[0].hots: is not a key that is known here")
    assert run(app, ["catalog", "validate", "--json", str(broken)]).exit_code == 2
    assert yaml.safe_load(run(app, ["catalog", "schema"]).stdout) == SCHEMA
