"""The ledger goes on after any end, keeps each row once, and lets go only what may go."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from telemetry.audit.checkpoint import Retention
from telemetry.audit.files import Folder
from telemetry.audit.keys import signer_of
from telemetry.batch import Template
from telemetry.testing import Clock, batch_of
from tests.audit.audits import Keys, check, keys_in, ledger_in, write_audit, written

FORMS = ("jsonl", "parquet")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return keys_in(tmp_path)


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


def uids(folder: Path) -> list[str]:
    return [record["metadata.uid"] for record in written(folder)]


def goes_on(folder: Path, keys: Keys, form: str) -> None:
    """All batches again and one more: each row is there once, and the chain is whole."""
    ledger = ledger_in(folder, keys, form)
    ledger.open()
    for sequence in range(1, 10):
        ledger.add(batch_of(Template.LOGENTRY, 3, sequence=sequence))
    ledger.close()
    report = check(folder, keys)
    assert report.intact, report.findings
    assert sorted(uids(folder)) == sorted(set(uids(folder)))
    assert len(uids(folder)) == report.rows == 27


def only(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern))


def test_a_restart_goes_on_in_the_open_file(tmp_path, keys, form):
    write_audit(tmp_path / "audit", keys, form)
    goes_on(tmp_path / "audit", keys, form)
    assert check(tmp_path / "audit", keys).files == 4


def data_without_a_link(folder: Path) -> None:
    with only(folder, "*.part").open("ab") as file:
        file.write(b"half a record")


def half_a_link(folder: Path) -> None:
    chain = only(folder, "*.chain")
    with chain.open("ab") as file:
        file.write(chain.read_bytes()[:100].replace(b"\n", b""))


def a_file_without_a_link(folder: Path) -> None:
    part = only(folder, "*.part")
    part.with_name(part.name.replace("0000000004", "0000000005")).write_bytes(b"half a record")


def a_file_with_half_a_link(folder: Path) -> None:
    a_file_without_a_link(folder)
    chain = only(folder, "*.chain")
    chain.with_name(chain.name.replace("0000000004", "0000000005")).write_bytes(b'{"num')


def something_begun(folder: Path) -> None:
    (folder / "head.new").write_bytes(b"{")
    part = only(folder, "*.part")
    part.with_name(f"{part.name}.new").write_bytes(b"PAR1")


CRASHES = (data_without_a_link, half_a_link, a_file_without_a_link, a_file_with_half_a_link, something_begun)


@pytest.mark.parametrize("crash", CRASHES)
def test_what_a_crash_leaves_half_done_is_undone_and_comes_again(tmp_path, keys, form, crash):
    folder = tmp_path / "audit"
    write_audit(folder, keys, form)
    crash(folder)
    goes_on(folder, keys, form)


def test_a_head_behind_the_chain_is_brought_up(tmp_path, keys, form):
    folder = tmp_path / "audit"
    ledger = ledger_in(folder, keys, form)
    ledger.open()
    ledger.add(batch_of(Template.LOGENTRY, 3, sequence=1))
    before = (folder / "head").read_bytes()
    ledger.add(batch_of(Template.LOGENTRY, 3, sequence=2))
    ledger.close()
    (folder / "head").write_bytes(before)
    goes_on(folder, keys, form)


def test_a_sealed_file_that_has_not_its_name_yet_gets_it(tmp_path, keys, form):
    folder = tmp_path / "audit"
    write_audit(folder, keys, form, files=1)
    finished = only(folder, f"*0000000001*.{form}")
    # As if the process had ended between the seal and the name; the open file came later.
    for path in folder.glob("*0000000002*"):
        path.unlink()
    (folder / "head").unlink()
    ledger = ledger_in(tmp_path / "other", keys, form)
    ledger.open()
    for sequence in (1, 2):
        ledger.add(batch_of(Template.LOGENTRY, 3, sequence=sequence))
    ledger.rotate(now=True)
    ledger.close()
    (folder / "head").write_bytes((tmp_path / "other" / "head").read_bytes())
    finished.rename(finished.with_name(f"{finished.name}.part" + (".new" if form == "parquet" else "")))
    goes_on(folder, keys, form)
    assert finished.exists()


def test_less_than_the_head_knows_is_no_crash_and_is_refused(tmp_path, keys, form):
    folder = tmp_path / "audit"
    write_audit(folder, keys, form)
    for path in folder.glob("*0000000004*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"knows of link 11, the chain ends with 9; run `telemetry audit verify`"):
        ledger_in(folder, keys, form).open()


def test_another_key_needs_another_folder(tmp_path, keys, form):
    write_audit(tmp_path / "audit", keys, form)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ValueError, match="public key was not given"):
        ledger_in(tmp_path / "audit", keys_in(other), form).open()


def test_two_processes_never_write_one_folder(tmp_path, keys):
    first, second = ledger_in(tmp_path / "audit", keys), ledger_in(tmp_path / "audit", keys)
    first.open()
    with pytest.raises(BlockingIOError, match="another process"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_service_that_writes_is_no_finding(tmp_path, keys):
    ledger = ledger_in(tmp_path / "audit", keys)
    ledger.open()
    ledger.add(batch_of(Template.LOGENTRY, 3))
    with only(tmp_path / "audit", "*.part").open("ab") as file:
        file.write(b"being written")
    assert check(tmp_path / "audit", keys).intact
    ledger.close()
    assert "never signed" in str(check(tmp_path / "audit", keys).findings)


def test_files_are_finished_by_size_and_by_age(tmp_path, keys):
    clock = Clock()
    ledger = ledger_in(tmp_path / "audit", keys, clock=clock, max_bytes=2000, max_age_s=60)
    ledger.open()
    assert not ledger.rotate()
    ledger.add(batch_of(Template.LOGENTRY, 1))
    assert not ledger.rotate()
    clock.advance(61)
    assert ledger.rotate()
    ledger.add(batch_of(Template.LOGENTRY, 3, sequence=2))
    ledger.add(batch_of(Template.LOGENTRY, 3, sequence=3))
    assert len(Folder(tmp_path / "audit").finished()) == 2
    ledger.close()


def test_finished_files_are_listed_for_sha256sum_and_only_their_owner_reads_them(tmp_path, keys, form):
    folder = tmp_path / "audit"
    write_audit(folder, keys, form)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 3
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert (modes, folder.stat().st_mode & 0o777) == ({0o600}, 0o700)


def test_a_pruned_audit_verifies_from_its_signed_checkpoint_and_goes_on(tmp_path, keys, form):
    folder, clock = tmp_path / "audit", Clock()
    write_audit(folder, keys, form)
    ledger = ledger_in(folder, keys, form, clock=clock)
    ledger.open()
    clock.advance(7200)
    assert ledger.prune(Retention(max_age_s=3600), lambda _: False) == []
    gone = ledger.prune(Retention(max_age_s=3600), lambda _: True)
    assert len(gone) == 2
    ledger.add(batch_of(Template.LOGENTRY, 3, sequence=50))
    ledger.close()
    report = check(folder, keys)
    assert report.intact, report.findings
    assert (report.files, report.pruned_rows, report.rows) == (3, 12, 15)
    (folder / "checkpoint").unlink()
    assert "missing" in str(check(folder, keys).findings)


def test_the_oldest_files_go_while_they_take_too_much(tmp_path, keys, form):
    folder = tmp_path / "audit"
    write_audit(folder, keys, form)
    ledger = ledger_in(folder, keys, form)
    ledger.open()
    held = sum((folder / name).stat().st_size for name in ledger.folder.finished())
    assert len(ledger.prune(Retention(max_bytes=held - 1), lambda _: True)) == 1
    ledger.close()
    assert check(folder, keys).intact


def test_a_full_disk_loses_nothing(tmp_path, keys):
    folder, clock = tmp_path / "audit", Clock()
    ledger = ledger_in(folder, keys, clock=clock)
    ledger.open()
    part = folder / f"{ledger.folder.name(1, 'jsonl', clock.time_ns())}.part"
    part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        ledger.add(batch_of(Template.LOGENTRY, 3))
    assert caught.value.errno == errno.ENOSPC
    part.unlink()
    assert ledger.add(batch_of(Template.LOGENTRY, 3)) == 3
    ledger.close()
    assert check(folder, keys).intact


def test_a_private_key_is_never_in_a_message(tmp_path, keys):
    secret = keys.private.read_text()
    assert secret.splitlines()[1] not in repr(keys.signer)
    with pytest.raises(ValueError, match="audit keygen") as caught:
        signer_of(secret.replace("MC4C", "MC5C"))
    assert secret.splitlines()[1] not in repr(caught.value)
    assert keys.private.stat().st_mode & 0o777 == 0o600


WRITER = """
import sys
from pathlib import Path
from telemetry.batch import Template
from telemetry.testing import batch_of
from tests.audit.audits import Keys, ledger_in
folder = Path(sys.argv[1])
ledger = ledger_in(folder / "audit", Keys(folder / "audit.key", folder / "audit.pub"), sys.argv[2], max_bytes=20_000)
ledger.open()
sequence = int(sys.argv[3])
while True:
    ledger.add(batch_of(Template.LOGENTRY, 3, sequence=sequence))
    print(sequence, flush=True)
    sequence += 1
"""


def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path, keys, form):
    last = 0
    for delay_s in (0.02,):
        command = [sys.executable, "-c", WRITER, str(tmp_path), form, str(last + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert int(writer.stdout.readline()) == last + 1
            time.sleep(delay_s)  # where it is killed is chance
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged = [last + 1, *map(int, writer.stdout.read().split())]
        last = max(acknowledged)
    ledger = ledger_in(tmp_path / "audit", keys, form)
    ledger.open()
    # The one that was killed in the middle is offered again, as the journal would.
    for sequence in range(1, last + 2):
        ledger.add(batch_of(Template.LOGENTRY, 3, sequence=sequence))
    ledger.close()
    report = check(tmp_path / "audit", keys)
    assert report.intact, report.findings
    found = uids(tmp_path / "audit")
    assert len(found) == len(set(found)) == 3 * (last + 1)
