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
        with socket.socket() as other, pytest.raises(OSError, match="already in use"):
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            other.bind((host, port))
            other.listen()  # with the option, the kernel may say so only here
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host, port))
