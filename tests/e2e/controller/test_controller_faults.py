"""A few rows of the fault campaign; `make fault-campaign` runs them all."""

import subprocess
import sys

import pytest
from world import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def test_whatever_happens_the_end_is_the_same(probe: str) -> None:
    some = r"after write (2|6|10)$|cut|410|409|429|token"
    argv = [sys.executable, str(ROOT / "tests" / "cluster" / "campaign.py"), probe, f"--only={some}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)
    results = [line[43:].split("s", 1)[1].strip() for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert results == ["same end"] * 8
