"""The settings of rules: which rows go to which handlers, and how many of them."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from telemetry.batch import SCHEMAS, Template
from telemetry.config.handlers import Context, HandlerSettings
from telemetry.config.section import Section
from telemetry.expressions import VOCABULARIES, ExpressionError, compile  # noqa: A004 - the verb of that room
from telemetry.options import Seconds
from telemetry.processors.probes import USER_AGENTS

__all__ = [
    "ProbeSettings",
    "RateLimitSettings",
    "RuleSettings",
    "SamplingSettings",
    "accepted_templates",
    "distinct_names",
    "known_handlers",
    "refuse",
    "templates_of",
]

SAMPLED = frozenset(template for template in Template if "request.id" in SCHEMAS[template])
"""Whose rows stand for one request each; the others are sums, of which a part says nothing."""
PROBED = frozenset(template for template in Template if "request.useragent" in SCHEMAS[template])
"""Whose rows say who asked."""

UserAgent = Annotated[str, StringConstraints(min_length=3, max_length=256)]


def refuse(message: str, hint: str = "") -> PydanticCustomError:
    """Make the error that says `message` as it is, without what is written."""
    return PydanticCustomError("name", "{said}", {"said": f"{message}; {hint}" if hint else message})


def _rule_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", name):
        raise refuse("names are lower-case letters, digits, - and _, and begin with a letter")
    return name


def _template(name: object) -> object:
    if not isinstance(name, str) or name in list(Template):
        return name
    near = get_close_matches(name, list(Template), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(Template)}"
    raise refuse(f"there is no template {name[:40]}", hint)


Name = Annotated[str, AfterValidator(_rule_name)]


def distinct_names(sections: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse sections of which two have the same `name`."""
    names = [section.name for section in sections]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PydanticCustomError("twice", "lists {names} twice", {"names": ", ".join(twice)})
    return sections


def accepted_templates(document: object, adapters: Mapping[str, Any]) -> Mapping[str, frozenset[Template]] | None:
    """Give what each handler in a file accepts, of one whose adapter can't be used every template.

    None when the file has no handlers of its own, or nothing that could be taken for them.
    """
    handlers = document.get("handlers") if isinstance(document, Mapping) else None
    if not isinstance(handlers, Mapping):
        return None
    return {name: _accepts(section, adapters) for name, section in handlers.items()}


def _accepts(section: object, adapters: Mapping[str, Any]) -> frozenset[Template]:
    adapter = section.get("adapter") if isinstance(section, Mapping) else None
    if not isinstance(adapter, str) or adapter not in adapters:
        return frozenset(Template)
    try:
        return frozenset(adapters[adapter].accepts)
    except ImportError:  # which is a fault of its own
        return frozenset(Template)


def known_handlers(names: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """Refuse names that no handler has."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise refuse(f"no handler is named {name}", hint)
    return names


def templates_of(match: str, among: Collection[Template]) -> frozenset[Template]:
    """Give the templates whose rows `match` can be asked of. Raises ExpressionError when there are none."""
    faults, fitting = [], set()
    for template in (each for each in Template if each in among):
        try:
            compile(match, VOCABULARIES[template])
            fitting.add(template)
        except ExpressionError as fault:
            faults.append(fault)
    if faults and not fitting:
        raise faults[0]
    return frozenset(fitting)


class RateLimitSettings(Section):
    """How many rows go on in a second, on average; a bucket that fills again evenly."""

    rows_per_second: float = Field(gt=0, le=1e9, description="Rows per second, over all Envoys; for each handler.")
    burst: int | None = Field(
        None, ge=1, le=1_000_000_000, description="Rows that may go at once after a pause. Default: those of a second."
    )


class SamplingSettings(Section):
    """Which of a rule's rows go on. Rows that are kept for what they say count against no limit."""

    percent: float = Field(
        100.0, ge=0, le=100, description="Share of requests that goes on: the same ones in every instance."
    )
    by: Literal["request_id", "trace_id"] = Field(
        "request_id", description="What decides: x-request-id as Envoy's own tracing does, or the trace as "
        "OpenTelemetry does.",
    )  # fmt: skip
    rate_limit: RateLimitSettings | None = Field(None, description="How many rows go on at most; null: any number.")
    keep_errors: bool = Field(True, description="Whatever was no success goes on in any case.")
    slower_than_s: Seconds | None = Field(
        None, alias="slower_than", gt=0, description="What took longer goes on in any case; sessions are not slow."
    )


class RuleSettings(Section):
    """Rows that match go to the handlers named. A handler that no rule names gets all, but for probes."""

    name: Name = Field(description="The rule's name in explanations.")
    handlers: tuple[str, ...] = Field(min_length=1, max_length=1000, description="Who gets the rows, by name.")
    templates: tuple[Annotated[Template, BeforeValidator(_template)], ...] = Field(
        (), max_length=len(Template),
        description="Whose rows. Default: those that a handler of the rule accepts and that have all that `match` "
        "names; where there is sampling, only rows that are one request each.",
    )  # fmt: skip
    sampling: SamplingSettings | None = Field(None, description="Which of the rows that match; null: all of them.")
    # The last, whose check looks at all the others.
    match: str = Field(
        "true", validate_default=True, description="Which rows, in CEL over the attributes of their template."
    )

    @property
    def asked(self) -> frozenset[Template]:
        """The templates that the rule may be about, whoever accepts them."""
        return frozenset(self.templates) or (SAMPLED if self.sampling else frozenset(Template))

    @field_validator("handlers")
    @classmethod
    def _handlers_are_there(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return names if (accepted := _accepted(info)) is None else known_handlers(names, accepted)

    @field_validator("sampling")
    @classmethod
    def _sums_are_not_sampled(cls, sampling: SamplingSettings | None, info: ValidationInfo) -> SamplingSettings | None:
        sums = sorted(set(info.data.get("templates", ())) - SAMPLED)
        if sampling and sums:
            raise refuse(f"rows of {sums[0]} are sums, of which a part says nothing", "leave sampling or it out")
        return sampling

    @field_validator("match")
    @classmethod
    def _match_fits(cls, match: str, info: ValidationInfo) -> str:
        if fault := next(_misfits(match, info), None):
            raise PydanticCustomError("expression", "{fault}", {"fault": fault})
        return match


def _accepted(info: ValidationInfo) -> Mapping[str, frozenset[Template]] | None:
    return info.context.handlers if isinstance(info.context, Context) else None


def _misfits(match: str, info: ValidationInfo) -> Iterator[str]:
    """Say what of the rule's templates the match can't be asked of, or which handler accepts nothing of it."""
    written = frozenset(info.data.get("templates", ()))
    for template in (each for each in Template if each in written):
        try:
            templates_of(match, {template})
        except ExpressionError as fault:
            yield f"{_rows_of(template)}: {fault}"
    accepted = _accepted(info) or {}
    taken = {name: accepted.get(name, frozenset(Template)) for name in info.data.get("handlers", ())}
    about = written or (SAMPLED if info.data.get("sampling") else frozenset(Template))
    among = about & frozenset(template for templates in taken.values() for template in templates)
    try:
        fitting = templates_of(match, among or about)
    except ExpressionError as fault:
        yield f"{_rows_of(min(among or about, key=list(Template).index))}: {fault}"
        return
    for name, templates in taken.items():
        if not templates & fitting:
            yield f"handler {name} accepts {', '.join(sorted(templates))}; this is about {', '.join(sorted(fitting))}"


def _rows_of(template: Template) -> str:
    sums = "metric, whose rows are sums: they have metric, kind, unit and labels; a metric's own match sees requests"
    return f"in rows of {sums if template is Template.METRIC else template}"


class ProbeSettings(Section):
    """What the platform asks to see whether a workload lives, which is no traffic of the mesh."""

    ignore: bool = Field(
        True, description="Leave them out of the standard metrics, and of what handlers get that no rule names."
    )
    user_agents: tuple[UserAgent, ...] = Field(
        USER_AGENTS, min_length=1, max_length=100,
        description="How their user agents begin. Whoever may choose his can leave himself out: see rules.",
    )  # fmt: skip


def rules_name_handlers(rules: tuple[RuleSettings, ...], info: ValidationInfo) -> tuple[RuleSettings, ...]:
    """Check the handlers that rules name where it could not be done in their place: made in Python, or defaults."""
    handlers: Mapping[str, HandlerSettings] = info.data.get("handlers", {})
    if "handlers" in info.data:
        for rule in rules:
            known_handlers(rule.handlers, handlers)
    return rules


Rules = Annotated[tuple[RuleSettings, ...], AfterValidator(distinct_names), AfterValidator(rules_name_handlers)]
"""All rules: names are distinct, handlers are there."""
