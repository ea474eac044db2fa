"""What every adapter's class promises: what it accepts, how it is configured, what it never shows."""

import logging
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from telemetry.batch import Template
from telemetry.config.handlers import settings_class
from telemetry.config.schema import json_schema
from telemetry.testing.batches import batch_of
from telemetry.testing.sink import Behaviour, Sink
from telemetry.testing.subject import Subject, error_of

__all__ = ["Promises"]

_FAILING = (
    Behaviour.UNREACHABLE,
    Behaviour.BUSY,
    Behaviour.REJECT,
    Behaviour.PARTIAL,
    Behaviour.NONSENSE,
    Behaviour.FORGET,
)


class Promises(Subject):
    """An operator learns from the schema what can be set, and from no message what must stay secret."""

    def test_it_says_which_templates_it_accepts(self) -> None:
        """One at least."""
        accepts = self.adapter_class.accepts
        assert isinstance(accepts, frozenset)
        assert accepts
        assert all(isinstance(template, Template) for template in accepts)

    def test_its_config_refuses_what_it_does_not_know_and_never_changes(self) -> None:
        """`model_config = ConfigDict(extra="forbid", frozen=True)`."""
        assert self.adapter_class.Config.model_config.get("extra") == "forbid"
        assert self.adapter_class.Config.model_config.get("frozen") is True

    def test_each_option_is_described(self) -> None:
        """`Field(description=...)`: `telemetry adapters NAME` and editors show it."""
        fields = self.adapter_class.Config.model_fields
        assert not [name for name, field in fields.items() if not (field.description or "").strip()]

    def test_its_options_have_a_json_schema_and_clash_with_no_handlers(self) -> None:
        """As `telemetry schema` prints it for editors."""
        schema = json_schema({"contract": self.adapter_class})
        properties = schema["$defs"][settings_class(self.adapter_class).__name__]["properties"]
        fields = self.adapter_class.Config.model_fields
        assert {field.alias or name for name, field in fields.items()} <= set(properties)

    def test_its_secrets_are_known_to_this_contract(self, sink: Sink) -> None:
        """An adapter with Secret options is made with some here, and `secrets` names them."""
        fields = self.adapter_class.Config.model_fields.items()
        having = [name for name, field in fields if _is_secret(field.annotation)]
        assert not having or self.secrets, f"configure {having} in make() and name the values in `secrets`"
        self._assert_hidden(repr(self.make(sink)), str(self.adapter_class.Config))

    @pytest.mark.parametrize("behaviour", _FAILING)
    async def test_no_message_shows_a_secret(
        self, sink: Sink, template: Template, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not the error, not its cause, not the log."""
        with structlog.testing.capture_logs() as logged, caplog.at_level(logging.DEBUG):
            async with self.entered(sink) as adapter:
                await self.behave(sink, behaviour)
                error = await error_of(adapter, batch_of(template), deadline_s=1)
                shown = [*_messages(error), repr(adapter), repr(vars(adapter)) if hasattr(adapter, "__dict__") else ""]
            await sink.behave(Behaviour.WORK)
        self._assert_hidden(*shown, caplog.text, repr(logged))

    def _assert_hidden(self, *texts: str) -> None:
        assert not [secret for secret in self.secrets for text in texts if secret in text]


def _messages(error: BaseException | None) -> list[str]:
    """Give all that a traceback would show of an error."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return texts


def _is_secret(annotation: Any) -> bool:  # noqa: ANN401 - whatever stands at a field
    if isinstance(annotation, type):
        inner = annotation.model_fields.values() if issubclass(annotation, BaseModel) else ()
        return issubclass(annotation, SecretStr) or any(_is_secret(field.annotation) for field in inner)
    return any(_is_secret(one) for one in getattr(annotation, "__args__", ()))
