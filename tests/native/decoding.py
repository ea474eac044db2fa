"""How the tests call the decoder and look at its table."""

from collections.abc import Sequence
from dataclasses import asdict

from telemetry.columns import split
from telemetry.native import Decoded, decode_access_logs
from tests.native.specification import Asked, Row, comparable

PLAIN = Asked()


def decode(wire: Sequence[bytes], nodes: Sequence[int] | None = None, asked: Asked = PLAIN) -> Decoded:
    return decode_access_logs(wire, [0] * len(wire) if nodes is None else nodes, **asdict(asked))


def rows(decoded: Decoded) -> list[Row]:
    columns = split(decoded.rows)
    lists = {
        name: (columns.values(name) if name in columns.dictionaries else columns.rows[name]).to_list()
        for name in decoded.rows.column_names
    }
    return [comparable(dict(zip(lists, row, strict=True))) for row in zip(*lists.values(), strict=True)]
