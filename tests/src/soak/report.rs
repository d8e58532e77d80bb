//! The figures of all episodes of a soak.

use super::{episode::EpisodeReport, nemesis::Kind};
use std::{collections::BTreeMap, fmt};

/// The figures of a soak.
#[derive(Default)]
pub struct Report {
    /// The episodes so far.
    pub episodes: Vec<EpisodeReport>,
}

impl Report {
    /// Whether no promise was broken, and everything was there to say so.
    pub fn is_good(&self) -> bool {
        let is_good = |episode: &EpisodeReport| {
            episode.judgement.violations.is_empty() && episode.judgement.entries.is_some()
        };
        self.episodes.iter().all(is_good)
    }

    fn sum(&self, of: impl Fn(&EpisodeReport) -> u64) -> u64 {
        self.episodes.iter().map(of).sum()
    }
}

/// The value below which this share of all values lies, in percent.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1).min(last)).copied()
}

fn gaps(f: &mut fmt::Formatter<'_>, title: &str, gaps: impl Iterator<Item = u64>) -> fmt::Result {
    let mut gaps: Vec<u64> = gaps.collect();
    gaps.sort_unstable();
    let (Some(median), Some(most), Some(longest)) =
        (percentile(&gaps, 50), percentile(&gaps, 99), gaps.last())
    else {
        return Ok(());
    };
    writeln!(
        f,
        "{title}: median {median} ms, 99th percentile {most} ms, longest {longest} ms, of {}",
        gaps.len()
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.sum(|episode| episode.seconds);
        writeln!(f, "{} episodes in {} min {} s", self.episodes.len(), seconds / 60, seconds % 60)?;
        let operations = self.sum(|episode| episode.judgement.operations as u64);
        let answered = self.sum(|episode| episode.judgement.answered as u64);
        writeln!(f, "operations: {operations}, {answered} of them with a certain answer")?;
        let entries = self.sum(|episode| episode.judgement.entries.unwrap_or(0) as u64);
        let without = self.episodes.iter().filter(|episode| episode.judgement.entries.is_none()).count();
        let modelled = self.sum(|episode| episode.judgement.modelled.0);
        writeln!(
            f,
            "log entries: {entries}, {modelled} of them compared with the model; {without} episodes without a whole log"
        )?;
        let judged = self.sum(|episode| episode.judgement.opinions.0 as u64);
        let undecided = self.sum(|episode| episode.judgement.opinions.1 as u64);
        writeln!(f, "features, paths and sessions without the log: {judged}, {undecided} of them undecided")?;
        let (beats, ends) = (
            self.sum(|episode| episode.judgement.leases.0 as u64),
            self.sum(|episode| episode.judgement.leases.1 as u64),
        );
        writeln!(f, "leases: {beats} acknowledged beats, {ends} ends that nobody asked for")?;
        let mut faults: BTreeMap<Kind, u64> = BTreeMap::new();
        for (kind, count) in self.episodes.iter().flat_map(|episode| &episode.faults) {
            *faults.entry(*kind).or_default() += count;
        }
        let faults: Vec<String> = faults.iter().map(|(kind, count)| format!("{kind:?} {count}")).collect();
        writeln!(f, "faults: {}", faults.join(", "))?;
        gaps(
            f,
            "leader killed to the first write",
            self.episodes.iter().flat_map(|episode| episode.gaps_ms.clone()),
        )?;
        gaps(
            f,
            "the same among other faults",
            self.episodes.iter().flat_map(|episode| episode.gaps_among_faults_ms.clone()),
        )?;
        for episode in &self.episodes {
            for violation in episode.judgement.violations.iter().take(5) {
                let short: String = violation.chars().take(2_000).collect();
                writeln!(f, "BROKEN in the episode with seed {}: {short}", episode.seed)?;
            }
        }
        writeln!(
            f,
            "{}",
            if self.is_good() {
                "no promise was broken"
            } else {
                "promises were broken, or a log is not whole"
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (Some(50), Some(99)));
        assert_eq!((percentile(&[7], 99), percentile(&[], 50)), (Some(7), None));
    }
}
