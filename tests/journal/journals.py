"""Journals on disk, and what tests ask of them."""

import asyncio
from pathlib import Path

from telemetry.batch import Template
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics

METRIC = {Template.METRIC}
SECOND_NS = 1_000_000_000


def journal(path: Path, **options) -> SqliteJournal:
    options = {"max_bytes": 1 << 30, "flush_s": 0.02, "retry_s": 0.02, **options}
    return SqliteJournal(path, options.pop("metrics", None) or SelfMetrics(), **options)


async def until(condition, deadline_s=5.0):
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


async def everything(one: SqliteJournal, cursor: str, after: int = 0) -> list:
    found = []
    while one.pending_batches(cursor) > len(found):
        got = await asyncio.wait_for(one.read(cursor, found[-1][0] if found else after, 100), 5)
        found += got
    return [batch for _, batch in found]


def failures(metrics_: SelfMetrics, kind: str) -> float:
    return metrics_.registry.get_sample_value("telemetry_journal_failures_total", {"kind": kind}) or 0


def log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def size_of(path: Path) -> int:
    return path.stat().st_size
