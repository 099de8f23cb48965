"""The addresses that the kit gives to what it examines."""

import socket
from urllib.parse import urlsplit

import pytest

from kubernaut_conformance.loopback_server import unreachable_address


def test_an_unreachable_address_refuses_and_is_given_to_no_server_meanwhile() -> None:
    with unreachable_address() as address:
        where = urlsplit(address)
        host, port = where.hostname or "", where.port or 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port), timeout=5)
        with pytest.raises(OSError, match="already in use"):
            socket.create_server((host, port))
    socket.create_server((host, port)).close()
