import socket

import pytest

from telemetry.demo.network import claimed_network, host_and_port, require_free
from telemetry.errors import StartError


def test_two_meshes_never_share_a_block_and_a_block_left_is_free_again():
    with claimed_network() as first:
        with claimed_network() as second:
            assert first != second
        with claimed_network() as third:
            assert third == second


def test_a_taken_port_is_refused_with_its_address():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=f"127.0.0.1:{port}: Address already in use; stop what listens"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


@pytest.mark.parametrize("address", ["9901", ":9901", "127.0.0.1:", "127.0.0.1:http"])
def test_an_address_without_host_or_port_is_refused(address):
    with pytest.raises(StartError, match=r"write it like 127\.0\.0\.1:9901"):
        host_and_port(address)


def test_an_address_is_split_at_its_last_colon():
    assert host_and_port("127.0.0.1:9901") == ("127.0.0.1", 9901)
