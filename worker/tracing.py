"""Traces for OpenTelemetry: ticks, decisions, calls of CEs, records.

    with span("decide", vo="lhcb") as deciding:
        ...
        deciding.set(granted=12)

OpenTelemetry is imported only if one of its variables says where traces go; without one, a span
costs almost nothing. A span holds names, counts and outcomes; an error is one line without secrets.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from worker.domain.lines import reason

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

PARENT = "traceparent"
"""The header of a message that names the span which sent it."""

LONGEST_PARENT = 55
"""The length of that header in characters, by the W3C's specification."""

PLACES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
"""The variables that say where traces go; one of them is enough."""


class Span:
    """One piece of work in a trace. Without tracing it does nothing."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def set(self, **attributes: str | int | float | None) -> None:
        """Add facts about the work."""
        if self._span is not None:
            for name, value in attributes.items():
                if value is not None:
                    self._span.set_attribute(f"pilotage.{name}", value)

    def failed(self, error: BaseException) -> None:
        """Note that the work failed, and why."""
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, reason(error)))


_NO_SPAN = Span()


class _Process:
    """What this process traces with. A forked process builds its own."""

    pid: int | None = None
    provider: "TracerProvider | None" = None
    tracer: Any = None


_process = _Process()


def use(provider: "TracerProvider | None") -> None:
    """Send the spans of this process to a provider; with `None`, trace nothing."""
    _process.pid = os.getpid()
    _process.provider = provider
    _process.tracer = None if provider is None else provider.get_tracer("pilotage")


def close() -> None:
    """Send the spans that are left. For a process that ends without its exit handlers."""
    if _process.pid == os.getpid() and _process.provider is not None:
        _process.provider.shutdown()
        use(None)


@contextmanager
def span(name: str, **attributes: str | int | float | None) -> Iterator[Span]:
    """Trace the work of the block."""
    tracer = _tracer()
    if tracer is None:
        yield _NO_SPAN
        return
    with tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False
    ) as made:
        traced = Span(made)
        traced.set(**attributes)
        try:
            yield traced
        except BaseException as error:
            traced.failed(error)
            raise


def parent() -> dict[str, str]:
    """Return the header for a message that the current span sends; nothing without a span."""
    headers: dict[str, str] = {}
    if _tracer() is not None:
        _propagator().inject(headers)
    return {name: value for name, value in headers.items() if name == PARENT}


@contextmanager
def continued(header: object) -> Iterator[None]:
    """Make the spans of the block children of the span that sent a message.

    A value that is not a valid header is ignored.
    """
    is_one = isinstance(header, str) and len(header) <= LONGEST_PARENT
    if not is_one or _tracer() is None:
        yield
        return
    from opentelemetry import context

    token = context.attach(_propagator().extract({PARENT: header}))
    try:
        yield
    finally:
        context.detach(token)


def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


def _tracer() -> Any:
    if _process.pid != os.getpid():
        use(_provider())
    return _process.tracer


def _provider() -> "TracerProvider | None":
    """Build the provider that the variables ask for.

    Return `None` if they ask for none, or if the extra `otel` is not installed.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_off or exporter == "none" or not any(os.environ.get(name) for name in PLACES):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("no traces are sent: install the extra, pip install 'pilotage[otel]'")
        return None
    has_name = "OTEL_SERVICE_NAME" in os.environ
    resource = Resource.create({} if has_name else {"service.name": "pilotage"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
