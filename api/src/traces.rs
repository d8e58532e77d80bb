//! Traces of requests: a request continues the trace that its client began, and its work on other nodes continues in
//! the same trace. This module makes spans and sends none: the node sends them where it has a collector.

use axum::http::{HeaderMap, Method};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{Status, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde::{Deserialize, Serialize};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Longest `tracestate` that is passed on, in bytes: the least that the specification asks of everybody (section
/// 3.3.1.5).
const MAX_STATE: usize = 512;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// The trace of a request and the span in it that continues elsewhere, as the headers of W3C Trace Context have them.
/// Source: <https://www.w3.org/TR/trace-context/>.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The header `traceparent`: the ids of the trace and of the span, and whether the trace is recorded.
    pub parent: String,
    /// The header `tracestate`, which belongs to the systems that took part so far; mostly empty.
    pub state: String,
}

impl TraceContext {
    /// The trace that a client began; none when it sent none.
    fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let parent = value(PARENT)?.to_owned();
        Some(Self { parent, state: value(STATE).unwrap_or_default().to_owned() })
    }

    /// The trace and the span that this task works in; none when they are not recorded.
    pub fn current() -> Option<Self> {
        let context = Span::current().context();
        if !context.span().span_context().is_sampled() {
            return None;
        }
        let mut current = Self::default();
        TraceContextPropagator::new().inject_context(&context, &mut current);
        Some(current)
    }

    /// Lets a span that has not begun yet continue this trace. Without a trace that can be read, it begins one.
    pub fn continue_in(&self, span: &Span) {
        if self.state.len() <= MAX_STATE {
            let context = TraceContextPropagator::new().extract_with_context(&Context::new(), self);
            // An error says that nobody records spans, or not this one.
            let _ = span.set_parent(context);
        }
    }
}

impl Extractor for TraceContext {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => Some(&self.parent),
            STATE => Some(&self.state),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

impl Injector for TraceContext {
    fn set(&mut self, key: &str, value: String) {
        match key {
            PARENT => self.parent = value,
            STATE => self.state = value,
            _ => {}
        }
    }
}

/// The span of a request. With `is_traced`, it is the entry of this node in a trace.
pub(crate) fn request_span(
    id: &str,
    method: &Method,
    route: &str,
    headers: &HeaderMap,
    is_traced: bool,
) -> Span {
    // The two fields for traces stay out of the log until they have a value.
    let span = tracing::info_span!("request", id, %method, %route, otel.kind = Empty, otel.name = Empty);
    if is_traced {
        span.record("otel.kind", "server");
        span.record("otel.name", format!("{method} {route}"));
        if let Some(context) = TraceContext::of_headers(headers) {
            context.continue_in(&span);
        }
        span.set_attribute("http.request.method", method.as_str().to_owned());
        span.set_attribute("http.route", route.to_owned());
    }
    span
}

/// Adds the answer to the span of a request.
pub(crate) fn answered(span: &Span, status: u16) {
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.set_status(Status::error(""));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_client_without_a_trace_begins_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::of_headers(&headers), None);
        headers.insert(PARENT, SAMPLED.parse().unwrap());
        headers.insert(STATE, "vendor=1".parse().unwrap());
        let found = TraceContext::of_headers(&headers).unwrap();
        assert_eq!(found, TraceContext { parent: SAMPLED.to_owned(), state: "vendor=1".to_owned() });
    }

    #[test]
    fn where_nobody_records_spans_there_is_no_current_trace() {
        assert_eq!(TraceContext::current(), None);
        let span = request_span("1", &Method::GET, "/api/projects", &HeaderMap::new(), true);
        TraceContext { parent: SAMPLED.to_owned(), state: String::new() }.continue_in(&span);
        span.in_scope(|| assert_eq!(TraceContext::current(), None));
    }
}
