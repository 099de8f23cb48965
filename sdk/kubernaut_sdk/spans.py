"""Spans of work that is over, with ids and times that are given: those of a workflow and of its steps.

The controller and the local engine export them where OpenTelemetry is configured by its variables, as `tracing` does
for the spans of a container. A span that is exported twice (after a restart) has the same id, and is one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernaut_sdk.traceparent import TraceParent
from kubernaut_sdk.tracing import Value, flush_within, is_configured, span_processor

__all__ = ["FinishedSpan", "SpanExporter"]


@dataclass(frozen=True)
class FinishedSpan:
    """A span that has ended.

    Attributes:
        name: The name of what was done.
        context: Its own ids.
        parent: The id of the span above it, or None.
        started_at: The time of its start.
        ended_at: The time of its end.
        error: A sentence where it failed, or None.
        attributes: By OpenTelemetry's semantic conventions where these have a name.
    """

    name: str
    context: TraceParent
    parent: str | None
    started_at: datetime
    ended_at: datetime
    error: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)


class SpanExporter:
    """An exporter of finished spans. It sends in the background; without OpenTelemetry it drops them.

    Args:
        service: The service's name, unless OTEL_SERVICE_NAME gives one.
    """

    def __init__(self, service: str) -> None:
        self._processor: Any = None
        if is_configured():
            self._processor, self._resource = span_processor(service)

    def export(self, spans: Iterable[FinishedSpan]) -> None:
        """Queue spans."""
        if self._processor is None:
            return
        for span in spans:
            if span.context.sampled:
                self._processor.on_end(_readable(span, self._resource))

    def close(self) -> None:
        """Send what is queued, for a bounded time."""
        if self._processor is not None:
            flush_within(self._processor)
            self._processor.shutdown()


def _readable(span: FinishedSpan, resource: Any) -> Any:
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 – only where it is installed
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags  # noqa: PLC0415 – the same

    def context(span_id: str) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(span.context.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags)

    return ReadableSpan(
        span.name,
        context(span.context.span_id),
        context(span.parent) if span.parent else None,
        resource,
        dict(span.attributes),
        start_time=_nanoseconds(span.started_at),
        end_time=_nanoseconds(max(span.started_at, span.ended_at)),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
    )


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
