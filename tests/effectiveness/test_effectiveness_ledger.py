"""A ledger that is built at once, and one that followed the same history in whatever order: both hold the same."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from histories import MINUTE, Story, at
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_effectiveness import Act, Firing, Watch, WatchSpan, judge_fleet, verdicts_of
from kubernaut_effectiveness.patterns.report import find_patterns
from kubernaut_effectiveness.service.ledger.ledger import Ledger
from kubernaut_effectiveness.service.ledger.questions import LedgerQuestions
from kubernaut_effectiveness.service.ledger.rows import ACT_FIELDS, JUDGED_FIELDS, row_of_act
from kubernaut_effectiveness.service.ledger.schema import connect, create_tables
from kubernaut_sdk.states import State

_NOW = 3000.0
_BEATS = [WatchSpan("heartbeat", "", at(-1e6), at(900)), WatchSpan("heartbeat", "", at(930), at(1e6))]
_APPS = st.integers(0, 2)
_MINUTES = st.integers(0, 2_400).map(float)


@st.composite
def _firings(draw: st.DrawFn) -> list[Firing]:
    """Firings of few problems, whose pods come and go; some without an end, some of which no labels are known."""
    found: dict[tuple[str, float], Firing] = {}
    for app, pod, fired, length in draw(
        st.lists(st.tuples(_APPS, st.integers(0, 1), _MINUTES, st.sampled_from([1, 20, 29, 31, 200, None])), max_size=9)
    ):
        named = {"namespace": "shop", "deployment": "abc"[app]}
        labels = {"alertname": f"Slow{app}", "pod": f"p{pod}", **named} if pod or app else None
        found[f"{app}/{pod}", fired] = Firing(
            fingerprint=f"{app}/{pod}",
            fired=at(fired),
            resolved=None if length is None else at(fired + length),
            name=f"Slow{app}",
            severity="critical",
            labels=labels,
        )
    return list(found.values())


@st.composite
def _acts(draw: st.DrawFn) -> list[Act]:
    """Records on few targets: some of no signal, some of another target than their problem's others, undone, queued."""
    acts: list[Act] = []
    for number in range(draw(st.integers(0, 9))):
        began = draw(_MINUTES)
        size = draw(st.integers(1, 3))
        changes = draw(st.booleans())
        acts.append(
            Act(
                id=f"{number:08}",
                action_type=f"kubernetes/action_{draw(st.integers(0, 2))}",
                state=draw(
                    st.sampled_from([State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.SKIPPED, State.LOST])
                ),
                decided=at(began - draw(st.sampled_from([0, 0, 40]))),
                began=at(began),
                ended=at(began + draw(st.sampled_from([0.5, 1, 30]))),
                target=draw(st.sampled_from([None, "shop/Deployment/a", "shop/Deployment/b", "shop/Deployment/c"])),
                fingerprint=draw(
                    st.one_of(st.none(), st.tuples(_APPS, st.integers(0, 1)).map(lambda p: f"{p[0]}/{p[1]}"))
                ),
                dry_run=draw(st.sampled_from([False, False, False, True])),
                undoes=draw(st.sampled_from([None, None, None, f"{max(0, number - 1):08}"])),
                changes=changes,
                reason=draw(st.sampled_from([None, "Frozen", "GivenUp"])),
                workflow=draw(st.sampled_from([None, None, "shop/fix"])),
                requester=draw(st.sampled_from([None, "alice"])),
                before={"replicas": size} if changes else None,
                after={"replicas": size + 1} if changes else None,
            )
        )
    return acts


@st.composite
def _order(draw: st.DrawFn, things: st.SearchStrategy[list[Any]]) -> tuple[list[Any], list[Any]]:
    known = draw(things)
    return known, draw(st.permutations(known))


@settings(max_examples=60)
@given(acts=_order(_acts()), firings=_order(_firings()), data=st.data())
def test_following_in_any_order_ends_with_the_ledger_of_a_first_build(
    acts: tuple[list[Act], list[Act]], firings: tuple[list[Firing], list[Firing]], data: st.DataObject
) -> None:
    """Records one by one, late, first in an earlier state; ends of firings that are told later."""
    now = at(_NOW)
    with ledger() as built, ledger() as followed:
        built.put_spans(_BEATS)
        built.put_firings(firings[0])
        built.put_rows(map(row_of_act, acts[0]))

        followed.put_spans(_BEATS[:1])
        followed.refresh(at(data.draw(_MINUTES, label="begun at")))
        events: list[Act | Firing] = [*acts[1], *firings[1]]
        for event in data.draw(st.permutations(events), label="events"):
            if isinstance(event, Act):
                followed.put_act(replace(event, state=State.STARTED))
            else:
                followed.put_firing(replace(event, resolved=None))
            if data.draw(st.booleans(), label="looked at"):
                followed.refresh(now - data.draw(st.sampled_from([0.0, 600 * MINUTE]), label="earlier"))
        followed.put_spans(_BEATS)
        for event in reversed(events):
            if isinstance(event, Act):
                followed.put_act(event)
            else:
                followed.put_firing(event)

        expected = judge_fleet(acts[0], firings[0], Watch(_BEATS), now=now)
        verdicts = verdicts_of(expected)
        for one in (built, followed):
            assert list(one.refresh(now)) == verdicts
            with questions(one) as asked:
                fleet = asked.fleet(expected.now, one.watch)
                assert fleet.judged == expected.judged
                assert fleet.problems == expected.problems
                assert asked.patterns() == find_patterns(expected)


def test_that_a_silence_lasts_makes_no_verdict_anew_at_once(story: Story) -> None:
    alert = story.fires(0, 10)
    story.acts_on(alert, 5)
    with ledger() as followed:
        followed.put_spans(_BEATS)
        followed.put_firings(story.firings)
        followed.put_rows(map(row_of_act, story.acts))
        followed.refresh(at(200))
        with questions(followed) as asked:
            [before] = asked.returned("kubernetes/restart_pod")
            followed._judge.judge({1: at(0)}, followed.watch, at(300))
            assert followed._judge.touched == set()
            followed.put_firing(replace(story.firings[0], fired=at(250), resolved=at(260)))
            followed._judge.judge({1: at(0)}, followed.watch, at(300))
            assert followed._judge.touched == {"kubernetes/restart_pod"}
            followed.refresh(at(310))
            [after] = asked.returned("kubernetes/restart_pod")
    assert (before.cause, after.cause) == (None, "recurred")
    assert after.duration > before.duration


def test_another_problem_on_the_target_is_found_once_its_firing_is_of_the_known_history(story: Story) -> None:
    """Nobody acted for it: its labels alone name the target. It is told at once, and known 10 minutes later."""
    story.acts_on(story.fires(0, 40), 5, target="shop/Deployment/api")
    labels = {"alertname": "Replicas", "namespace": "shop", "deployment": "api"}
    with ledger() as followed:
        followed.put_spans(_BEATS)
        followed.put_firings(story.firings)
        followed.put_rows(map(row_of_act, story.acts))
        followed.refresh(at(50))
        followed.put_firing(Firing("replicas", at(30), None, "Replicas", "warning", labels))
        followed.refresh(at(39))
        with questions(followed) as asked:
            assert asked.patterns().side_effects == []
            followed.refresh(at(50))
            [found] = asked.patterns().side_effects
    assert (found.alert, found.action_type, found.cases) == ("Replicas", "kubernetes/restart_pod", 1)


def test_a_silence_that_is_told_later_changes_what_was_judged(story: Story) -> None:
    story.acts_on(story.fires(0, 20), 5)
    labels = json.dumps({"alertname": "Slow", "app": "api", "pod": "another"})
    with ledger() as followed:
        followed.put_spans(_BEATS)
        followed.put_firings(story.firings)
        followed.put_rows(map(row_of_act, story.acts))
        [before] = followed.refresh(at(200))
        assert followed.put_spans([WatchSpan("silenced", labels, at(30), at(31))])
        [after] = followed.refresh(at(200))
    assert (before.outcomes, after.outcomes) == ({"held": 1}, {"unwatched": 1})


@contextmanager
def ledger() -> Iterator[Ledger]:
    made = Ledger()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def questions(of: Ledger) -> Iterator[LedgerQuestions]:
    asked = LedgerQuestions(of.path, of.settings)
    try:
        yield asked
    finally:
        asked.close()


def test_rows_have_the_order_of_their_tables(tmp_path: Path) -> None:
    """Rows are written and compared by place."""
    connection = connect(tmp_path / "ledger.db")
    create_tables(connection)
    judged, acts = (
        [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")] for table in ("judged", "acts")
    )
    connection.close()

    assert judged == list(JUDGED_FIELDS)
    assert acts == [*ACT_FIELDS, "kind", "before", "after"]
