"""A rule that no handler of its could ever get a row by is refused, and its fault is where the author looks for it."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from telemetry.batch import Template
from telemetry.config import Settings
from telemetry.config.loading import parse
from telemetry.config.rules import RuleSettings
from telemetry.errors import ConfigError
from telemetry.rules.rules import DEFAULT
from tests.config.adapters import Recorder


class Everything(Recorder):
    accepts = frozenset(Template)


class Chosen(Everything):
    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        templates: tuple[Template, ...] = (Template.LOGENTRY,)


class Sums(Recorder):
    accepts = frozenset({Template.METRIC})


INSTALLED = {"recorder": Recorder, "everything": Everything, "chosen": Chosen, "prometheus": Sums}


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "t.yaml", folder=Path(), installed=INSTALLED)
    return [str(fault) for fault in caught.value.faults]


def fault_of(match: str, handler: str = "everything") -> str:
    rule = f"rules: [{{name: a, handlers: [x], match: {json.dumps(match)}}}]"
    (said,) = faults(f"handlers: {{x: {{adapter: {handler}}}}}\n{rule}")
    return said.split("rules[0].match: ")[1]


GETS = "rules:\n- name: only-get\n  handlers: [prometheus]\n  match: request.method == 'GET'\n"


def test_the_default_handler_is_one_that_rules_may_starve() -> None:
    (said,) = faults(GETS)
    assert said.startswith("t.yaml:4:10: rules[0].match: in rows of metric, whose rows are sums")
    (said,) = faults("rules: [{name: a, handlers: [prometheus], templates: [logentry]}]")
    assert said.startswith("t.yaml:1:9: rules[0]: handler prometheus accepts metric; this is about logentry")
    (said,) = faults("rules: [{name: a, handlers: [promteheus]}]")
    assert "did you mean prometheus?" in said


def test_what_the_default_handler_takes_is_fine() -> None:
    text = b"rules: [{name: a, handlers: [prometheus], match: 'labels.reporter == \"source\"'}]"
    assert parse(text, "t.yaml", folder=Path(), installed=INSTALLED).rules[0].name == "a"


def test_a_rule_made_in_python_does_not_starve_its_handler_either() -> None:
    rule = {"name": "a", "handlers": ["prometheus"], "match": "request.method == 'GET'"}
    with pytest.raises(ValidationError, match="handler prometheus accepts metric; rule a is about"):
        Settings.model_validate({"rules": [rule]})


def test_a_handler_accepts_no_more_than_its_own_option_says() -> None:
    rule = "rules: [{name: a, handlers: [x], match: labels.reporter == 'source'}]"
    (said,) = faults(f"handlers: {{x: {{adapter: chosen, templates: [logentry, edge]}}}}\n{rule}")
    assert "rules[0].match: in rows of logentry: there is no attribute labels.reporter" in said
    (said,) = faults(f"handlers: {{x: {{adapter: chosen}}}}\n{rule}")
    assert "rules[0].match: in rows of logentry: there is no attribute labels.reporter" in said
    accepted = f"handlers: {{x: {{adapter: chosen, templates: [metric]}}}}\n{rule}".encode()
    assert parse(accepted, "t.yaml", folder=Path(), installed=INSTALLED).rules[0].name == "a"


@pytest.mark.parametrize(
    ("match", "said"),
    [
        (
            "labels.x.startsWith(5)",
            "startsWith() can't take string and int\n  labels.x.startsWith(5)\n",
        ),
        ("labels.reporter == 5", "== can't take string and int\n"),
        ("size(labels) > 1", "size() can't take labels\n"),
        ("labels.reporter", "this is string, but bool is needed here\n  labels.reporter\n"),
    ],
)
def test_a_fault_is_told_of_the_template_that_has_the_names(match: str, said: str) -> None:
    told = fault_of(match)
    assert told.startswith("in rows of metric, whose rows are sums")
    assert said in told


def test_the_caret_stands_at_the_line_of_the_fault() -> None:
    said = fault_of('metric == "x" &&\nlabels.reporter == 5')
    assert said.startswith("in rows of metric, ")
    assert "\n  labels.reporter == 5\n" in said


def test_of_templates_without_a_name_that_is_told_of_which_the_most_was_understood() -> None:
    said = fault_of("span.kind == 'server' && response.cod == 200")
    assert said.startswith("in rows of tracespan: there is no attribute response.cod\n")


def test_a_name_that_none_has_is_told_of_the_first() -> None:
    assert fault_of("reponse.code > 3").startswith("in rows of logentry: there is no attribute reponse.code")


def test_a_rule_has_not_the_name_of_the_one_that_is_built_in() -> None:
    with pytest.raises(ValidationError, match="default is the rule of handlers that no rule names"):
        RuleSettings(name=DEFAULT, handlers=("audit",))
