"""Envoy's response flags: bits to the text that Envoy and Istio print."""

from functools import lru_cache

import numpy as np
import polars as pl

__all__ = ["SHORT_NAMES", "flags_text", "tells_flags", "text_of", "with_inferred"]

# By proto field number, 1 first (envoy.data.accesslog.v3.ResponseFlags).
# fmt: off
SHORT_NAMES = (
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI", "IH",
    "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DR",
)
# fmt: on

# Flags that have no field in access logs: only the details tell them. Their bits are far above the proto's.
_WITHOUT_FIELD = {59: "DO", 60: "UDO"}
_OF_DETAILS = {"drop_overload": 1 << 59, "unconditional_drop_overload": 1 << 60}


@lru_cache(maxsize=4096)
def text_of(bits: int) -> str:
    """Print one set of flags: short names joined by `,` in proto order, `-` for none.

    Access logs lose the order in which flags were set. A flag newer than our list is printed as `field_<n>`.
    """
    numbers = [at for at in range(bits.bit_length()) if bits >> at & 1]
    return ",".join(map(_short_name, numbers)) or "-"


def _short_name(at: int) -> str:
    return SHORT_NAMES[at] if at < len(SHORT_NAMES) else _WITHOUT_FIELD.get(at, f"field_{at + 1}")


def tells_flags(details: pl.Series) -> bool:
    """Whether any of these response code details (String) tells a flag that has no field."""
    return details.is_in(list(_OF_DETAILS)).any()


def with_inferred(flags: pl.Series, details: pl.Series) -> pl.Series:
    """Set the bits of the flags that only the response code details tell (`details`: String, a row for each)."""
    if not tells_flags(details):
        return flags
    bits = details.replace_strict(_OF_DETAILS, default=0, return_dtype=pl.UInt64)
    return (flags | bits).alias(flags.name)


def flags_text(flags: pl.Series) -> pl.Series:
    """Print a column of flags (UInt64), working once per distinct value."""
    distinct = np.sort(flags.unique().to_numpy())
    texts = pl.Series(flags.name, list(map(text_of, distinct.tolist())), dtype=pl.String)
    return texts.gather(np.searchsorted(distinct, flags.to_numpy()))
