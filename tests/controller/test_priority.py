"""Reconciles that start a workflow go first; others are delayed for a bounded time; namespaces take turns."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_controller.operator import priority
from kubernaut_controller.operator.priority import StartPriority, TurnLimit


def test_what_follows_waits_until_nothing_starts() -> None:
    async def work() -> list[str]:
        priority_of_starts, done, go = StartPriority(), [], asyncio.Event()

        async def have(name: str, *, starts: bool, until: asyncio.Event | None = None) -> None:
            async with priority_of_starts.slot("here", starts=starts):
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
        async with (
            priority_of_starts.slot("here", starts=True),
            asyncio.timeout(10),
            priority_of_starts.slot("here", starts=False),
        ):
            pass

    asyncio.run(work())


def test_a_start_that_fails_keeps_nobody_waiting() -> None:
    async def work() -> None:
        priority_of_starts = StartPriority()
        with pytest.raises(ValueError, match="no"):
            async with priority_of_starts.slot("here", starts=True):
                raise ValueError("no")
        async with asyncio.timeout(1), priority_of_starts.slot("here", starts=False):
            pass

    asyncio.run(work())


def test_a_namespace_whose_requests_hang_keeps_no_other_waiting() -> None:
    async def work() -> list[str]:
        limit, done, hang = TurnLimit(4, 3), [], asyncio.Event()

        async def have(namespace: str, until: asyncio.Event | None = None) -> None:
            async with limit.place(namespace):
                if until is not None:
                    await until.wait()
                done.append(namespace)

        hanging = [asyncio.create_task(have("bad", hang)) for _ in range(50)]
        async with asyncio.timeout(10):
            await asyncio.gather(*(have("good") for _ in range(50)))
        others = list(done)
        hang.set()
        await asyncio.gather(*hanging)
        return others

    assert asyncio.run(work()) == ["good"] * 50


def test_namespaces_take_turns() -> None:
    async def work() -> list[str]:
        limit, order = TurnLimit(1, 1), []

        async def have(namespace: str) -> None:
            async with limit.place(namespace):
                order.append(namespace)
                await asyncio.sleep(0)

        await asyncio.gather(*(have(namespace) for namespace in ("a", "a", "a", "a", "b", "c", "b")))
        return order

    assert asyncio.run(work()) == ["a", "a", "b", "c", "a", "b", "a"]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.integers(-1, 4)), max_size=30),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_no_place_is_lost_and_none_given_twice(works: list[tuple[str, int, int]], most: int, most_of_one: int) -> None:
    """Some are cancelled, while they wait or while they hold a place."""

    async def work() -> None:
        limit, held = TurnLimit(most, most_of_one), []

        async def have(namespace: str, turns: int) -> None:
            async with limit.place(namespace):
                held.append(namespace)
                assert len(held) <= most
                assert held.count(namespace) <= most_of_one
                try:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                finally:
                    held.remove(namespace)

        async def cancel(task: "asyncio.Task[None]", turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()

        tasks = [asyncio.create_task(have(namespace, turns)) for namespace, turns, _ in works]
        cancels = [cancel(task, turns) for task, (_, _, turns) in zip(tasks, works, strict=True) if turns >= 0]
        async with asyncio.timeout(10):
            await asyncio.gather(*cancels)
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(have(namespace, 1) for namespace in "abcabcabc"))
        assert {type(end) for end in ended} <= {type(None), asyncio.CancelledError}

    asyncio.run(work())
