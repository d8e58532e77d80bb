//! Histograms that count nothing, for openraft alone.
//!
//! openraft keeps statistics of itself, which nobody can read unless its feature `runtime-stats` is on. The crate that
//! it takes for them makes the tables of all 16 scales that it knows at the first use, some 20 MB, of which one is
//! used. This one has its name and as much of its surface as openraft needs to compile. Whoever wants these
//! statistics takes the `[patch]` out of the workspace's Cargo.toml.

use std::{fmt, marker::PhantomData};

/// A stand-in for openraft's histogram, which counts nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram<T = ()>(PhantomData<T>);

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Histogram<T> {
    /// One that counts nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Ignores the value.
    pub const fn record(&mut self, _: u64) {}

    /// Ignores the values.
    pub const fn record_n(&mut self, _: u64, _: u64) {}

    /// The percentiles of no samples.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats::default()
    }
}

/// Percentiles of what was counted: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not counted")
    }
}

/// A stand-in for the plot, which draws nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsciiChart;

impl AsciiChart {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// Returns an empty plot.
    #[must_use]
    pub fn add<T>(self, _: &str, _: Histogram<T>) -> Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not counted")
    }
}
