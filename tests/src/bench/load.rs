//! Runs many clients at once for a set time, each with one request at a time. Knows nothing about the servers: both
//! systems get the same clients.

use super::wire::{Connection, Request};
use anyhow::{Context, bail};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Barrier, task::JoinSet, time::Instant};

/// The requests of one client, repeated until the time is over. It ends with a whole round, so that each pick is
/// followed by its release.
#[derive(Clone, Debug)]
pub struct Script {
    /// `host:port` of the node.
    pub addr: String,
    /// The requests of one round.
    pub round: Vec<Request>,
    /// Text that each answer has to contain, if the status alone does not show a success.
    pub expected: Option<&'static str>,
}

/// The parts of a measurement in time.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Time that is not counted: connections are made, keys are verified, caches are filled.
    pub warm_up: Duration,
    /// Time whose operations are counted, after the warm-up.
    pub counted: Duration,
}

/// The measurements of the clients.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The number of answers within the counted time.
    pub answers: usize,
    /// Answers a second.
    pub per_second: f64,
    /// The median time to an answer.
    pub median: Duration,
    /// The 99th percentile of the durations.
    pub p99: Duration,
}

/// Runs the scripts of all clients at once.
///
/// # Errors
/// The first failure of any client: with failures, the figures would mean something else.
pub async fn run(scripts: &[Script], span: Span) -> anyhow::Result<Measured> {
    let start = Arc::new(Barrier::new(scripts.len()));
    let mut clients = JoinSet::new();
    for script in scripts.iter().cloned() {
        clients.spawn(client(script, start.clone(), span));
    }
    let mut latencies = Vec::new();
    while let Some(ended) = clients.join_next().await {
        latencies.extend(ended.context("a client panicked")??);
    }
    latencies.sort_unstable();
    Ok(Measured {
        answers: latencies.len(),
        #[allow(clippy::cast_precision_loss)]
        per_second: latencies.len() as f64 / span.counted.as_secs_f64(),
        median: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
    })
}

async fn client(script: Script, start: Arc<Barrier>, span: Span) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(&script.addr).await?;
    start.wait().await;
    let begin = Instant::now() + span.warm_up;
    let end = begin + span.counted;
    let mut latencies = Vec::new();
    let mut sent = Instant::now();
    while sent < end {
        for request in &script.round {
            let body = connection.send(request).await?;
            let is_expected = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
            if !script.expected.is_none_or(is_expected) {
                bail!("an answer that is no success: {}", String::from_utf8_lossy(body));
            }
            let answered = Instant::now();
            if answered >= begin && answered < end {
                latencies.push(answered - sent);
            }
            sent = answered;
        }
    }
    Ok(latencies)
}

/// The given percentile of the values; zero without values.
pub fn percentile(sorted: &[Duration], of_hundred: usize) -> Duration {
    let rank = (sorted.len() * of_hundred).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(100));
        assert_eq!(percentile(&values, 99), Duration::from_millis(198));
        assert_eq!(percentile(&values[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
