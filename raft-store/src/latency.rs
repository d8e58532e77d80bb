//! Histograms of latencies, which are cheap enough for every entry and every request: two additions to atomics, no
//! lock, no allocation. Knows nothing of how they are shown.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The smallest upper bound is two to the power of this, in nanoseconds: 16.4 µs, less than a flush of any disk.
const SMALLEST_EXPONENT: u32 = 14;
/// Upper bounds, each twice the one before it. The largest one is 17.2 s, longer than any request waits.
const BOUNDS: usize = 21;
/// One bucket below each upper bound, and one for what takes even longer.
const BUCKETS: usize = BOUNDS + 1;

/// Counts how long something took, in buckets whose upper bounds are powers of two. Shared by reference: all methods
/// take `&self`.
#[derive(Debug, Default)]
pub struct LatencyHistogram {
    counts: [AtomicU64; BUCKETS],
    total_nanos: AtomicU64,
}

/// The counts of a [`LatencyHistogram`] at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyCounts {
    /// Each upper bound, in ascending order, with the number of recorded latencies up to it.
    pub buckets: Vec<(Duration, u64)>,
    /// The number of all recorded latencies.
    pub count: u64,
    /// The sum of all recorded latencies.
    pub total: Duration,
}

impl LatencyHistogram {
    /// Counts one latency.
    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        self.total_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The number of recorded latencies.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The sum of all recorded latencies.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_nanos.load(Ordering::Relaxed))
    }

    /// Everything counted so far. A latency that is recorded meanwhile may be part of the counts and not of the total.
    pub fn counts(&self) -> LatencyCounts {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS);
        for (at, counted) in self.counts.iter().enumerate() {
            count += counted.load(Ordering::Relaxed);
            if at < BOUNDS {
                buckets.push((Duration::from_nanos(1 << (SMALLEST_EXPONENT as usize + at)), count));
            }
        }
        LatencyCounts { buckets, count, total: self.total() }
    }
}

impl LatencyCounts {
    /// The bound below which 99 of 100 latencies are, or the largest one where they are longer; none without a latency.
    pub fn p99(&self) -> Option<Duration> {
        let is_below =
            |(_, up_to): &&(Duration, u64)| up_to.saturating_mul(100) >= self.count.saturating_mul(99);
        let found = self.buckets.iter().find(is_below).or(self.buckets.last());
        found.filter(|_| self.count > 0).map(|(bound, _)| *bound)
    }
}

/// The bucket of a latency, whose upper bound is the first one that is not smaller.
fn bucket_of(nanos: u64) -> usize {
    let above = nanos.saturating_sub(1) >> SMALLEST_EXPONENT;
    ((u64::BITS - above.leading_zeros()) as usize).min(BOUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_counted_below_the_first_bound_that_is_not_smaller() {
        for (nanos, bucket) in [
            (0, 0),
            (1, 0),
            (16_384, 0),
            (16_385, 1),
            (32_768, 1),
            (32_769, 2),
            (1_048_576, 6),
            (1_048_577, 7),
            (1 << 34, BOUNDS - 1),
            ((1 << 34) + 1, BOUNDS),
            (u64::MAX, BOUNDS),
        ] {
            assert_eq!(bucket_of(nanos), bucket, "{nanos} ns");
        }
    }

    #[test]
    fn counts_are_cumulative_and_contain_what_exceeds_every_bound() {
        let histogram = LatencyHistogram::default();
        for micros in [10, 20, 20, 60_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let counts = histogram.counts();
        assert_eq!(counts.count, 4);
        assert_eq!(counts.total, Duration::from_micros(60_000_050));
        assert_eq!(counts.buckets.len(), BOUNDS);
        assert_eq!(counts.buckets[0], (Duration::from_nanos(16_384), 1));
        assert_eq!(counts.buckets[1], (Duration::from_nanos(32_768), 3));
        assert_eq!(counts.buckets[BOUNDS - 1], (Duration::from_nanos(1 << 34), 3));
    }

    #[test]
    fn one_slow_flush_in_a_hundred_does_not_count_and_two_do() {
        let of = |slow: usize| {
            let histogram = LatencyHistogram::default();
            (0..100 - slow).for_each(|_| histogram.record(Duration::from_micros(100)));
            (0..slow).for_each(|_| histogram.record(Duration::from_millis(100)));
            histogram.counts().p99().map(|bound| bound.as_micros())
        };
        assert_eq!((of(0), of(1), of(2)), (Some(131), Some(131), Some(134_217)));
        assert_eq!(LatencyHistogram::default().counts().p99(), None);
    }

    #[test]
    fn latencies_longer_than_centuries_do_not_overflow() {
        let histogram = LatencyHistogram::default();
        histogram.record(Duration::MAX);
        histogram.record(Duration::from_micros(1));
        assert_eq!(histogram.count(), 2);
    }
}
