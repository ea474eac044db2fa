"""A handler: a configured adapter, its options validated by the adapter's own model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from telemetry.batch import Template
from telemetry.config.section import Section
from telemetry.discovery import adapters
from telemetry.options import ALONE, Bytes, Loading, Seconds
from telemetry.plugin import Adapter, Scraped

__all__ = ["DEFAULT_HANDLERS", "Context", "DeliverySettings", "HandlerSettings", "handler_settings", "settings_class"]

DEFAULT_HANDLERS: Mapping[str, Mapping[str, str]] = {"prometheus": {"adapter": "prometheus"}}
"""What holds where a file has no handlers, as it would be written."""


@dataclass(frozen=True)
class Context(Loading):
    """What validation of our file may look at: for handlers, the adapters installed; for rules, the handlers."""

    adapters: Mapping[str, type[Adapter]]
    handlers: Mapping[str, frozenset[Template]] | None = None
    """What each accepts; None where the file has nothing that could be taken for handlers."""


class DeliverySettings(Section):
    """How batches are handed over; there is no retry deadline: the journal's size is the bound."""

    deadline_s: Seconds = Field(
        10.0, alias="deadline", ge=0.01, le=3600, description="An export that takes longer is cancelled and retried."
    )
    initial_backoff_s: Seconds = Field(
        0.1, alias="initial_backoff", ge=0.001, le=3600, description="Pause before the first retry; it doubles."
    )
    max_backoff_s: Seconds = Field(
        30.0, alias="max_backoff", ge=0.001, le=86400, description="The longest pause between retries."
    )
    max_retry_after_s: Seconds = Field(
        300.0, alias="max_retry_after", ge=0.001, le=86400,
        description="The longest pause that the sink may ask for (Retry-After).",
    )  # fmt: skip
    concurrency: int = Field(
        1, ge=1, le=64, description="Batches handed over at the same time; above 1 they may arrive out of order."
    )
    max_rows: int | None = Field(
        None, ge=1, le=10_000_000,
        description="Rows in one export; larger batches are split. null: as many as the adapter takes.",
    )  # fmt: skip
    max_bytes: Bytes | None = Field(
        None, ge=1024, le=1 << 40,
        description="Size of one export, as the rows take in memory. null: as much as the adapter takes.",
    )  # fmt: skip
    open_circuit_after: int = Field(
        10, ge=1, le=1_000_000,
        description="After so many failures in a row the sink is only probed, one batch at a time, at the longest "
        "pause.",
    )  # fmt: skip
    on_full: Literal["block", "drop_oldest"] | None = Field(
        None,
        description="What happens when the journal is full of what this handler has yet to take. null: as "
        "journal.on_full says.",
    )


class HandlerSettings(Section):
    """What all handlers have; each adapter's handlers are of a subclass that has the adapter's options besides."""

    _adapter_class: ClassVar[type[Adapter]]

    adapter: str = Field(description="Name of the adapter.")
    delivery: DeliverySettings = Field(default_factory=DeliverySettings, description="How batches are handed over.")

    def make(self) -> Adapter:
        """Make the adapter. Made anew at each call, not entered."""
        config = self._adapter_class.Config
        options = {name: getattr(self, name) for name in config.model_fields}
        # Validated already; validating again would resolve secrets twice.
        return self._adapter_class(config.model_construct(self.model_fields_set & options.keys(), **options))  # type: ignore[call-arg]

    @property
    def accepts(self) -> frozenset[Template]:
        """The templates that the adapter accepts; where it has an option `templates`, those that it names."""
        return frozenset(getattr(self, "templates", self._adapter_class.accepts))

    @property
    def scraped(self) -> bool:
        """Whether the adapter writes the page that Prometheus fetches."""
        return issubclass(self._adapter_class, Scraped)

    def adapter_settings(self) -> "HandlerSettings":
        """Give what the adapter is made of: all but how batches are handed over."""
        return self.model_copy(update={"delivery": DeliverySettings()})

    def own_folders(self) -> Mapping[str, Path]:
        """Give the folders that no other handler may write to, by their keys."""
        fields = type(self).model_fields.items()
        own = {field.alias or name: getattr(self, name) for name, field in fields if ALONE in field.metadata}
        return {key: folder for key, folder in own.items() if folder is not None}

    def secrets(self) -> frozenset[str]:
        """Give every secret among the options, however deep: what must be masked in the adapter's messages."""
        return frozenset(_secrets(dict(self)))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from _secrets(dict(value))
    elif isinstance(value, Mapping):
        yield from _secrets(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _secrets(each)


_RESERVED = frozenset(dir(HandlerSettings)) | HandlerSettings.model_fields.keys()


@cache
def settings_class(adapter: type[Adapter]) -> type[HandlerSettings]:
    """Give the settings of a handler with that adapter. Raises TypeError when an option's name is taken."""
    taken = sorted((_RESERVED - set(dir(BaseModel))) & adapter.Config.model_fields.keys())
    if taken:
        raise TypeError(f"its option {taken[0]!r} has a name that every handler has; the adapter must rename it")
    namespace = {
        "__module__": adapter.__module__,
        "__doc__": adapter.Config.__doc__,
        "_adapter_class": adapter,
        "__annotations__": {"_adapter_class": ClassVar[type]},
        # The adapter's own choices stand behind ours.
        "model_config": ConfigDict(**{**adapter.Config.model_config, **HandlerSettings.model_config}),
    }
    return type(f"{adapter.__name__}Handler", (HandlerSettings, adapter.Config), namespace)


def handler_settings() -> BeforeValidator:
    """Give the validator that picks a handler's class by its key `adapter`."""
    return BeforeValidator(_validate)


def _validate(value: object, info: ValidationInfo) -> object:
    if isinstance(value, HandlerSettings):
        return value
    if not isinstance(value, Mapping):
        return value  # for pydantic to refuse
    name = value.get("adapter")
    if not isinstance(name, str):
        # Without an adapter nobody can tell which of its options are right.
        return {key: value[key] for key in value if key in HandlerSettings.model_fields}
    installed = info.context.adapters if isinstance(info.context, Context) else adapters()
    cls = _settings_class_named(name, installed)
    by_name = info.context is None
    return cls.model_validate(value, context=info.context, by_alias=True, by_name=by_name)


def _settings_class_named(name: str, installed: Mapping[str, type[Adapter]]) -> type[HandlerSettings]:
    if name not in installed:
        known = {"adapter": repr(name), "installed": ", ".join(installed) or "none"}
        raise PydanticCustomError("unknown_adapter", "no adapter {adapter} is installed; there are: {installed}", known)
    try:
        return settings_class(installed[name])
    except (ImportError, TypeError) as error:  # a package that its extra would bring, or an option's name
        context: dict[str, Any] = {"adapter": name, "error": str(error)}
        raise PydanticCustomError("broken_adapter", "adapter {adapter} can't be used: {error}", context) from error
