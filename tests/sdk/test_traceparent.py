"""The traceparent header is read as W3C Trace Context says, and a workflow's ids follow from its uid alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_sdk.traceparent import TraceParent, WorkflowTrace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


@pytest.mark.parametrize(
    ("text", "parent"),
    [
        (f"00-{TRACE}-{SPAN}-01", TraceParent(TRACE, SPAN)),
        (f"00-{TRACE}-{SPAN}-00", TraceParent(TRACE, SPAN, sampled=False)),
        (f"cc-{TRACE}-{SPAN}-03-what-the-future-adds", TraceParent(TRACE, SPAN)),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'x' * 32}-{SPAN}-01", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_is_read_or_counts_as_absent(text: str | None, parent: TraceParent | None) -> None:
    assert TraceParent.parse(text) == parent


@given(st.text(max_size=70))
def test_no_text_raises(text: str) -> None:
    assert TraceParent.parse(text) is None or text.startswith(("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"))


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_every_process_derives_the_same_ids_and_each_span_has_its_own(uid: str, first: str, second: str) -> None:
    trace = WorkflowTrace(uid.encode("utf-8", "replace").decode())
    spans = [trace.root, trace.step(_plain(first)), trace.step(_plain(second))]

    assert spans == [WorkflowTrace(trace.uid).root, *spans[1:]]
    assert all(TraceParent.parse(str(span)) == span for span in spans)
    assert {span.trace_id for span in spans} == {trace.trace_id}
    assert len({span.span_id for span in spans}) == (2 if _plain(first) == _plain(second) else 3)


def test_other_workflows_have_other_traces_and_a_callers_trace_goes_on() -> None:
    caller = TraceParent(TRACE, SPAN, sampled=False)
    continued = WorkflowTrace(UID, caller)

    assert WorkflowTrace(UID).trace_id != WorkflowTrace(UID.replace("1", "2")).trace_id
    assert (continued.trace_id, continued.root.sampled) == (TRACE, False)
    assert continued.root.span_id == WorkflowTrace(UID).root.span_id != SPAN


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
