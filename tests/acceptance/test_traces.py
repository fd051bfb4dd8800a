"""Traces of real processes: a scheduler and workers send them to a receiver of OTLP."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.acceptance.processes import PILOTAGE, Processes, ended, settings_of
from tests.patience import until

WHOLE = {"tick", "submit_pilots", "decide", "dispatch", "call submit", "record"}


class Receiver:
    """A receiver that keeps the names of the spans of each trace."""

    def __init__(self) -> None:
        self.traces: dict[bytes, set[str]] = defaultdict(set)
        self.services: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.services.add(names["service.name"])
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.traces[span.trace_id].add(span.name)

    def whole(self) -> list[set[str]]:
        return [names for names in list(self.traces.values()) if names >= WHOLE]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def test_one_trace_goes_through_scheduler_and_workers(
    processes: Processes, receiver: Receiver
) -> None:
    home = processes.folder / "home"
    settings = {
        **settings_of({"home": str(home)}),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    up = processes.start("up", [*PILOTAGE, "up", "--demo"], settings)
    until(receiver.whole, "a complete trace", progress=processes.progress)
    assert receiver.services == {"pilotage"}
    up.terminate()
    assert ended(up) == 0
