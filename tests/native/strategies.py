"""Every message that Envoy's access log protos allow, for Hypothesis."""

from functools import cache
from typing import Any

from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import strategies as st

KEYS = ("a", "b", "traceparent", "x-é")
"""Likely map keys; tests ask for some of them as columns."""
Kind = FieldDescriptor
SCALARS = {
    Kind.TYPE_DOUBLE: st.floats(allow_nan=False),
    Kind.TYPE_INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**34), 2**34),
    Kind.TYPE_UINT64: st.integers(0, 2**64 - 1),
    Kind.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    Kind.TYPE_UINT32: st.integers(0, 2**32 - 1),
    Kind.TYPE_ENUM: st.integers(0, 15) | st.integers(-(2**31), 2**31 - 1),
    Kind.TYPE_BOOL: st.booleans(),
    Kind.TYPE_STRING: st.text(max_size=40),
    Kind.TYPE_BYTES: st.binary(max_size=40),
}
keys = st.sampled_from(KEYS) | st.text(max_size=20)


def number(value: float) -> Value:
    return Value(number_value=value)


def _fields(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Struct]:
    return st.dictionaries(keys, values, max_size=3).map(lambda fields: Struct(fields=fields))


_leaves = st.one_of(
    st.just(Value()),
    st.just(Value(null_value=0)),
    st.floats().map(number),
    st.integers(-(2**53), 2**53).map(number),
    st.text(max_size=20).map(lambda text: Value(string_value=text)),
    st.booleans().map(lambda truth: Value(bool_value=truth)),
)
json_values = st.recursive(
    _leaves,
    lambda values: st.one_of(
        _fields(values).map(lambda struct: Value(struct_value=struct)),
        st.lists(values, max_size=3).map(lambda items: Value(list_value=ListValue(values=items))),
    ),
    max_leaves=8,
)
structs = _fields(json_values)
anys = st.builds(AnyMessage, type_url=st.text(max_size=20), value=st.binary(max_size=20))
SPECIAL = {Struct.DESCRIPTOR.full_name: structs, AnyMessage.DESCRIPTOR.full_name: anys}


@cache
def of(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    special = SPECIAL.get(descriptor.full_name)
    return _messages(descriptor) if special is None else special


@st.composite
def _messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    fields = list(descriptor.fields)
    some = st.lists(st.sampled_from(fields), unique=True, max_size=6) if fields else st.just([])
    chosen = draw(some | st.just(fields))
    # Of a oneof's fields only one can stay.
    alone = {field.containing_oneof.name if field.containing_oneof else field.name: field for field in chosen}
    return GetMessageClass(descriptor)(**{field.name: draw(_values(field)) for field in alone.values()})


@cache
def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type and field.message_type.GetOptions().map_entry:
        return st.dictionaries(keys, _one(field.message_type.fields_by_name["value"]), max_size=4)
    return st.lists(_one(field), max_size=3) if field.is_repeated else _one(field)


@cache
def _one(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    return of(field.message_type) if field.message_type else SCALARS[field.type]


_logs = StreamAccessLogsMessage.DESCRIPTOR.fields_by_name
http_logs = of(_logs["http_logs"].message_type).map(lambda logs: StreamAccessLogsMessage(http_logs=logs))
tcp_logs = of(_logs["tcp_logs"].message_type).map(lambda logs: StreamAccessLogsMessage(tcp_logs=logs))
messages = http_logs | tcp_logs
