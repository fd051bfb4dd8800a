"""Traces for OpenTelemetry: a tick, what was decided, the calls of CEs, what was recorded.

    with span("decide", vo="lhcb") as deciding:
        ...
        deciding.set(granted=12)

Nothing is imported and nothing costs until a variable of OpenTelemetry says where traces go. What
a span says are names, counts and outcomes; an error is one line without secrets.
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
"""The header of a message that says which span it comes from."""

LONGEST_PARENT = 55
"""Characters of such a header, by the W3C's specification of it."""

PLACES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
"""The variables of which any says where traces go."""


class Span:
    """One piece of work in a trace, or in none."""

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
    """What this process traces with; one that is forked begins anew."""

    pid: int | None = None
    provider: "TracerProvider | None" = None
    tracer: Any = None


_process = _Process()


def use(provider: "TracerProvider | None") -> None:
    """Have this process give its spans to a provider, or to none."""
    _process.pid = os.getpid()
    _process.provider = provider
    _process.tracer = None if provider is None else provider.get_tracer("pilotage")


def close() -> None:
    """Send what is left, before a process ends that says no farewell."""
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
    """Let the spans of the block belong to that of a message; what is no such header is ignored."""
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
    """Make what the variables ask for; without them, or without the extra, nothing."""
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
