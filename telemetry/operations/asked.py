"""Requests to be named: what is known of each, as columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.operations.memo import Numbers
from telemetry.operations.segments import Segments

__all__ = ["Asked", "Rows"]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests, one a row.

    `protocols`: http or grpc; `hosts`: of their services; `services`: their numbers; `methods`: indices into METHODS;
    `paths`: clean, null where there was none; `segments`: of the paths.
    """

    protocols: pl.Series
    hosts: pl.Series
    services: Numbers
    methods: Numbers
    paths: pl.Series
    segments: Segments

    def __len__(self) -> int:
        return len(self.services)

    def take(self, rows: Rows) -> "Asked":
        """Give those requests only."""
        if len(rows) == len(self):
            return self
        return Asked(
            self.protocols.gather(rows),
            self.hosts.gather(rows),
            self.services[rows],
            self.methods[rows],
            self.paths.gather(rows),
            self.segments.take(rows),
        )
