"""The settings of rules: which rows go to which handlers, and how many of them."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from telemetry.batch import SCHEMAS, Template
from telemetry.config.fitting import Accepted, misfits, starving, templates_of
from telemetry.config.handlers import Context, HandlerSettings
from telemetry.config.section import Section
from telemetry.options import Seconds
from telemetry.processors.probes import USER_AGENTS

__all__ = [
    "ProbeSettings",
    "RateLimitSettings",
    "RuleSettings",
    "SamplingSettings",
    "distinct_names",
    "known_handlers",
    "refuse",
    "templates_of",
]

SAMPLED = frozenset(template for template in Template if "request.id" in SCHEMAS[template])
"""Whose rows stand for one request each; the others are sums, of which a part says nothing."""
PROBED = frozenset(template for template in Template if "request.useragent" in SCHEMAS[template])
"""Whose rows say who asked."""

_BUILT_IN = "default"

UserAgent = Annotated[str, StringConstraints(min_length=3, max_length=256)]


def refuse(message: str, hint: str = "") -> PydanticCustomError:
    """Make the error that says `message` as it is, without what is written."""
    return PydanticCustomError("name", "{said}", {"said": f"{message}; {hint}" if hint else message})


def _rule_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", name):
        raise refuse("names are lower-case letters, digits, - and _, and begin with a letter")
    if name == _BUILT_IN:
        raise refuse(f"{name} is the rule of handlers that no rule names; give yours another name")
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


def known_handlers(names: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """Refuse names that no handler has."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise refuse(f"no handler is named {name}", hint)
    return names


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
        return _asked(frozenset(self.templates), self.sampling)

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
        written = frozenset(info.data.get("templates", ()))
        about = _asked(written, info.data.get("sampling"))
        accepted = _accepted(info) or {}
        taken = {name: accepted.get(name, frozenset(Template)) for name in info.data.get("handlers", ())}
        if fault := next(misfits(match, written, about, taken), None):
            raise PydanticCustomError("expression", "{fault}", {"fault": fault})
        return match


def _asked(written: frozenset[Template], sampling: object) -> frozenset[Template]:
    return written or (SAMPLED if sampling else frozenset(Template))


def _accepted(info: ValidationInfo) -> Accepted | None:
    return info.context.handlers if isinstance(info.context, Context) else None


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
            if info.context is None:
                _feeds(rule, {name: handlers[name].accepts for name in rule.handlers})
    return rules


def _feeds(rule: RuleSettings, taken: Accepted) -> None:
    about = rule.asked & templates_of(rule.match, rule.asked)
    for name in starving(about, taken):
        accepts = ", ".join(sorted(taken[name]))
        raise refuse(f"handler {name} accepts {accepts}; rule {rule.name} is about {', '.join(sorted(about))}")


Rules = Annotated[tuple[RuleSettings, ...], AfterValidator(distinct_names), AfterValidator(rules_name_handlers)]
"""All rules: names are distinct, handlers are there."""
