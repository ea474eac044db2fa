"""The native table equals the plain Python one, whatever Envoy may send."""

from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.native import specification, strategies
from tests.native.decoding import decode, rows
from tests.native.specification import Asked

some_keys = st.lists(st.sampled_from(strategies.KEYS), unique=True, max_size=3)
asked = st.builds(Asked, some_keys, some_keys, some_keys, some_keys)
numbered = st.tuples(strategies.messages, st.integers(0, 2**32 - 1))


# Large messages are what this is about; explaining a failure would take a minute.
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=set(Phase) - {Phase.explain},
)
@given(st.lists(numbered, max_size=4), asked)
def test_the_native_decoder_equals_its_specification(
    numbered: list[tuple[StreamAccessLogsMessage, int]], asked: Asked
) -> None:
    messages, nodes = [message for message, _ in numbered], [node for _, node in numbered]
    expected = specification.decode(messages, nodes, asked)
    wire = [message.SerializeToString(deterministic=True) for message in messages]
    decoded = decode(wire, nodes, asked)
    assert rows(decoded) == expected.rows
    assert decoded.rejected == dict(+expected.rejected)
    assert decoded.repaired == dict(+expected.repaired)
