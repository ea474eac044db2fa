"""Decoded entries as those who tell kinds apart look at them: asked once per distinct value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.columns import Columns
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["ADDRESSES", "NAMES", "TEXTS", "Rows"]

ADDRESSES = {
    "client_ip": "downstream_direct_remote_address",
    "local_ip": "downstream_local_address",
    "server_ip": "upstream_remote_address",
    "upstream_local_ip": "upstream_local_address",
}
TEXTS = {"cluster": "upstream_cluster", "peer_sans": "tls_peer_uri_sans", "local_sans": "tls_local_uri_sans"}
NAMES = ("route_name", "authority", "tls_sni_hostname")
_CODES = ("node", *ADDRESSES.values(), *TEXTS.values(), *NAMES)


@dataclass(frozen=True, slots=True)
class Rows:
    """Decoded entries: `nodes` is what column `node` counts through, `protocol` a UInt8 index into PROTOCOLS."""

    columns: Columns
    nodes: Sequence[Node]
    protocol: pl.Series
    known: Mapping[str, tuple[int, Workload | None]]
    """What the registry said of each address, asked once: it learns while we work, and a kind must be told by one
    answer."""

    def at(self, positions: npt.NDArray[np.integer]) -> "Rows":
        """Give the rows at these positions."""
        chosen = pl.Series(positions.astype(np.uint32))
        columns = Columns(
            self.columns.rows.select(*_CODES, pl.selectors.starts_with("filter_state."))[chosen],
            self.columns.dictionaries,
        )
        return Rows(columns, self.nodes, self.protocol.gather(chosen), self.known)

    def of_value(self, column: str, meaning: Callable[[Any], object], dtype: type[pl.DataType]) -> pl.Series:
        """Give each row what its value of a dictionary column means, asking once per distinct value that is there."""
        codes, values = self.columns.rows[column], self.columns.dictionaries[column]
        if len(codes) < len(values):
            used = codes.unique().drop_nulls()
            codes, values = (
                codes.replace_strict(used, pl.int_range(len(used), dtype=pl.UInt32, eager=True)),
                values.gather(used),
            )
        return pl.Series([meaning(value) for value in values.to_list()], dtype=dtype).gather(codes)

    def workload(self, ip: str | None) -> Workload | None:
        """Give who answers on an address, as known when these rows came."""
        return self.known[ip][1] if ip else None

    def of_node(self, meaning: Callable[[Node], object], dtype: type[pl.DataType]) -> pl.Series:
        """Give each row what its node means."""
        return pl.Series([meaning(node) for node in self.nodes], dtype=dtype).gather(self.columns.rows["node"])
