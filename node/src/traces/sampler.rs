//! Decides which requests are traced: a share of those that begin a trace here, and of those that continue one, those
//! whose client or node records it.

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceId},
};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

/// The sampler of a node that traces this share of its requests, from 0 to 1.
pub(super) fn requests(ratio: f64) -> Sampler {
    Sampler::ParentBased(Box::new(Requests(Sampler::TraceIdRatioBased(ratio))))
}

/// Samples requests. What a node does by itself, such as applying entries, begins no trace.
#[derive(Clone, Debug)]
struct Requests(Sampler);

impl ShouldSample for Requests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = if *kind == SpanKind::Server { &self.0 } else { &Sampler::AlwaysOff };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::trace::SamplingDecision;

    #[test]
    fn requests_are_traced_and_the_nodes_own_work_is_not() {
        let decision = |ratio, kind| {
            let trace = TraceId::from(u128::MAX / 2);
            requests(ratio).should_sample(None, trace, "x", &kind, &[], &[]).decision
        };
        assert_eq!(decision(1.0, SpanKind::Server), SamplingDecision::RecordAndSample);
        assert_eq!(decision(1.0, SpanKind::Internal), SamplingDecision::Drop);
        assert_eq!(decision(0.0, SpanKind::Server), SamplingDecision::Drop);
    }
}
