"""Audits for tests: a key pair, a folder with some files, what is in it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from telemetry.audit.files import Folder
from telemetry.audit.formats import FORMATS
from telemetry.audit.keys import Signer, Trusted, new_keys, signer_of
from telemetry.audit.ledger import Ledger, Rotation
from telemetry.audit.verifying import Report, verified
from telemetry.batch import Template
from telemetry.testing import Clock, batch_of


@dataclass(frozen=True)
class Keys:
    private: Path
    public: Path

    @property
    def signer(self) -> Signer:
        return signer_of(self.private.read_text())

    @property
    def trusted(self) -> Trusted:
        return Trusted.of_files([self.public])


def keys_in(folder: Path) -> Keys:
    keys = Keys(folder / "audit.key", folder / "audit.pub")
    new_keys(keys.private, keys.public)
    return keys


def ledger_in(path: Path, keys: Keys, form: str = "jsonl", clock: Clock | None = None, **rotation) -> Ledger:
    limits = Rotation(**{"max_bytes": 1 << 30, "max_age_s": 3600.0, **rotation})
    return Ledger(Folder(path), keys.signer, FORMATS[form](), limits, (clock or Clock()).time_ns)


def write_audit(path: Path, keys: Keys, form: str = "jsonl", files: int = 3, batches: int = 2) -> None:
    """So many finished files of so many batches, three rows each, and an open one."""
    ledger = ledger_in(path, keys, form)
    ledger.open()
    for sequence in range(1, (files + 1) * batches + 1):
        ledger.add(batch_of(Template.LOGENTRY, 3, sequence=sequence))
        if sequence % batches == 0 and sequence <= files * batches:
            ledger.rotate(now=True)
    ledger.close()


def check(path: Path, keys: Keys, noted: tuple[int, str] | None = None, *, copy: bool = False) -> Report:
    return verified(Folder(path), keys.trusted, noted, copy=copy)


def written(path: Path) -> list[dict]:
    """Every record, finished or not, as `name: value` of what is known."""
    found: list[dict] = []
    for file in sorted(path.iterdir()):
        if file.name.endswith((".jsonl", ".jsonl.part")):
            found += [json.loads(line) for line in file.read_bytes().splitlines()]
        elif file.suffix == ".parquet":
            found += pl.read_parquet(file).to_dicts()
        elif file.name.endswith(".parquet.part"):
            found += _streams(file)
    return found


def _streams(part: Path) -> Iterable[dict]:
    chain = part.with_name(part.name.replace(".part", ".chain"))
    content = part.read_bytes()
    for line in chain.read_bytes().splitlines():
        link = json.loads(line.split(b"\t")[0])
        if link["kind"] == "batch":
            yield from pl.read_ipc_stream(content[link["offset"] : link["offset"] + link["size_bytes"]]).to_dicts()
