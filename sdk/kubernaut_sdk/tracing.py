"""Spans of an execution: one for the action, and below it one each for plan, apply, verify and every tool.

They are made if OpenTelemetry is installed and configured: by its specification's variables
(OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER), or by the action's own module. Otherwise it is not imported: an
extra brings it, and loading it would slow down every step. The trace continues TRACEPARENT (W3C Trace Context); each
tool gets a TRACEPARENT of its own span.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from kubernaut_sdk.logs import logger

__all__ = ["Span", "Tracing", "Value", "flush_within", "is_configured", "span_processor"]

_EXPORTERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
_FLUSH = 2_000
"""Milliseconds for sending the last spans: a step does not wait for its traces."""

Value = str | int | float | bool


class Span:
    """A span that is not exported.

    Attributes:
        env: Variables by which a tool continues the trace.
    """

    def __init__(self) -> None:
        self.env: dict[str, str] = {}

    def set_attributes(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes, named by OpenTelemetry's semantic conventions where these have a name."""


class Tracing:
    """The spans of one execution.

    Args:
        mask: Hides secrets in a span's error.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        self._mask = mask
        self._tracer = _tracer()

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Value] | None = None) -> Iterator[Span]:
        """Make a span for the block. An exception marks it as failed and is raised again."""
        if self._tracer is None:
            yield Span()
            return
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 – only where it is installed

        with self._tracer.start_as_current_span(
            name, _parent_context(), attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current:
            try:
                yield _ExportedSpan(current)
            except BaseException as error:
                current.set_attribute("error.type", type(error).__name__)
                current.set_status(Status(StatusCode.ERROR, self._mask(str(error))))
                raise

    def close(self) -> None:
        """Send the remaining spans, for at most two seconds."""
        if self._tracer is not None:
            from opentelemetry import trace  # noqa: PLC0415 – only where it is installed

            provider = trace.get_tracer_provider()
            if hasattr(provider, "force_flush"):  # the API's own provider has none
                flush_within(provider)


class _ExportedSpan(Span):
    """A span of OpenTelemetry."""

    def __init__(self, current: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        super().__init__()
        self._current = current
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        self.env = {name.upper(): value for name, value in carrier.items()}

    def set_attributes(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes, named by OpenTelemetry's semantic conventions where these have a name."""
        self._current.set_attributes(attributes)


def _tracer() -> Any:
    """Return OpenTelemetry's tracer, or None. Wrong settings are logged, and stop no action."""
    wanted = is_configured()
    if not (wanted or "opentelemetry.trace" in sys.modules) or find_spec("opentelemetry") is None:
        return None
    from opentelemetry import trace  # noqa: PLC0415 – only where it is installed

    if wanted:
        processor, resource = span_processor("kubernaut-action")
        if processor is not None:
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

            provider = TracerProvider(resource=resource)
            provider.add_span_processor(processor)
            trace.set_tracer_provider(provider)
    return trace.get_tracer("kubernaut_sdk")


def is_configured() -> bool:
    """Return True if OpenTelemetry's variables say where spans go."""
    return any(os.environ.get(name, "none") != "none" for name in _EXPORTERS)


def span_processor(service: str) -> tuple[Any, Any]:
    """Return OpenTelemetry's processor, which exports as its variables say, and the resource of the service.

    Two times None where it is not installed, or its settings are wrong: they are logged, and stop no work.

    Args:
        service: The service's name, unless OTEL_SERVICE_NAME gives one.
    """
    try:
        return _processor(), _resource(service)
    except Exception as error:
        logger.warning("traces go nowhere: OpenTelemetry cannot be set up: %s", error)
        return None, None


def flush_within(processor: Any) -> None:
    """Send the remaining spans of a processor or provider, for at most two seconds."""
    processor.force_flush(_FLUSH)


def _processor() -> Any:
    """Return a processor that exports in the background. It reads all variables but the exporter's name itself.

    Raises:
        LookupError: if no exporter of that name is installed.
    """
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 – only where it is installed

    name = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if name == "otlp":
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        name = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}.get(protocol, f"otlp over {protocol}")
    exporters = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not exporters:
        raise LookupError(f"there is no exporter {name}; kubernaut-sdk[tracing] brings otlp_proto_http.")
    return BatchSpanProcessor(exporters[0].load()())


def _resource(service: str) -> Any:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 – only where it is installed

    return Resource.create({} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": service})


def _parent_context() -> Any:
    """Return the context of the current span or, if there is none, of TRACEPARENT."""
    from opentelemetry import context, trace  # noqa: PLC0415 – only where it is installed
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    here = context.get_current()
    if trace.get_current_span(here).get_span_context().is_valid:
        return here
    carrier = {name: os.environ[name.upper()] for name in ("traceparent", "tracestate") if os.environ.get(name.upper())}
    return TraceContextTextMapPropagator().extract(carrier, here)
