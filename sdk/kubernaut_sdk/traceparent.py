"""W3C Trace Context: the header `traceparent`, and the one trace of a workflow.

Every process derives the same ids from the workflow's uid: a second controller, a restarted one and the PipelineRun's
renderer agree without telling each other. The uid itself would not do as a trace id: its version and variant bits are
constant, and samplers decide by those bytes.
"""

import re
from dataclasses import dataclass

__all__ = ["TraceParent", "WorkflowTrace"]

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True)
class TraceParent:
    """A span within a trace, as a header names it to those that continue the trace.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: True if the trace is recorded.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    @classmethod
    def parse(cls, text: str | None) -> "TraceParent | None":
        """Return the span that a header names; a malformed header counts as absent, as the specification says."""
        match = _HEADER.fullmatch(text or "")
        if match is None:
            return None
        version, trace_id, span_id, flags, rest = match.groups()
        malformed = version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0")
        return None if malformed else cls(trace_id, span_id, bool(int(flags, 16) & 1))


@dataclass(frozen=True)
class WorkflowTrace:
    """The trace of one workflow: a root span, and below it a span for each step.

    Attributes:
        uid: The workflow's uid.
        caller: The span that asked for the workflow, whose trace goes on; None for a trace of its own.
    """

    uid: str
    caller: TraceParent | None = None

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return self.caller.trace_id if self.caller is not None else self._digits("trace")[:32]

    @property
    def root(self) -> TraceParent:
        """The span of the workflow."""
        return self._span("workflow")

    def step(self, name: str) -> TraceParent:
        """Return the span of a step, below which its container's spans are."""
        return self._span(f"step/{name}")

    def _span(self, name: str) -> TraceParent:
        return TraceParent(self.trace_id, self._digits(name)[:16], self.caller is None or self.caller.sampled)

    def _digits(self, purpose: str) -> str:
        import hashlib  # noqa: PLC0415 – a container, which is given its traceparent, need not load OpenSSL

        return hashlib.sha256(f"{purpose}/{self.uid}".encode()).hexdigest()
