"""Envoy's response flags: bits to the text that Envoy and Istio print."""

from functools import lru_cache

import polars as pl

__all__ = ["SHORT_NAMES", "flags_text", "text_of"]

# By proto field number, 1 first (envoy.data.accesslog.v3.ResponseFlags).
SHORT_NAMES = (
    "LH",
    "UH",
    "UT",
    "LR",
    "UR",
    "UF",
    "UC",
    "UO",
    "NR",
    "DI",
    "FI",
    "RL",
    "UAEX",
    "RLSE",
    "DC",
    "URX",
    "SI",
    "IH",
    "DPE",
    "UMSDR",
    "RFCF",
    "NFCF",
    "DT",
    "UPE",
    "NC",
    "OM",
    "DF",
    "DR",
)


@lru_cache(maxsize=4096)
def text_of(bits: int) -> str:
    """Print one set of flags: short names joined by `,` in proto order, `-` for none.

    Access logs lose the order in which flags were set. A flag newer than our list is printed as `field_<n>`.
    """
    numbers = [at for at in range(bits.bit_length()) if bits >> at & 1]
    names = [SHORT_NAMES[at] if at < len(SHORT_NAMES) else f"field_{at + 1}" for at in numbers]
    return ",".join(names) or "-"


def flags_text(flags: pl.Series) -> pl.Series:
    """Print a column of flags (UInt64), working once per distinct value."""
    distinct = flags.unique()
    texts = pl.Series([text_of(bits) for bits in distinct.to_list()], dtype=pl.String)
    return flags.replace_strict(distinct, texts, return_dtype=pl.String)
