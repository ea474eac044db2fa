"""Everything wrong in a file is told at once, at its place, in words that help."""

from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import BaseModel

from telemetry.config.loading import load, parse
from telemetry.errors import ConfigError, Fault
from telemetry.options import OwnFolder
from tests.config.adapters import INSTALLED, Recorder


def faults(text: str | bytes, folder: Path = Path()) -> list[Fault]:
    content = text if isinstance(text, bytes) else dedent(text).encode()
    with pytest.raises(ConfigError) as caught:
        parse(content, "t.yaml", folder=folder, installed=INSTALLED)
    return list(caught.value.faults)


def only_fault(text: str | bytes, folder: Path = Path()) -> str:
    (fault,) = faults(text, folder)
    return str(fault)


def test_all_faults_of_a_file_are_told_at_once_each_at_its_place() -> None:
    found = faults("""\
        receiver:
          grcp: {address: 1}
          grpc:
            address: 10.0.0.1
            max_message_bytes: 4 parsecs
            keepalive_time: 3
            keepalive_timeout: 1s
            keepalive_timeout: 30s
            tls: {certificate: nope.pem, key: nope.key}
          access_logs:
            request_headers: [a, "b c"]
            filter_state: x
          coalesce: {max_entries: lots, max_delay: 1000h}
        journal: {on_full: drop}
        handlers:
          Prom: {adapter: recorder}
          a: {adapter: recordr}
          b: {topic: 3}
          c: {adapter: recorder, topik: x, limit: 1000, linger: 5, delivery: {deadlin: 3s}}
        log:
          level: 3
        """)
    assert [(fault.line, fault.column, fault.path) for fault in found] == [
        (2, 3, "receiver.grcp"),
        (4, 14, "receiver.grpc.address"),
        (5, 24, "receiver.grpc.max_message_bytes"),
        (6, 21, "receiver.grpc.keepalive_time"),
        (8, 5, "receiver.grpc.keepalive_timeout"),
        (9, 10, "receiver.grpc.tls.client_ca"),
        (9, 24, "receiver.grpc.tls.certificate"),
        (9, 39, "receiver.grpc.tls.key"),
        (11, 26, "receiver.access_logs.request_headers[1]"),
        (12, 19, "receiver.access_logs.filter_state"),
        (13, 27, "receiver.coalesce.max_entries"),
        (13, 44, "receiver.coalesce.max_delay"),
        (14, 20, "journal.on_full"),
        (16, 3, "handlers.Prom"),
        (17, 16, "handlers.a.adapter"),
        (18, 6, "handlers.b.adapter"),
        (19, 26, "handlers.c.topik"),
        (19, 43, "handlers.c.limit"),
        (19, 57, "handlers.c.linger"),
        (19, 71, "handlers.c.delivery.deadlin"),
        (21, 10, "log.level"),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("recever: {}", "t.yaml:1:1: recever: is not a key that is known here (did you mean receiver?)"),
        ("log: {colour: x}", "t.yaml:1:7: log.colour: is not a key that is known here (known here: level, format)"),
        ("http: {insecure: maybe}", "t.yaml:1:18: http.insecure: must be true or false, not 'maybe'"),
        (
            "mesh: {max_addresses: 1.5}",
            "t.yaml:1:23: mesh.max_addresses: must be a whole number, such as 1000, not 1.5",
        ),
        ("mesh: {max_addresses: 5}", "t.yaml:1:23: mesh.max_addresses: must be at least 100, not 5"),
        ("mesh: {default_cluster: ''}", "t.yaml:1:25: mesh.default_cluster: must have at least 1 characters, not ''"),
        ("log: [a]", "t.yaml:1:6: log: must hold keys and values, such as key: value"),
        ("shutdown: {deadline: 2h}", "t.yaml:1:22: shutdown.deadline: must be at most 3600s, not '2h'"),
        (
            "shutdown: {deadline: 5}",
            "t.yaml:1:22: shutdown.deadline: must be a duration with its unit, such as 200ms, 30s, 5m or 1h",
        ),
        ("journal: {on_full: drop}", "t.yaml:1:20: journal.on_full: must be drop_oldest or block, not 'drop'"),
        (
            "journal: {max_bytes: -1}",
            "t.yaml:1:22: journal.max_bytes: must be a size in bytes, such as 65536, 64KiB or 4MiB",
        ),
        ("handlers: {}", "t.yaml:1:11: handlers: must have at least 1"),
        (
            "handlers: {a: {adapter: x}}",
            "t.yaml:1:25: handlers.a.adapter: no adapter 'x' is installed; there are: "
            "prometheus, recorder, clashing, kafka",
        ),
        (
            "handlers: {a: {adapter: kafka}}",
            "t.yaml:1:25: handlers.a.adapter: adapter kafka can't be used: No module named 'aiokafka'",
        ),
        (
            "handlers: {a: {adapter: clashing}}",
            "t.yaml:1:25: handlers.a.adapter: adapter clashing can't be used: its option 'delivery' has a name that "
            "every handler has; the adapter must rename it",
        ),
        (
            "receiver: {access_logs: {response_headers: [A, b, a]}}",
            "t.yaml:1:44: receiver.access_logs.response_headers: lists a twice",
        ),
    ],
)
def test_a_fault_says_what_would_be_right(text: str, fault: str) -> None:
    assert only_fault(text) == fault


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "must end with a port"),
        ("127.0.0.1:70000", "must end with a port"),
        ("127.0.0.1:٣", "must end with a port"),
        ("host.example.org:1", "must be an IP address"),
        ("::1:9901", "only an IPv6 address stands in brackets, and always does"),
        ("[127.0.0.1]:9901", "only an IPv6 address stands in brackets"),
        ("0.0.0.0:9901", "listens beyond loopback without TLS"),
        ("[::]:9901", "listens beyond loopback without TLS"),
        ("192.0.2.1:0", "listens beyond loopback without TLS"),
    ],
)
def test_an_address_that_will_not_do_is_refused(address: str, reason: str) -> None:
    assert reason in only_fault(f'http: {{address: "{address}"}}')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1, 2\nb: 3", "t.yaml:2:2: while parsing a flow sequence, expected ',' or ']', but got ':'"),
        ("a: 1\na: 2", "t.yaml:2:1: a: stands here twice, first in line 1"),
        ("log:\n  level: *x", "t.yaml:2:10: found undefined alias 'x'"),
        ("log: &l {level: *l}", "t.yaml:1:6: "),
        ("- a", "t.yaml:1:1: must hold keys and values, such as key: value"),
        ("log: {level: !!python/name:os.system x}", "t.yaml:1:14: log.level: 'x' can't be read as"),
        ("log: {level: 0x_}", "t.yaml:1:14: log.level: '0x_' can't be read as"),
        ("log: {<<: {level: info}}", "t.yaml:1:7: log: keys are plain words here"),
        ("log: {}\n---\nlog: {}", "t.yaml:2:1: expected a single document in the stream"),
        (b"log: {level: \xff}", "t.yaml:1:14: byte 0xff is not UTF-8"),
        (b"a: 1\nb: \x07", "t.yaml:2:4: the character '\\x07' is not allowed in YAML"),
        ("[" * 5000, "t.yaml:1:"),
    ],
)
def test_what_is_not_yaml_for_us_is_told_at_its_place(text: str | bytes, fault: str) -> None:
    assert any(str(found).startswith(fault) for found in faults(text))


def test_a_few_lines_of_aliases_cannot_stand_for_billions_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "aliases stand for too much" in only_fault("\n".join(lines))


def test_a_file_too_large_for_a_configuration_is_not_read() -> None:
    assert "1048577 bytes" in only_fault(b"#" * (1024 * 1024 + 1))


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file or directory"):
        load(tmp_path / "absent.yaml", installed=INSTALLED)


def test_a_directory_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path, installed=INSTALLED)


def test_the_value_of_a_secret_is_never_shown() -> None:
    assert "hunter2" not in only_fault("handlers: {a: {adapter: recorder, token: hunter2}}")


def test_a_secret_that_refers_to_nothing_is_a_fault(tmp_path: Path) -> None:
    text = """\
        handlers:
          a: {adapter: recorder, token: "env:NO_SUCH_VARIABLE"}
          b: {adapter: recorder, token: "file:absent"}
        """
    assert [fault.message for fault in faults(text, tmp_path)] == [
        "the environment has no variable NO_SUCH_VARIABLE",
        f"can't read {tmp_path}/absent: No such file or directory",
    ]


def test_two_handlers_cannot_write_one_page() -> None:
    text = b"handlers: {one: {adapter: prometheus}, two: {adapter: prometheus}}"
    with pytest.raises(ConfigError, match="one and two would both write the page /metrics"):
        parse(text, "t.yaml", folder=Path())


class Keeper(Recorder):
    class Config(BaseModel):
        directory: OwnFolder


def test_two_handlers_cannot_have_one_folder_and_both_places_are_told(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    text = f"""
handlers:
  one: {{adapter: keeper, directory: {tmp_path}/kept}}
  two: {{adapter: keeper, directory: {tmp_path}/other/../link/}}
  three: {{adapter: keeper, directory: {tmp_path}/kept/below}}
"""
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "t.yaml", folder=Path(), installed={"keeper": Keeper})
    assert [str(fault) for fault in caught.value.faults] == [
        "t.yaml:3:37: handlers.one.directory: is handlers.two.directory, too; give each handler a folder of its own",
        "t.yaml:4:37: handlers.two.directory: is handlers.one.directory, too; give each handler a folder of its own",
    ]


def test_two_audits_cannot_have_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "k")
    one = f"{{adapter: audit, directory: {tmp_path}, signing_key: 'env:KEY'}}"
    with pytest.raises(ConfigError) as caught:
        parse(f"handlers: {{a: {one}, b: {one}}}".encode(), "t.yaml", folder=Path())
    assert [fault.path for fault in caught.value.faults] == ["handlers.a.directory", "handlers.b.directory"]
