"""Reconciles that start a workflow go first; others are delayed for a bounded time."""

import asyncio

import pytest

from kubernaut_controller.operator import priority
from kubernaut_controller.operator.priority import StartPriority


def test_what_follows_waits_until_nothing_starts() -> None:
    async def work() -> list[str]:
        priority_of_starts, done, go = StartPriority(), [], asyncio.Event()

        async def have(name: str, *, starts: bool, until: asyncio.Event | None = None) -> None:
            async with priority_of_starts.slot(starts=starts):
                if until is not None:
                    await until.wait()
                done.append(name)

        starting = asyncio.create_task(have("a start", starts=True, until=go))
        await asyncio.sleep(0)
        following = [asyncio.create_task(have("what follows", starts=False)) for _ in range(20)]
        await asyncio.sleep(0)
        second = asyncio.create_task(have("another start", starts=True))
        await second
        assert done == ["another start"]
        go.set()
        await asyncio.gather(starting, *following)
        return done

    assert asyncio.run(work()) == ["another start", "a start", *["what follows"] * 20]


def test_an_endless_burst_does_not_hide_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority, "_LONGEST_DELAY", 0.01)

    async def work() -> None:
        priority_of_starts = StartPriority()
        async with priority_of_starts.slot(starts=True), asyncio.timeout(10), priority_of_starts.slot(starts=False):
            pass

    asyncio.run(work())


def test_a_start_that_fails_keeps_nobody_waiting() -> None:
    async def work() -> None:
        priority_of_starts = StartPriority()
        with pytest.raises(ValueError, match="no"):
            async with priority_of_starts.slot(starts=True):
                raise ValueError("no")
        async with asyncio.timeout(1), priority_of_starts.slot(starts=False):
            pass

    asyncio.run(work())
