"""Spans of an execution: one for the action, below it one each for plan, apply, verify and every tool that is run.

They are made where OpenTelemetry is installed and somebody wants them: its specification's variables say where spans
go (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER), or the action's own module has set it up. Otherwise nothing of
it is imported. The trace is that of TRACEPARENT (W3C Trace Context); a tool gets one as well, naming its own span.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from kubernaut_sdk.logs import logger

__all__ = ["Span", "Tracing"]

_EXPORTERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
_FLUSH = 2_000
"""Milliseconds for what is left to be sent: a step does not wait for its traces."""

Value = str | int | float | bool


class Span:
    """What is being done. This one tells nobody.

    Attributes:
        env: Variables by which a tool continues the trace.
    """

    def __init__(self) -> None:
        self.env: dict[str, str] = {}

    def tell(self, attributes: Mapping[str, Value]) -> None:
        """Adds attributes, by their names in OpenTelemetry's semantic conventions where they have one."""


class Tracing:
    """The spans of one execution.

    Args:
        mask: Hides secrets from what a span says of an error.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        self._mask = mask
        self._tracer = _tracer()

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Value] | None = None) -> Iterator[Span]:
        """While this lasts, the work of that name is being done. An exception marks the span as failed, and goes on."""
        if self._tracer is None:
            yield Span()
            return
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 – only where it is installed

        with self._tracer.start_as_current_span(
            name, _above(), attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current:
            try:
                yield _Recorded(current)
            except BaseException as error:
                current.set_attribute("error.type", type(error).__name__)
                current.set_status(Status(StatusCode.ERROR, self._mask(str(error))))
                raise

    def close(self) -> None:
        """Sends what is left, for two seconds at most."""
        if self._tracer is not None:
            from opentelemetry import trace  # noqa: PLC0415 – only where it is installed

            flush = getattr(trace.get_tracer_provider(), "force_flush", None)  # the API's own provider has none
            if flush is not None:
                flush(_FLUSH)


class _Recorded(Span):
    def __init__(self, current: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        super().__init__()
        self._current = current
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        self.env = {name.upper(): value for name, value in carrier.items()}

    def tell(self, attributes: Mapping[str, Value]) -> None:
        """Adds attributes, by their names in OpenTelemetry's semantic conventions where they have one."""
        self._current.set_attributes(attributes)


def _tracer() -> Any:
    """OpenTelemetry's tracer, or None. What is wrong with its settings is said, and stops no action."""
    wanted = any(os.environ.get(name, "none") != "none" for name in _EXPORTERS)
    if not (wanted or "opentelemetry.trace" in sys.modules) or find_spec("opentelemetry") is None:
        return None
    from opentelemetry import trace  # noqa: PLC0415 – only where it is installed

    if wanted:
        try:
            trace.set_tracer_provider(_provider())
        except Exception as error:
            logger.warning("traces go nowhere: OpenTelemetry cannot be set up: %s", error)
    return trace.get_tracer("kubernaut_sdk")


def _provider() -> Any:
    """OpenTelemetry's SDK, by its specification's variables. It reads most of them itself, the exporter's name not.

    Raises:
        LookupError: if no exporter of that name is installed.
    """
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 – only where it is installed
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    name = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if name == "otlp":
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        name = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}.get(protocol, f"otlp over {protocol}")
    exporters = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not exporters:
        raise LookupError(f"there is no exporter {name}; kubernaut-sdk[tracing] brings otlp_proto_http.")
    named = "OTEL_SERVICE_NAME" in os.environ
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "kubernaut-action"}))
    provider.add_span_processor(BatchSpanProcessor(exporters[0].load()()))
    return provider


def _above() -> Any:
    """The span that is current here or, above all of ours, the one that TRACEPARENT names."""
    from opentelemetry import context, trace  # noqa: PLC0415 – only where it is installed
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    here = context.get_current()
    if trace.get_current_span(here).get_span_context().is_valid:
        return here
    carrier = {name: os.environ[name.upper()] for name in ("traceparent", "tracestate") if os.environ.get(name.upper())}
    return TraceContextTextMapPropagator().extract(carrier, here)
