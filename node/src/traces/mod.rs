//! Sends the spans of requests to a collector by OTLP over HTTP, where the settings name one. Nothing waits for that:
//! spans that the collector does not take in time are lost, and a request never is.
//!
//! - [`sampler`]: which requests are traced.
//! - [`client`]: sends the spans on the node's runtime.
//! - This file: puts both together, and logs failures.
//!
//! Source of the protocol: <https://opentelemetry.io/docs/specs/otlp/>.

mod client;
mod sampler;

use anyhow::Context;
use client::Client;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanExporter},
};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::runtime::Handle;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Registry, filter::FilterFn};

/// Spans that may wait to be sent, some kilobytes each; those beyond that are lost.
const MAX_WAITING: usize = 4_096;
/// Spans in one request to the collector.
const BATCH: usize = 512;
/// Longest wait of a span until it is sent.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest time for the last spans when the node stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The time between two log lines about spans that could not be sent.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The settings of traces.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The address of the collector.
    pub endpoint: reqwest::Url,
    /// The share of requests that are traced, from 0 to 1, of those whose client does not say it.
    pub ratio: f64,
}

/// The traces of this process, while they are sent.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send traces, as the node that clients reach at an address.
    ///
    /// # Errors
    /// When the client for the collector cannot be set up. Whether the collector answers is found out later.
    pub fn start(settings: &TraceSettings, client_addr: &str, runtime: &Handle) -> anyhow::Result<Self> {
        let exporter = OtlpExporter::builder()
            .with_http()
            .with_http_client(Client::new(runtime)?)
            .with_endpoint(settings.endpoint.as_str())
            .build()
            .context("cannot set up the sending of traces")?;
        let exporter = LoggedExporter { exporter, logged: Mutex::default() };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(PAUSE)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        // With the attributes of OTEL_RESOURCE_ATTRIBUTES, which every program with traces takes.
        let resource = Resource::builder()
            .with_service_name("nexusd")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", client_addr.to_owned()))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler::requests(settings.ratio))
            .with_span_processor(processor)
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// The layer that records spans.
    pub fn layer(&self) -> OpenTelemetryLayer<Registry, SdkTracer> {
        // Places in the source and numbers of threads would be most of a span, and help nobody who operates it.
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("nexusd"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
    }

    /// Sends what is left, for a bounded time.
    pub fn stop(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(STOP_TIMEOUT) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// The filter for what is recorded: the spans of this program, and no events. Log lines may have paths and names in
/// them, which the collector shall not get.
pub fn recorded() -> FilterFn {
    FilterFn::new(|metadata| metadata.is_span() && metadata.target().starts_with("nexus"))
}

/// An exporter that logs failures, once a minute at most.
#[derive(Debug)]
struct LoggedExporter {
    exporter: OtlpExporter,
    /// When a failure was last logged.
    logged: Mutex<Option<Instant>>,
}

impl SpanExporter for LoggedExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent {
            let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
            if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                *logged = Some(Instant::now());
                tracing::warn!(spans, %error, "traces could not be sent to --otlp-endpoint; these spans are lost");
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
