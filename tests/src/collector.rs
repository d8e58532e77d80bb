//! A collector of traces: takes spans by OTLP over HTTP, and keeps them.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::span::SpanKind,
};
use prost::Message;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{net::TcpListener, task::JoinHandle};

/// A span that was received.
#[derive(Clone, Debug)]
pub struct ReceivedSpan {
    /// The address of the node that recorded it.
    pub node: String,
    /// Its name, such as `commit`.
    pub name: String,
    /// Whether it is the entry of a node, the exit, or neither.
    pub kind: SpanKind,
    /// The id of its trace, in hexadecimal.
    pub trace: String,
    /// Its own id, in hexadecimal.
    pub id: String,
    /// The id of its parent, in hexadecimal; empty without one.
    pub parent: String,
    attributes: Vec<KeyValue>,
}

impl ReceivedSpan {
    /// The text or the number of an attribute, as a text; empty without it.
    pub fn attribute(&self, name: &str) -> String {
        text(&self.attributes, name)
    }
}

/// The text or the number of an attribute, as a text; empty without it.
fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => other.map_or_else(String::new, |other| format!("{other:?}")),
    }
}

type Spans = Arc<Mutex<Vec<ReceivedSpan>>>;

/// A collector on loopback. It ends when it is dropped.
pub struct Collector {
    url: String,
    spans: Spans,
    serving: JoinHandle<()>,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let addr = listener.local_addr().expect("it is bound");
        let spans = Spans::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the collector serves");
        });
        Self { url: format!("http://{addr}"), spans, serving }
    }

    /// Its address, as `--otlp-endpoint` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The spans of a trace that arrived so far.
    pub fn trace(&self, id: &str) -> Vec<ReceivedSpan> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|span| span.trace == id).cloned().collect()
    }

    /// All spans that arrived so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut received = spans.lock().unwrap_or_else(PoisonError::into_inner);
    for resource in request.resource_spans {
        let node = resource.resource.map(|resource| text(&resource.attributes, "service.instance.id"));
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.push(ReceivedSpan {
                node: node.clone().unwrap_or_default(),
                kind: span.kind(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                attributes: span.attributes,
            });
        }
    }
    StatusCode::OK
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
