"""The pause before a retry grows to its limit, and no number of failures breaks it."""

import pytest

from kubernaut_sdk.backoff import backoff


@pytest.mark.parametrize(
    ("failures", "pause"), [(0, 0.5), (1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (2_000, 30.0), (10**9, 30.0)]
)
def test_the_pause_doubles_up_to_its_limit(failures: int, pause: float) -> None:
    assert backoff(failures, 0.5, 30.0) == pause


def test_jitter_shortens_it_by_up_to_a_half() -> None:
    pauses = {backoff(4, 0.5, 30.0, jitter=True) for _ in range(200)}

    assert 2.0 <= min(pauses) < max(pauses) <= 4.0
    assert len(pauses) > 100
