"""What a right file means."""

import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from telemetry.config import Address, CoalesceSettings, GrpcSettings, Settings
from telemetry.config.loading import load, parse
from telemetry.errors import ConfigError
from tests.authority import Authority
from tests.config.adapters import INSTALLED, Recorder

ROOT = Path(__file__).parents[2]


def settings(text: str, folder: Path = Path()) -> Settings:
    return parse(text.encode(), "t.yaml", folder=folder, installed=INSTALLED)


def test_no_file_means_all_defaults() -> None:
    made = load(None, installed=INSTALLED)
    assert str(made.receiver.grpc.address) == "127.0.0.1:9901"
    assert str(made.http.address) == "127.0.0.1:9902"
    assert made.receiver.name == socket.gethostname()
    assert [(name, handler.adapter) for name, handler in made.handlers.items()] == [("prometheus", "prometheus")]


def test_an_empty_file_and_one_of_empty_sections_mean_the_same() -> None:
    assert settings("receiver:\nhttp:\nlog:\n") == settings("") == settings("# nothing") == load(installed=INSTALLED)


def test_the_example_says_what_the_defaults_are() -> None:
    assert load(ROOT / "config/telemetry.yaml", installed=INSTALLED) == load(None, installed=INSTALLED)


def test_durations_and_sizes_are_numbers_in_their_units() -> None:
    made = settings("receiver: {coalesce: {max_delay: 50ms, max_pending_bytes: 2MiB}}\nshutdown: {deadline: 1.5m}")
    assert made.receiver.coalesce.max_delay_s == 0.05
    assert made.receiver.coalesce.max_pending_bytes == 2 * 1024 * 1024
    assert made.shutdown.deadline_s == 90.0


def test_python_code_may_use_field_names_and_plain_seconds() -> None:
    assert CoalesceSettings(max_delay_s=0.05) == CoalesceSettings.model_validate({"max_delay": "50ms"})
    assert GrpcSettings(address=Address("::1", 0)).address.loopback


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings("").log.level = "debug"  # type: ignore[misc]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_loopback_needs_no_permission(address: str) -> None:
    assert str(settings(f'http: {{address: "{address}"}}').http.address) == address


def test_beyond_loopback_it_listens_when_told_so() -> None:
    assert settings('http: {address: "0.0.0.0:80", insecure: true}').http.address == Address("0.0.0.0", 80)


TLS = 'receiver: {grpc: {address: "[::]:1", tls: {certificate: a.pem, key: %s, client_ca: %s}}}'


def test_beyond_loopback_it_listens_with_certificates(tmp_path: Path) -> None:
    Authority(tmp_path).issue("a")
    tls = settings(TLS % ("a.key", "ca.pem"), tmp_path).receiver.grpc.tls
    assert tls is not None
    assert (tls.certificate, tls.client_ca) == (tmp_path / "a.pem", tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("key", "ca", "message"),
    [
        ("other.key", "ca.pem", "is not the key of"),
        ("locked.key", "ca.pem", "is encrypted"),
        ("text", "ca.pem", "are not a PEM certificate and key"),
        ("a.key", "text", "holds no PEM certificates"),
    ],
)
def test_certificates_that_do_not_work_are_faults(tmp_path: Path, key: str, ca: str, message: str) -> None:
    authority = Authority(tmp_path)
    for name in ("a", "other"):
        authority.issue(name)
    (tmp_path / "text").write_text("no PEM")
    password = serialization.BestAvailableEncryption(b"password")
    locked = authority.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, password)
    (tmp_path / "locked.key").write_bytes(locked)
    with pytest.raises(ConfigError, match=message):
        settings(TLS % (key, ca), tmp_path)


def test_header_names_are_read_in_lower_case() -> None:
    made = settings("receiver: {access_logs: {request_headers: [X-Tenant]}}")
    assert made.receiver.access_logs.request_headers[-1] == "x-tenant"


def test_a_handler_makes_its_adapter_with_its_options() -> None:
    text = "handlers: {a: {adapter: recorder, topic: t, linger: 2s, chunk_bytes: 2KiB, delivery: {deadline: 3s}}}"
    handler = settings(text).handlers["a"]
    adapter = handler.make()
    assert isinstance(adapter, Recorder)
    assert type(adapter.config) is Recorder.Config
    assert (adapter.config.topic, adapter.config.linger_s, adapter.config.chunk_bytes) == ("t", 2.0, 2048)
    assert (handler.delivery.deadline_s, handler.delivery.max_backoff_s) == (3.0, 30.0)
    assert handler.make() is not adapter


def test_a_secret_is_resolved_and_never_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    monkeypatch.setenv("TOKEN", "hunter2")
    text = 'handlers: {a: {adapter: recorder, token: "file:token"}, b: {adapter: recorder, token: "env:TOKEN"}}'
    made = settings(text, tmp_path)
    for name in ("a", "b"):
        adapter = made.handlers[name].make()
        assert isinstance(adapter, Recorder)
        assert adapter.config.token is not None
        assert adapter.config.token.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{made} {made!r} {made.model_dump()} {made.model_dump_json()}"


def test_anchors_may_be_used() -> None:
    text = "handlers:\n  a: {adapter: recorder, delivery: &d {deadline: 3s}}\n  b: {adapter: recorder, delivery: *d}"
    assert settings(text).handlers["b"].delivery.deadline_s == 3.0
