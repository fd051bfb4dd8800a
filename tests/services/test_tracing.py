"""Traces: the attributes and the parents of the spans of real tasks; they cost nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.services.world import World
from worker import tracing
from worker.backends.sim.faults import Fault
from worker.services.tasks import catalogue, execute

SECRET = "postgresql://somebody:correct-horse@db.example.org/x"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracing.use(provider)
    yield memory
    tracing.use(None)


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {one.name: one for one in exporter.get_finished_spans()}


def run(world: World, name: str, subject: str) -> None:
    execute.execute(catalogue.get(name), subject, world.runtime())


def test_one_trace_leads_from_the_tick_to_the_record(
    world: World, exporter: InMemorySpanExporter
) -> None:
    ce = world.ce()
    with tracing.span("tick", task="submit_pilots", subject="default"):
        header = tracing.parent()
    with tracing.continued(header[tracing.PARENT]):
        run(world, "submit_pilots", "default")
    origin = exporter.get_finished_spans()[-1].get_span_context()
    assert origin is not None
    from_nudge = f"00-{origin.trace_id:032x}-{origin.span_id:016x}-01"
    with tracing.continued(from_nudge):
        run(world, "dispatch", ce.name)
    by_name = spans(exporter)

    assert {one.context.trace_id for one in by_name.values()} == {origin.trace_id}
    parents = {
        name: next(
            (
                n
                for n, p in by_name.items()
                if one.parent and p.context.span_id == one.parent.span_id
            ),
            None,
        )
        for name, one in by_name.items()
    }
    assert parents == {
        "tick": None,
        "submit_pilots": "tick",
        "decide": "submit_pilots",
        "dispatch": "submit_pilots",
        "call submit": "dispatch",
        "record": "dispatch",
    }
    decision, dispatch = by_name["decide"].attributes, by_name["dispatch"].attributes
    assert decision is not None
    assert dispatch is not None
    assert decision["pilotage.vo"] == "default"
    assert (
        decision["pilotage.granted"]
        == dispatch["pilotage.submitted"]
        == world.statuses()["submitted"]
    )
    assert (dispatch["pilotage.ce"], dispatch["pilotage.outcome"]) == (ce.name, "ok")


def test_a_call_that_failed_is_an_error_in_its_span_alone(
    world: World, exporter: InMemorySpanExporter
) -> None:
    ce = world.ce()
    world.sent(ce, 1)
    world.fault(ce, Fault.DOWN)
    world.wait(60)
    exporter.clear()
    run(world, "check_pilots", ce.name)
    by_name = spans(exporter)
    assert by_name["call poll"].status.is_ok is False
    assert by_name["call poll"].status.description
    assert by_name["check_pilots"].status.is_ok
    attributes = by_name["check_pilots"].attributes
    assert attributes is not None
    assert attributes["pilotage.outcome"] == "failed"


def test_no_secret_and_no_stack_enters_a_span(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="somebody"), tracing.span("call"):
        raise ValueError(SECRET)
    [one] = exporter.get_finished_spans()
    assert "correct-horse" not in one.to_json()
    assert "Traceback" not in one.to_json()
    assert one.events == ()


@pytest.mark.parametrize(
    "header", [None, 7, "", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-" * 1000]
)
def test_a_header_that_is_none_begins_a_trace_of_its_own(
    exporter: InMemorySpanExporter, header: object
) -> None:
    with tracing.continued(header), tracing.span("dispatch"):
        pass
    [one] = exporter.get_finished_spans()
    assert one.parent is None


def test_without_a_provider_nothing_is_said(world: World) -> None:
    tracing.use(None)
    with tracing.span("tick") as one:
        one.set(count=1)
        assert tracing.parent() == {}
    with tracing.continued("00-" + "1" * 32 + "-" + "1" * 16 + "-01"):
        run(world, "learn", None)  # type: ignore[arg-type]


PROGRAM = (
    "import pilotage, sys; from worker import tracing\n"
    "with tracing.span('tick'): pass\n"
    "print(any(name.startswith('opentelemetry') for name in sys.modules))"
)


@pytest.mark.parametrize(
    ("variables", "is_imported"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
    ],
)
def test_nothing_is_imported_until_a_variable_asks_for_it(
    variables: dict[str, str], is_imported: bool
) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OTEL_")
    }
    child = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        env={**environment, **variables, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.split() == [str(is_imported)]
