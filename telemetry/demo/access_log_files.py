"""What the Envoys wrote to their own files, as a table: the ground truth."""

from pathlib import Path

import polars as pl

from telemetry.demo.envoy.access_logs import FIELDS
from telemetry.demo.topology import Topology, Workload

__all__ = ["UNKNOWN", "access_log_file", "read_access_logs"]

UNKNOWN = "unknown"
_NUMBERS = (
    "response_code",
    "attempts",
    "duration_ms",
    "bytes_received",
    "bytes_sent",
    "downstream_wire_bytes_received",
    "downstream_wire_bytes_sent",
)
_SCHEMA = pl.Schema({name: pl.Int64() if name in _NUMBERS else pl.String() for name in ("reporter", *FIELDS)})


def access_log_file(folder: Path, workload: Workload) -> Path:
    """Where a workload's Envoy writes what it saw."""
    return folder / f"{workload.name}.access.jsonl"


def read_access_logs(folder: Path, topology: Topology) -> pl.DataFrame:
    """Read every complete line of every workload's file.

    Columns: `reporter` (source or destination), one for each of `FIELDS`, `source_workload` and
    `destination_workload`. A reporter is one end itself; the other end is found by its IP address, and is
    `unknown` when that is none of the mesh's.
    """
    frames = [_read(access_log_file(folder, workload), workload) for workload in topology.workloads]
    names = {workload.address: workload.name for workload in topology.workloads}
    return _with_ends(pl.concat(frames), names)


def _read(path: Path, workload: Workload) -> pl.DataFrame:
    content = path.read_bytes()
    # Envoy may be in the middle of a write.
    complete = content[: content.rfind(b"\n") + 1]
    lines = pl.read_ndjson(complete, schema=_SCHEMA) if complete else pl.DataFrame(schema=_SCHEMA)
    return lines.with_columns(workload=pl.lit(workload.name))


def _with_ends(lines: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    def workload_at(column: str) -> pl.Expr:
        address = pl.col(column).str.split(":").list.first()
        return address.replace_strict(names, default=UNKNOWN, return_dtype=pl.String).fill_null(UNKNOWN)

    reported_by_source = pl.col("reporter") == "source"
    return lines.with_columns(
        source_workload=pl.when(reported_by_source)
        .then("workload")
        .otherwise(workload_at("downstream_direct_remote_address")),
        destination_workload=pl.when(reported_by_source).then(workload_at("upstream_host")).otherwise("workload"),
    ).drop("workload")
