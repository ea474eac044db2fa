"""audit keeps the contract of all adapters, on a disk that does as it is told."""

from collections.abc import Hashable, Iterable
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.adapters.audit import Audit
from telemetry.testing import AdapterContract, Behaviour
from tests.audit.audits import check, keys_in, written

DISK = "a disk takes bytes, and answers nothing"


class Disk:
    """A folder below one that may be in the way, or a link to a disk that is full."""

    def __init__(self, path: Path) -> None:
        self.keys = keys_in(path)
        self.folder = path / "disk" / "audit"

    async def behave(self, behaviour: Behaviour) -> None:
        disk = self.folder.parent
        if behaviour is Behaviour.UNREACHABLE:
            # What was a folder is a file now: even root can't write below it.
            if disk.exists():
                disk.rename(disk.with_name("away"))
            disk.touch()
        elif disk.is_file():
            disk.unlink()
            if disk.with_name("away").exists():
                disk.with_name("away").rename(disk)

    async def taken(self) -> Iterable[str]:
        return [record["http_request.uid"] for record in self.records()]

    async def identities(self) -> Iterable[Hashable]:
        return [record["metadata.uid"] for record in self.records()]

    def records(self) -> list[dict]:
        if not self.folder.exists():
            return []
        assert check(self.folder, self.keys).intact
        return written(self.folder)


class TestJsonl(AdapterContract):
    adapter_class = Audit
    file_format = "jsonl"
    cannot = {  # noqa: RUF012 - declared once, never changed
        Behaviour.REJECT: DISK,
        Behaviour.PARTIAL: DISK,
        Behaviour.NONSENSE: DISK,
        Behaviour.FORGET: DISK,
        Behaviour.BUSY: "a full disk needs a mount of its own (test_audit.py has one in a ledger's file)",
        Behaviour.SLOW: "a file's write can't be slowed (the disk has a thread of its own)",
        Behaviour.HANG: "a file's write can't be held (the disk has a thread of its own)",
    }

    @pytest.fixture
    def sink(self, tmp_path: Path) -> Disk:
        disk = Disk(tmp_path)
        type(self).secrets = tuple(disk.keys.private.read_text().splitlines()[1:2])
        return disk

    def make(self, sink: Disk) -> Audit:
        key = SecretStr(sink.keys.private.read_text())
        return Audit(Audit.Config(directory=sink.folder, signing_key=key, file_format=self.file_format))


class TestParquet(TestJsonl):
    file_format = "parquet"
