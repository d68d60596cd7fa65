"""A run as OpenTelemetry metrics and spans, sent where the standard variables name an OTLP endpoint.

All of it is sent once, at the run's end: one span of the run, below it those of its stages, and below
`land` one of each target; and gauges of what the run covered. Without OTEL_EXPORTER_OTLP_ENDPOINT (or
its variants for metrics and traces) nothing is imported and nothing sent. The exporters read all the
other standard variables: headers, certificates, compression, and the time-out, of ten seconds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from extract.targets import TargetOutcome
from flows.metrics import metrics_of
from flows.pipeline import Summary
from flows.terminal import printable
from schemas import __version__
from schemas.snapshots import FAILED

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import Span, Tracer

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL: Final = "http/protobuf"

Say = Callable[[str], object]


@dataclass(frozen=True)
class Signals:
    """What is to be sent."""

    traces: bool
    metrics: bool


def observed(take: Callable[[], Summary], warn: Say) -> Summary:
    """What `take` returns, or raises, after it has been sent where an endpoint is configured.

    What cannot be sent is a line of warning.
    """
    signals = signals_of(os.environ)
    if signals is None:
        return take()
    started_at = datetime.now(UTC)
    try:
        summary = take()
    except Exception as error:
        with _warning(warn):
            _require_protocol(os.environ)
            _send_failure(signals, error, started_at)
        raise
    with _warning(warn):
        _require_protocol(os.environ)
        _send(signals, summary, started_at)
    return summary


def signals_of(environment: Mapping[str, str]) -> Signals | None:
    """What the standard variables ask for; None where that is nothing."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None

    def is_asked(signal: str) -> bool:
        endpoint = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
        exporter = environment.get(f"OTEL_{signal}_EXPORTER", "otlp")
        return exporter == "otlp" and bool(endpoint or environment.get(_ENDPOINT))

    signals = Signals(is_asked("TRACES"), is_asked("METRICS"))
    return signals if signals.traces or signals.metrics else None


@contextmanager
def _warning(warn: Say) -> Iterator[None]:
    logger = logging.getLogger("opentelemetry")  # it would say the same, in pages
    was = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    except ModuleNotFoundError as error:
        warn(f"telemetry is not sent: no module {error.name}; pip install 'imagelake[otel]'")
    except Exception as error:
        words = str(error).partition("\n")[0] or type(error).__name__
        warn(f"telemetry is not sent: {printable(words)}")
    finally:
        logger.setLevel(was)


def _require_protocol(environment: Mapping[str, str]) -> None:
    for signal in ("", "TRACES_", "METRICS_"):
        name = f"OTEL_EXPORTER_OTLP_{signal}PROTOCOL"
        if environment.get(name, _PROTOCOL) != _PROTOCOL:
            raise ValueError(f"{name} is {environment[name]!r}; imagelake speaks {_PROTOCOL}")


def _send(signals: Signals, summary: Summary, started_at: datetime) -> None:
    attributes = {
        "imagelake.run_id": summary.run_id,
        "imagelake.snapshot_date": summary.snapshot_date,
        "imagelake.status": summary.status,
    }
    ended_at = summary.stages[-1].ended_at if summary.stages else datetime.now(UTC)
    if signals.traces:
        with _tracing() as tracer:
            run = _span(tracer, "imagelake.snapshot", started_at, attributes, _parent())
            for stage in summary.stages:
                within = _below(run)
                step = _span(tracer, f"imagelake.{stage.name}", stage.started_at, {}, within)
                if stage.name == "land":
                    for target in summary.asked:
                        _target_span(tracer, target.outcome, _below(step))
                _end(step, stage.ended_at)
            _end(run, ended_at)
    if signals.metrics:
        _send_metrics(_gauges(summary))


def _send_failure(signals: Signals, error: Exception, started_at: datetime) -> None:
    ended_at = datetime.now(UTC)
    if signals.traces:
        with _tracing() as tracer:
            failed = {"imagelake.status": FAILED}
            run = _span(tracer, "imagelake.snapshot", started_at, failed, _parent())
            _end(run, ended_at, f"{type(error).__name__}: {error}")
    if signals.metrics:
        seconds = (ended_at - started_at).total_seconds()
        _send_metrics(
            [
                ("imagelake.snapshot.committed", "1", 0, {}),
                ("imagelake.snapshot.duration", "s", seconds, {}),
            ]
        )


def _gauges(summary: Summary) -> list[tuple[str, str, float, dict[str, str]]]:
    """Name, unit, value and attributes of each: a run is a process of its own and adds up nothing."""
    metrics = metrics_of(summary)
    return [
        ("imagelake.snapshot.committed", "1", 1, {}),
        ("imagelake.snapshot.duration", "s", metrics.seconds, {}),
        *(("imagelake.targets", "{target}", n, {"status": s}) for s, n in metrics.targets.items()),
        *(("imagelake.rows", "{row}", n, {"table": t}) for t, n in metrics.rows.items()),
        ("imagelake.builds", "{build}", metrics.builds, {}),
        ("imagelake.pages", "{page}", metrics.pages, {}),
        ("imagelake.requests", "{request}", metrics.requests, {}),
        ("imagelake.retries", "{request}", metrics.retries, {}),
        ("imagelake.throttles", "{request}", metrics.throttles, {}),
        ("imagelake.written", "By", metrics.written_bytes, {}),
        *(
            ("imagelake.stage.duration", "s", stage.seconds, {"stage": stage.name})
            for stage in metrics.stages
        ),
    ]


def _send_metrics(gauges: list[tuple[str, str, float, dict[str, str]]]) -> None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], _resource(), shutdown_on_exit=False)
    meter = provider.get_meter("imagelake", __version__)
    instruments = {name: meter.create_gauge(name, unit) for name, unit, *_ in gauges}
    for name, _, value, attributes in gauges:
        instruments[name].set(value, attributes)
    data = reader.get_metrics_data()
    exporter = OTLPMetricExporter()
    try:
        if data is None or exporter.export(data) is not MetricExportResult.SUCCESS:
            raise ConnectionError("the endpoint for metrics took none")
    finally:
        exporter.shutdown()
        provider.shutdown()


@contextmanager
def _tracing() -> Iterator[Tracer]:
    """A tracer whose spans are sent at its end. Raises ConnectionError where they are not taken."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    yield provider.get_tracer("imagelake", __version__)
    exporter: Any = OTLPSpanExporter()  # its shutdown has no types
    try:
        if exporter.export(kept.get_finished_spans()) is not SpanExportResult.SUCCESS:
            raise ConnectionError("the endpoint for traces took none")
    finally:
        exporter.shutdown()


def _resource() -> Resource:
    from opentelemetry.sdk.resources import Resource

    name = os.environ.get("OTEL_SERVICE_NAME", "imagelake")
    return Resource.create({"service.name": name, "service.version": __version__})


def _parent() -> Context | None:
    """What TRACEPARENT names: whoever started the run."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    given = {name: os.environ.get(name.upper(), "") for name in ("traceparent", "tracestate")}
    return TraceContextTextMapPropagator().extract(given)


def _below(span: Span) -> Context:
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(span)


def _span(
    tracer: Tracer, name: str, at: datetime, attributes: Mapping[str, Any], within: Context | None
) -> Span:
    return tracer.start_span(name, within, attributes=attributes, start_time=_nanoseconds(at))


def _target_span(tracer: Tracer, outcome: TargetOutcome, within: Context) -> None:
    if outcome.started_at is None or outcome.finished_at is None:
        return  # it was never asked
    attributes = {
        "imagelake.account_id": outcome.account_id,
        "cloud.region": outcome.region,
        "imagelake.status": outcome.status,
        "imagelake.pages": outcome.pages,
        "imagelake.builds": outcome.builds_listed,
        "imagelake.requests": outcome.requests,
        "imagelake.throttles": outcome.throttles,
        **({"error.type": outcome.error_code} if outcome.error_code else {}),
    }
    span = _span(tracer, "imagelake.target", outcome.started_at, attributes, within)
    _end(span, outcome.finished_at, outcome.error_message if outcome.status == FAILED else None)


def _end(span: Span, at: datetime, error: str | None = None) -> None:
    from opentelemetry.trace import StatusCode

    if error is not None:
        span.set_status(StatusCode.ERROR, error)
    span.end(_nanoseconds(at))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
