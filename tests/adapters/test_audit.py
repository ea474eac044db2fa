"""The audit as a handler: what it records, how files come and go, where they are copied."""

import asyncio
import re
import stat
import subprocess
from pathlib import Path

import fsspec
import pytest
from pydantic import SecretStr

from telemetry.adapters.audit import Audit
from telemetry.audit.files import Folder
from telemetry.audit.ocsf import FIELDS
from telemetry.audit.uploading import Upload
from telemetry.batch import Template
from telemetry.errors import Retry
from telemetry.testing import Clock, batch_of
from tests.audit.audits import Keys, check, keys_in, write_audit, written
from tests.rows import logentries

DOCS = Path(__file__).parents[2] / "docs" / "adapters" / "audit.md"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return keys_in(tmp_path)


def audit(path: Path, keys: Keys, clock: Clock | None = None, **config) -> Audit:
    settings = Audit.Config(directory=path, signing_key=SecretStr(keys.private.read_text()), **config)
    return Audit(settings, clock_ns=(clock or Clock()).time_ns)


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_record_says_who_did_what_to_what_and_when(tmp_path, keys):
    async with audit(tmp_path / "audit", keys) as adapter:
        await adapter.export(batch_of(Template.LOGENTRY, 6))
    first, *_, last = written(tmp_path / "audit")
    assert (first["class_uid"], first["activity_id"], first["type_uid"], first["status_id"]) == (4002, 3, 400203, 1)
    assert first["actor.app_uid"] == "spiffe://cluster.local/ns/shop/sa/web"
    assert first["dst_endpoint.svc_name"] == "reviews.shop.svc.cluster.local"
    assert (first["http_request.url.path"], first["http_request.url.query_string"]) == ("/reviews/17", "page=2")
    assert first["time"] == "2023-11-14T22:33:54.567000000Z"
    assert first["metadata.uid"] == "receiver-0/1700000000000000000/1/0"
    assert (last["class_uid"], last["activity_id"], last["traffic.bytes_in"]) == (4001, 2, 980)


async def test_an_unknown_method_and_none_have_their_own_activities(tmp_path, keys):
    async with audit(tmp_path / "audit", keys) as adapter:
        rows = ({"request.method": method} for method in ("PROPFIND", None, "PATCH"))
        await adapter.export(logentries(*rows))
    assert [one["activity_id"] for one in written(tmp_path / "audit")] == [99, 0, 9]


async def test_a_quiet_file_is_finished_when_it_is_old(tmp_path, keys):
    clock = Clock()
    async with audit(tmp_path / "audit", keys, clock, max_file_age_s=60) as adapter:
        await adapter.export(batch_of(Template.LOGENTRY, 3))
        clock.advance(61)
        await until(adapter.ledger.folder.finished)
    assert check(tmp_path / "audit", keys).intact


async def test_finished_files_are_copied_and_only_then_let_go(tmp_path, keys):
    clock = Clock()
    remote = tmp_path / "remote"
    config = {"upload": f"file://{remote}", "keep_for_s": 1000, "max_file_age_s": 60}
    async with audit(tmp_path / "audit", keys, clock, **config) as adapter:
        for sequence in range(1, 4):
            await adapter.export(batch_of(Template.LOGENTRY, 3, sequence=sequence))
            clock.advance(61)
        await until(lambda: len(adapter.ledger.folder.finished()) == 3)
        await adapter.export(batch_of(Template.LOGENTRY, 3, sequence=4))
        await until(lambda: len(list(tmp_path.glob("remote/*.jsonl"))) == 3)
        clock.advance(3600)
        await until(lambda: len(adapter.ledger.folder.finished()) == 1 and (remote / "sealed").exists())
    copies = check(remote, keys, copy=True)
    assert copies.intact, copies.findings
    assert copies.rows >= 9
    report = check(tmp_path / "audit", keys)
    assert report.intact, report.findings
    assert report.pruned_rows >= 6
    assert report.pruned_rows + report.rows == 12


async def test_a_place_that_can_not_be_reached_holds_nothing_up_and_nothing_is_let_go(tmp_path, keys):
    (tmp_path / "remote").touch()  # where a folder should be
    clock = Clock()
    config = {"upload": f"file://{tmp_path}/remote/x", "keep_for_s": 60, "max_file_age_s": 60}
    async with audit(tmp_path / "audit", keys, clock, **config) as adapter:
        for sequence in range(1, 4):
            await adapter.export(batch_of(Template.LOGENTRY, 3, sequence=sequence))
            clock.advance(7200)
        await adapter.export(batch_of(Template.LOGENTRY, 3, sequence=9))
        await adapter.finish()  # behind it, the disk's thread has looked at what may go
        assert len(adapter.ledger.folder.finished()) == 4


def test_what_was_cut_off_on_the_way_is_copied_again(tmp_path, keys):
    write_audit(tmp_path / "audit", keys)
    memory = fsspec.filesystem("memory")
    folder = Folder(tmp_path / "audit")
    name = folder.finished()[0]
    memory.pipe(f"/bucket/{name}", b"half")
    assert Upload(folder, "memory://bucket").run() == 3
    assert memory.cat(f"/bucket/{name}") == (folder / name).read_bytes()
    assert memory.exists("/bucket/SHA256SUMS")
    memory.rm("/bucket", recursive=True)


async def test_a_folder_that_was_changed_is_retried_with_advice_until_somebody_looks(tmp_path, keys):
    write_audit(tmp_path / "audit", keys)
    (tmp_path / "audit" / "head").unlink()
    async with audit(tmp_path / "audit", keys) as adapter:
        with pytest.raises(Retry, match="run `telemetry audit verify`, then move the folder away"):
            await adapter.export(batch_of(Template.LOGENTRY, 3, sequence=90))


async def test_only_its_owner_may_read_it(tmp_path, keys):
    async with audit(tmp_path / "audit", keys) as adapter:
        await adapter.export(batch_of(Template.LOGENTRY, 3))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "audit").iterdir()} == {0o600}


def test_a_key_that_is_none_is_refused_without_showing_it(tmp_path):
    with pytest.raises(ValueError, match="audit keygen") as caught:
        Audit(Audit.Config(directory=tmp_path, signing_key=SecretStr("hunter2")))
    assert "hunter2" not in repr(caught.value)


def test_the_page_explains_each_field_and_no_other():
    section = DOCS.read_text().partition("## Records")[2].partition("## The folder")[0]
    assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == ["metadata.uid", *FIELDS]


def test_the_page_names_every_option():
    options = {field.alias or name for name, field in Audit.Config.model_fields.items()}
    section = DOCS.read_text().partition("## Records")[0]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)))) == options


def test_openssl_agrees_with_the_signatures(tmp_path, keys):
    """A verifier needs none of our code: a line up to and with its last colon, and 64 bytes in hex."""
    write_audit(tmp_path / "audit", keys)
    line = (tmp_path / "audit" / "head").read_bytes().rstrip(b"\n")
    content, _, signature = line.rpartition(b":")
    (tmp_path / "content").write_bytes(content + b":")
    (tmp_path / "signature").write_bytes(bytes.fromhex(signature.decode()))
    command = "openssl pkeyutl -verify -pubin -inkey audit.pub -rawin -in content -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Signature Verified Successfully" in done.stdout, done.stderr
