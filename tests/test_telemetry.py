"""A run is sent as OpenTelemetry metrics and spans, to a real endpoint, where one is configured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, Final

import pytest

from flows.pipeline import Summary
from flows.telemetry import Signals, observed, signals_of
from tests.prefect_server import free_port
from tests.summaries import ACCOUNT, BEGAN, DENIED, PARTIAL

EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"
Gauges = dict[tuple[str, str, tuple[tuple[str, Any], ...]], float]
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = "b7ad6b7169203331"


class Collector:
    """What was posted, by path; answers with `status`."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes, dict[str, str]]] = []
        self.status = 200
        collector = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.posted.append((self.path, body, dict(self.headers)))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        self.server = HTTPServer(("127.0.0.1", 0), Endpoint)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Any]:
        """The spans of the one request for traces, in the order of their beginnings."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        (request,) = self._requests("/v1/traces", ExportTraceServiceRequest)
        (resource,) = request.resource_spans
        assert attributes(resource.resource)["service.name"] == "imagelake"
        (scope,) = resource.scope_spans
        return sorted(scope.spans, key=lambda span: (span.start_time_unix_nano, span.name))

    def gauges(self) -> Gauges:
        """The values of the one request for metrics by name, unit and attributes."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )

        (request,) = self._requests("/v1/metrics", ExportMetricsServiceRequest)
        (scope,) = request.resource_metrics[0].scope_metrics
        return {
            (metric.name, metric.unit, tuple(attributes(point).items())): getattr(
                point, point.WhichOneof("value")
            )
            for metric in scope.metrics
            for point in metric.gauge.data_points
        }

    def _requests(self, path: str, kind: Any) -> list[Any]:
        return [kind.FromString(body) for posted, body, _ in self.posted if posted == path]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """An endpoint that the standard variable names."""
    pytest.importorskip(EXPORTER)
    collector = Collector()
    Thread(target=collector.server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    yield collector
    collector.server.shutdown()


def attributes(of: Any) -> dict[str, Any]:
    """What a message of the protocol has, as Python has it."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in of.attributes}


def sent(summary: Summary = PARTIAL) -> list[str]:
    """The warnings of a run that is sent."""
    said: list[str] = []
    assert observed(lambda: summary, said.append) is summary
    return said


def test_a_run_s_stages_and_targets_are_spans(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below what started the run, with their own times; a failed target is an error."""
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{PARENT}-01")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=abc")
    assert sent() == []
    assert collector.posted[0][2]["x-token"] == "abc"
    spans = {span.name: span for span in collector.spans()}
    assert {span.trace_id.hex() for span in collector.spans()} == {TRACE}
    run, land = spans["imagelake.snapshot"], spans["imagelake.land"]
    assert run.parent_span_id.hex() == PARENT
    assert attributes(run) == {
        "imagelake.run_id": PARTIAL.run_id,
        "imagelake.snapshot_date": "2025-11-20",
        "imagelake.status": "partial",
    }
    for stage in PARTIAL.stages:
        span = spans[f"imagelake.{stage.name}"]
        assert span.parent_span_id == run.span_id
        assert span.start_time_unix_nano == int(stage.started_at.timestamp() * 1e6) * 1000
        assert span.end_time_unix_nano - span.start_time_unix_nano == stage.seconds * 1e9
    targets = [span for span in collector.spans() if span.name == "imagelake.target"]
    assert {span.parent_span_id for span in targets} == {land.span_id}
    failed = next(span for span in targets if span.status.code)
    assert failed.status.message == DENIED
    assert failed.start_time_unix_nano == BEGAN.timestamp() * 1e9
    assert failed.end_time_unix_nano == (BEGAN + timedelta(seconds=2.5)).timestamp() * 1e9
    assert attributes(failed) == {
        "imagelake.account_id": ACCOUNT,
        "cloud.region": "eu-west-1",
        "imagelake.status": "failed",
        "imagelake.pages": 0,
        "imagelake.builds": 0,
        "imagelake.requests": 1,
        "imagelake.throttles": 0,
        "error.type": "AccessDeniedException",
    }
    statuses = [attributes(span)["imagelake.status"] for span in targets]
    assert sorted(statuses) == ["complete", "failed", "truncated"]


def test_a_run_s_numbers_are_gauges(collector: Collector) -> None:
    assert sent() == []
    expected: Gauges = {
        ("imagelake.snapshot.committed", "1", ()): 1,
        ("imagelake.snapshot.duration", "s", ()): 4.75,
        ("imagelake.targets", "{target}", (("status", "complete"),)): 1,
        ("imagelake.targets", "{target}", (("status", "failed"),)): 1,
        ("imagelake.targets", "{target}", (("status", "truncated"),)): 1,
        **{
            ("imagelake.rows", "{row}", (("table", table),)): count
            for table, count in PARTIAL.row_counts.items()
        },
        ("imagelake.builds", "{build}", ()): 350,
        ("imagelake.pages", "{page}", ()): 4,
        ("imagelake.requests", "{request}", ()): 7,
        ("imagelake.retries", "{request}", ()): 3,
        ("imagelake.throttles", "{request}", ()): 2,
        ("imagelake.written", "By", ()): 65_536,
        **{
            ("imagelake.stage.duration", "s", (("stage", stage.name),)): stage.seconds
            for stage in PARTIAL.stages
        },
    }
    assert collector.gauges() == expected


def test_a_run_that_committed_nothing_is_sent_too(collector: Collector) -> None:
    """Its error is the run's own, as ever."""

    def fail() -> Summary:
        raise OSError("the disk is full")

    said: list[str] = []
    with pytest.raises(OSError, match="the disk is full"):
        observed(fail, said.append)
    assert said == []
    (run,) = collector.spans()
    assert run.status.message == "OSError: the disk is full"
    assert attributes(run) == {"imagelake.status": "failed"}
    assert collector.gauges()["imagelake.snapshot.committed", "1", ()] == 0


def test_an_endpoint_of_metrics_gets_metrics_only(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/v1/metrics")
    assert sent() == []
    assert [path for path, *_ in collector.posted] == ["/v1/metrics"]


def test_an_endpoint_that_refuses_is_a_line(collector: Collector) -> None:
    collector.status = 400
    assert sent() == ["telemetry is not sent: the endpoint for traces took none"]


def test_an_endpoint_that_is_not_there_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(EXPORTER)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    assert sent() == ["telemetry is not sent: the endpoint for traces took none"]


def test_a_protocol_that_is_not_spoken_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert sent() == [
        "telemetry is not sent: OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; imagelake speaks "
        "http/protobuf"
    ]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    (line,) = sent()
    assert line.startswith("telemetry is not sent: no module opentelemetry.")
    assert line.endswith("; pip install 'imagelake[otel]'")


@pytest.mark.parametrize(
    ("given", "signals"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, Signals(True, True)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, None),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_METRICS_EXPORTER": "none"},
            Signals(True, False),
        ),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, Signals(True, False)),
    ],
)
def test_the_standard_variables_say_what_is_sent(
    given: dict[str, str], signals: Signals | None
) -> None:
    assert signals_of(given) == signals
