"""Pictures as text: names, bounds, and nothing that escapes."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kubernaut_effectiveness.service import svg
from kubernaut_effectiveness.statistics.survival import CurvePoint
from kubernaut_effectiveness.verdicts.models import Share, WeekShare

PICTURES_CSS, STYLE_CSS = (Path(svg.__file__).parent / "static" / f"{name}.css" for name in ("pictures", "style"))
KNOWN = Share(good=8, incidents=10, targets=6, rate=0.8, lower=0.5, upper=0.95, effective_n=10)
PICTURES = {
    "outcomes": svg.outcome_bar({"held": 3, "failed": 1}),
    "nothing": svg.outcome_bar({}),
    "whisker": svg.whisker(KNOWN),
    "no rate": svg.whisker(Share(good=1, incidents=1, targets=1, refusal="1 of 1 on <1> target")),
    "difference": svg.difference(0.1, 0.3, 0.5, "helped: +30 points"),
    "weeks": svg.weeks([WeekShare(week="2026-01-05", good=3, incidents=4), WeekShare(week="x", good=5, incidents=9)]),
    "curve": svg.curve([CurvePoint(0, 0), CurvePoint(3600, 0.2)], 86400, [(0, 9), (3600, 4)], 1800),
    "lanes": svg.lanes(
        [("<b>", [svg.LaneSpan(0, 5, "firing", "&")], [svg.Mark(3, "failed", '"')])], 0, 10, [(5, "noon")], "<title>"
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_well_formed_has_a_name_and_no_style_of_its_own(name: str) -> None:
    root = ET.fromstring(PICTURES[name])

    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert "style" not in {key for element in root.iter() for key in element.attrib}


def test_the_parts_of_a_bar_are_as_long_as_their_incidents() -> None:
    root = ET.fromstring(svg.outcome_bar({"held": 3, "failed": 1}, width=100))

    assert [(part.get("class"), part.get("x"), part.get("width")) for part in root] == [
        ("o-held", "0", "75"),
        ("o-failed", "75", "25"),
    ]
    assert root.get("aria-label") == "Outcomes: 3 held, 1 failed"


@pytest.mark.parametrize(
    ("lower", "upper", "kind"), [(0.01, 0.5, "helped"), (0.0, 0.5, "open"), (-0.5, -0.1, "worse"), (-0.5, 0.2, "open")]
)
def test_a_difference_is_green_only_above_0(lower: float, upper: float, kind: str) -> None:
    assert f'class="whisker {kind}"' in svg.difference(lower, (lower + upper) / 2, upper, "said")


def test_nothing_is_green_but_what_helped_and_what_was_added() -> None:
    """An action whose alerts end by themselves holds nearly always: its bar must not look as if it had helped."""
    css = PICTURES_CSS.read_text()
    colours = re.findall("--([a-z]+): #([0-9a-f]{3,6});", css)
    green = {name for name, digits in colours if _is_green(digits if len(digits) == 6 else "".join(map(twice, digits)))}

    assert len(colours) > 20
    assert green == {"good"}
    assert re.findall(r"[^{}]*\{[^{}]*var\(--good\)[^{}]*\}", css + STYLE_CSS.read_text()) == [
        "\nsvg .whisker.helped { stroke: var(--good); }",
        " svg .dot.helped { fill: var(--good); }",
        "\n.good { color: var(--good); font-weight: 600; }",
        "\nsmall.good { color: var(--good); font-weight: 600; }",
        " .added { color: var(--good); }",
    ]


def twice(digit: str) -> str:
    return digit * 2


def _is_green(digits: str) -> bool:
    red, green, blue = (int(digits[place : place + 2], 16) for place in (0, 2, 4))
    return green > 1.1 * red and green > 1.1 * blue


def test_a_week_of_fewer_than_5_is_a_dot() -> None:
    assert PICTURES["weeks"].count('class="few"') == 1
    assert PICTURES["weeks"].count('class="week"') == 1


def test_the_time_in_which_nothing_can_fire_is_shaded() -> None:
    assert 'class="impossible"' in PICTURES["curve"]
    assert 'class="impossible"' not in svg.curve([], 86400, [])


def test_what_lies_outside_of_the_time_is_drawn_at_its_end() -> None:
    picture = svg.lanes([("x", [svg.LaneSpan(-5, float("inf"), "firing", "")], [])], 0, 10, [], "x", width=100)

    assert 'x="0" y="20" width="100"' in picture
    assert "inf" not in picture


def test_a_recurrence_is_a_line_between_two_bars_and_a_length_is_drawn_where_it_is_seen() -> None:
    spans = [
        svg.LaneSpan(0, 20, "firing", ""),
        svg.LaneSpan(20, 50, "recurrence", "fired again"),
        svg.LaneSpan(50, 60, "firing", ""),
    ]
    marks = [svg.Mark(5, "succeeded", "", 6), svg.Mark(50, "failed", "", 80), svg.Mark(90, "deleted", "")]
    picture = svg.lanes([("x", spans, []), ("actions", [], marks)], 0, 100, [], "x", width=100)

    assert '<line class="s-recurrence" x1="20" y1="26" x2="50" y2="26"><title>fired again</title></line>' in picture
    assert picture.count('class="m-length"') == 1
    assert '<line class="m-length" x1="50"' in picture


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("succeeded", "<circle"),
        ("failed", "<path"),
        ("timed_out", "<path"),
        ("deleted", "<path"),
        ("skipped", "<circle"),
    ],
)
def test_a_mark_is_told_by_its_form_too(kind: str, form: str) -> None:
    drawn = {
        kind: svg.mark_of(kind, 6, 6).replace(f"m-{kind}", "") for kind in ("succeeded", "failed", "deleted", "skipped")
    }

    assert svg.mark_of(kind, 6, 6).startswith(form)
    assert len(set(drawn.values())) == 4


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (0.125, "0.12"), (-0.001, "0"), (10, "10"), (2.5, "2.5")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert svg.number(value) == text


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_on_its_own_brings_its_colours(name: str) -> None:
    root = ET.fromstring(svg.standalone(PICTURES[name]))
    style, *parts = root

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == ET.fromstring(PICTURES[name]).get("aria-label")
    assert len(parts) == len(ET.fromstring(PICTURES[name]))
    for kind in {part.get("class", "").split()[0] for part in parts} - {"label", "mid", "end", "m-failed"}:
        assert f".{kind}" in (style.text or "")
