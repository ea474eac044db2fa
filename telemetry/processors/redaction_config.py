"""What is redacted unless the operator says otherwise."""

from collections.abc import Mapping
from typing import Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from telemetry.attributes import STRING_MAP
from telemetry.batch import SCHEMAS, Template
from telemetry.options import Secret
from telemetry.processors.concealment import Action
from telemetry.processors.secrets_in_text import PATTERNS

__all__ = ["DENIED_HEADERS", "HeaderRules", "RedactionConfig"]

DENIED_HEADERS = (
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
    "x-api-key",
    "*api-key*",
    "*apikey*",
    "*access-key*",
    "*token*",
    "*secret*",
    "*password*",
    "*passwd*",
    "*credential*",
    "*session*",
    "*signature*",
    "*assertion*",
    "*jwt*",
    "x-auth-*",
    "x-amz-security-*",
    "x-forwarded-access-*",
)
"""Names of headers that hold credentials; `*` stands for any characters, case is ignored."""

# What clients write themselves. An allow-list chooses among these; the rest is Envoy's or our own.
_WRITTEN_BY_CLIENTS = (
    "connection.requested_server_name",
    "request.forwarded_for",
    "request.headers",
    "request.host",
    "request.id",
    "request.path",
    "request.referer",
    "request.url_path",
    "request.useragent",
    "response.headers",
    "response.trailers",
)
# Without these an entry can't be counted or routed.
_NEEDED = (
    "connection.event",
    "connection.id",
    "connection.opened",
    "connection.received.bytes",
    "connection.sent.bytes",
    "request.counts",
    "request.time",
    "response.flags",
)
_SCHEMA = SCHEMAS[Template.LOGENTRY]
_KEY_MIN_BYTES = 16


class HeaderRules(BaseModel):
    """Which headers (and trailers) are kept. Names are patterns with `*`, in any case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[str, ...] | None = Field(None, description="only these are kept; an empty list keeps none")
    deny: tuple[str, ...] = Field(
        DENIED_HEADERS, description="these are redacted, allowed or not; replaces the default"
    )
    also_deny: tuple[str, ...] = Field((), description="these too, besides `deny`")
    action: Literal[Action.MASK, Action.DROP, Action.HASH] = Field(Action.DROP, description="what is done about them")


_MADE_LATER = frozenset({"request.operation", "event.name", "event.message"})


class RedactionConfig(BaseModel):
    """Redaction is on by default; each part of it can be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Literal[Action.DROP, Action.MASK, Action.KEEP] = Field(
        Action.DROP,
        description="query strings and fragments: cut off, values masked, or kept but for what patterns find",
    )
    headers: HeaderRules = Field(HeaderRules(), description="which headers are kept")
    patterns: Mapping[str, Action] = Field({}, description="action by pattern of secret; mask unless said otherwise")
    custom: Mapping[str, str] = Field({}, description="further patterns, by name, in the syntax of Rust's regex crate")
    allow: tuple[str, ...] | None = Field(
        None, description="of the attributes that clients write, only these are kept; an empty list keeps none"
    )
    deny: Mapping[str, Literal[Action.MASK, Action.DROP, Action.HASH]] = Field(
        {}, description="attributes to redact whole, with what is done; those that aren't text are always dropped"
    )
    hash_key: Secret | None = Field(None, description="key of the hashes: at least 16 bytes; needed for `hash`")

    def concealed_attributes(self) -> frozenset[str]:
        """Give the attributes in which something may have to be concealed."""
        maps = (name for name, dtype in SCHEMAS[Template.LOGENTRY].items() if dtype == STRING_MAP)
        return frozenset((*_WRITTEN_BY_CLIENTS, *maps, *self.denied_attributes()))

    def denied_attributes(self) -> Mapping[str, Action]:
        """Give the attributes to redact whole, those not allowed included."""
        allowed = _WRITTEN_BY_CLIENTS if self.allow is None else self.allow
        not_allowed = (name for name in _WRITTEN_BY_CLIENTS if name not in allowed)
        return {**dict.fromkeys(not_allowed, Action.DROP), **self.deny}

    @field_validator("allow")
    @classmethod
    def _allowed_are_known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if name not in _WRITTEN_BY_CLIENTS:
                raise ValueError(
                    f"{name} is not among the attributes that clients write: {', '.join(_WRITTEN_BY_CLIENTS)}"
                )
        return names

    @field_validator("deny")
    @classmethod
    def _denied_are_known(cls, actions: Mapping[str, Action]) -> Mapping[str, Action]:
        for name in actions:
            if name not in _SCHEMA:
                raise ValueError(f"there is no attribute {name}; `telemetry attributes` lists them")
            if name in _NEEDED or name.startswith("context."):
                raise ValueError(f"{name} can't be denied: entries can't be counted without it")
            if name in _MADE_LATER:
                raise ValueError(f"{name} can't be denied: it is made after redaction, of what is left then")
        return actions

    @field_validator("custom")
    @classmethod
    def _custom_can_be_compiled(cls, patterns: Mapping[str, str]) -> Mapping[str, str]:
        for name, regex in patterns.items():
            try:
                matches_nothing = not pl.Series([""]).str.contains(regex)[0]
            except pl.exceptions.ComputeError as error:
                raise ValueError(f"{name}: {error}") from None
            if not matches_nothing:
                raise ValueError(f"{name}: matches the empty text, so it would match everywhere")
        return patterns

    @model_validator(mode="after")
    def _patterns_are_known(self) -> Self:
        known = [pattern.name for pattern in PATTERNS]
        taken = sorted(set(known) & set(self.custom))
        if taken:
            raise ValueError(f"custom: {', '.join(taken)}: built in already; choose another name")
        for name in self.patterns:
            if name not in known and name not in self.custom:
                raise ValueError(f"patterns: there is no {name}, only {', '.join((*known, *self.custom))}")
        return self

    @model_validator(mode="after")
    def _hash_has_its_key(self) -> Self:
        actions = (self.headers.action, *self.patterns.values(), *self.deny.values())
        key = self.hash_key.get_secret_value() if self.hash_key else ""
        if Action.HASH in actions and len(key.encode()) < _KEY_MIN_BYTES:
            raise ValueError(f"hash_key: the action `hash` needs a key of at least {_KEY_MIN_BYTES} bytes")
        return self
