"""Spans as an exporter in memory has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["Spans"]


class _Beginning(SpanProcessor):
    """Notes the names of spans as they begin."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._names.append(span.name)


class Spans:
    """A tracer provider, and the spans that have ended.

    Attributes:
        provider: the tracer provider.
        begun: the names of all spans, ended or not.
    """

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.begun: list[str] = []
        self.provider = TracerProvider()
        self.provider.add_span_processor(_Beginning(self.begun))
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    @property
    def names(self) -> list[str]:
        """The names in the order of their beginning."""
        return [span.name for span in sorted(self.all, key=lambda span: span.start_time or 0)]

    def of(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.of(name)
        return span

    def below(self, parent: ReadableSpan) -> list[str]:
        """The names of its children, in the order of their beginning."""
        own = parent.context.span_id
        children = [each for each in self.all if each.parent is not None and each.parent.span_id == own]
        return [each.name for each in sorted(children, key=lambda span: span.start_time or 0)]

    def tree(self, parent: ReadableSpan, depth: int = 0) -> list[str]:
        """The names of a span and of all below it, indented."""
        own = parent.context.span_id
        children = [each for each in self.all if each.parent is not None and each.parent.span_id == own]
        lines = ["  " * depth + parent.name]
        for each in sorted(children, key=lambda span: span.start_time or 0):
            lines += self.tree(each, depth + 1)
        return lines

    def texts(self) -> Iterator[str]:
        """Everything that is exported, as text."""
        for span in self.all:
            yield span.to_json()
            yield repr(span.events)
            yield repr(span.links)
            yield repr(span.status.description)
            yield repr(span.resource.attributes)
