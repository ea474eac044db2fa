"""Links: signed lines, each naming the hash of the one before, so that none can be changed, moved or taken out."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from telemetry.audit.keys import Signer, Trusted

__all__ = [
    "BATCH",
    "GENESIS",
    "SEAL",
    "Link",
    "digest",
    "last_line",
    "link_line",
    "link_of",
    "read_line",
    "signed_line",
]

GENESIS = "0" * 64
"""What the first link of an audit names as the one before."""
BATCH, SEAL = "batch", "seal"


@dataclass(frozen=True, slots=True)
class Link:
    """One batch written, or one file finished.

    `number` counts links from 1. `file`: the data file, without folder. Batch: `sha256` of its `size_bytes` from
    `offset` on. Seal: of the whole finished file; `rows` and `identity` are then all of its own.
    """

    number: int
    previous: str
    kind: str
    file: str
    offset: int
    size_bytes: int
    rows: int
    sha256: str
    time_ns: int
    identity: Mapping[str, Any]


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def signed_line(signer: Signer, fields: Mapping[str, Any]) -> bytes:
    """Give these as a line: JSON, a tab, the key's name, a colon, the signature of all before in hex."""
    head = orjson.dumps(fields) + b"\t" + signer.name.encode() + b":"
    return head + signer.sign(head).hex().encode() + b"\n"


def link_line(signer: Signer, link: Link) -> bytes:
    """Give the link's line; its hash is what the next one names."""
    return signed_line(signer, asdict(link))


def read_line(line: bytes, trusted: Trusted | None) -> dict[str, Any]:
    """Read a signed line. Raises ValueError that says what is wrong; `trusted` None believes everybody."""
    head, colon, signature = line.rpartition(b":")
    content, tab, name = head.rpartition(b"\t")
    if not (colon and tab and signature.endswith(b"\n")):
        raise ValueError("not a signed line")
    if trusted is not None:
        _check(trusted, name, signature[:-1], head + b":")
    fields = orjson.loads(content)
    if not isinstance(fields, dict):
        raise ValueError("not a signed line")  # noqa: TRY004 - a file, not an argument
    return fields


def _check(trusted: Trusted, name: bytes, signature: bytes, content: bytes) -> None:
    text = name.decode("ascii", "replace")
    if text not in trusted.keys:
        raise ValueError(f"signed with the key {text!r}, whose public key was not given")
    raw = _unhex(signature)
    # Hex can be written in many ways, with capitals and blanks: only ours is right.
    if raw.hex().encode() != signature or not trusted.believes(text, raw, content):
        raise ValueError("the signature is wrong")


def _unhex(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""


def last_line(chain: Path) -> bytes:
    """Give a chain file's last line. Raises OSError, IndexError when there is none."""
    return chain.read_bytes().splitlines(keepends=True)[-1]


def link_of(fields: Mapping[str, Any]) -> Link:
    """Give the link that a line says. Raises ValueError."""
    try:
        return Link(**fields)
    except TypeError:
        raise ValueError("not a link of the chain") from None
