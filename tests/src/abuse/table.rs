//! The figures of all kinds, side by side, for people.

use super::verdict::AttackResult;
use std::fmt::{self, Display};

/// The line above the rows of the table.
pub struct Head;

impl Display for Head {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:<14}{:>10}{:>10} |{:>8}{:>9}{:>9}{:>9} |{:>8}{:>9}{:>9} | within the bar?",
            "", "", "", "honest", "p50", "p99", "max", "leases", "peak", "stopped"
        )?;
        write!(
            out,
            "\n{:<14}{:>10}{:>10} |{:>8}{:>9}{:>9}{:>9} |{:>8}{:>9}{:>9} | answers other than 2xx",
            "kind", "sent", "refused", "writes", "ms", "ms", "ms", "lost", "MiB", "ms"
        )
    }
}

/// Writes a kind in two lines: whether it is within the bar, and the answers that the attacker got.
pub struct Row<'a> {
    /// The measurements of one kind.
    pub verdict: &'a AttackResult,
    /// Whether the run is short, so that durations do not count.
    pub is_short: bool,
}

impl Display for Row<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttackResult { kind, attacker, writes, leases_lost, peak_kib, stop_ms, .. } = self.verdict;
        let is_success = |answer: &str| answer.starts_with(['1', '2']);
        let refused = attacker.answers.iter().filter(|(answer, _)| !is_success(answer));
        let count: u64 = refused.clone().map(|(_, count)| count).sum();
        let missed = self.verdict.missed(self.is_short);
        let missed = if missed.is_empty() { "yes".to_owned() } else { format!("NO: {}", missed.join("; ")) };
        write!(
            out,
            "{:<14}{:>10}{count:>10} |{:>8}{:>9.1}{:>9.1}{:>9.1} |{leases_lost:>8}{:>9}{stop_ms:>9} | {missed}",
            kind.name(),
            attacker.sent,
            writes.count,
            writes.p50_ms,
            writes.p99_ms,
            writes.max_ms,
            peak_kib >> 10,
        )?;
        let answers: Vec<String> = refused.map(|(answer, count)| format!("{count} × {answer}")).collect();
        let answers: Vec<String> = answers.into_iter().chain(attacker.notes.iter().cloned()).collect();
        if !answers.is_empty() {
            write!(out, "\n{:<14}  {}", "", answers.join(", "))?;
        }
        Ok(())
    }
}
