"""How a handler is served, as it is configured; and where its dead letters lie."""

from pathlib import Path

import pytest

from telemetry.config.dead_letters import DeadLetterSettings
from telemetry.config.handlers import DeliverySettings
from telemetry.config.loading import parse
from telemetry.delivery import Patience, Terms, terms_of
from telemetry.errors import ConfigError
from telemetry.plugin import Limits
from tests.config.adapters import INSTALLED


def parsed(text: str, folder: Path = Path("/etc/telemetry")):
    return parse(text.encode(), "telemetry.yaml", folder=folder, installed=INSTALLED)


def test_the_defaults_of_settings_and_code_are_the_same():
    assert terms_of(DeliverySettings()) == Terms()


def test_every_setting_reaches_the_handler():
    settings = parsed("""
handlers:
  a:
    adapter: recorder
    delivery:
      {deadline: 3s, initial_backoff: 20ms, max_backoff: 7s, max_retry_after: 1h, concurrency: 8, max_rows: 500,
       max_bytes: 1MiB, open_circuit_after: 4, on_full: block}
""")
    assert terms_of(settings.handlers["a"].delivery, "drop_oldest") == Terms(
        Patience(3.0, 0.02, 7.0, 3600.0, 4), 8, Limits(500, 1 << 20), "block"
    )


def test_a_handler_that_says_nothing_of_a_full_journal_does_as_the_journal_says():
    assert terms_of(DeliverySettings(), "block").on_full == "block"


@pytest.mark.parametrize("wrong", ["concurrency: 0", "concurrency: 65", "max_rows: 0", "max_bytes: 1", "on_full: drop",
                                   "open_circuit_after: 0", "max_retry_after: 0s"])  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(wrong):
    with pytest.raises(ConfigError) as caught:
        parsed(f"handlers: {{a: {{adapter: recorder, delivery: {{{wrong}}}}}}}\n")
    [fault] = caught.value.faults
    assert fault.path == f"handlers.a.delivery.{wrong.partition(':')[0]}"


def test_the_secrets_of_a_handler_are_known_so_that_they_can_be_masked(monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cr3t")
    settings = parsed("handlers: {a: {adapter: recorder, token: env:TOKEN}, b: {adapter: recorder}}\n")
    assert settings.handlers["a"].secrets() == {"s3cr3t"}
    assert settings.handlers["b"].secrets() == frozenset()


@pytest.mark.parametrize(
    ("text", "journal", "folder"),
    [
        ("", None, None),
        ("", Path("/data/journal.db"), Path("/data/dead-letters")),
        ("dead_letters: {path: letters}", None, Path("/etc/telemetry/letters")),
        ("dead_letters: {path: /var/letters}", Path("/data/journal.db"), Path("/var/letters")),
        ("dead_letters: {enabled: false, path: letters}", Path("/data/journal.db"), None),
    ],
)
def test_dead_letters_lie_beside_the_journal_or_where_they_are_told_to(text, journal, folder):
    assert parsed(f"{text}\n").dead_letters.folder(journal) == folder


def test_they_are_kept_unless_told_otherwise():
    assert DeadLetterSettings().enabled
