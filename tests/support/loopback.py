"""Ports of this machine's loopback, for the servers that tests start."""

import socket
import subprocess
import time
from pathlib import Path

__all__ = ["await_listener", "free_port", "free_ports"]


def free_port() -> int:
    """Return a port that was free a moment ago."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return several ports, no two of them alike."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def await_listener(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a process listens on a port; fail with the end of its log if it ends, or does not within a minute."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()[-3000:]
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port} after a minute: {log.read_text()[-3000:]}")
