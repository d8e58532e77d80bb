//! The lengths of leases: none ends before its length has passed since the last acknowledged beat, neither in cluster
//! time nor in the time of its holder.

use crate::{
    Violation,
    history::{Beat, SessionEnd, SessionEndKind},
};

/// The name of this oracle in violations.
const ORACLE: &str = "leases";

/// How much a holder's clock may run slower than the clocks of the nodes, so that a lease looks shorter to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeaseTolerance {
    /// The drift in millionths.
    pub drift_ppm: u64,
    /// The error of a measured time in microseconds.
    pub error_us: u64,
}

/// Checks each end against the last beat of its session that was acknowledged before it. Without an index, a beat
/// counts if its acknowledgement had arrived before the end.
pub fn check_leases(beats: &[Beat], ends: &[SessionEnd], tolerance: LeaseTolerance) -> Vec<Violation> {
    let mut violations = Vec::new();
    for end in ends {
        let counts = |beat: &&Beat| {
            beat.session == end.session
                && match (beat.revision, end.revision, end.at_us) {
                    (Some(beat), Some(end), _) => beat < end,
                    (_, _, Some(at)) => beat.acknowledged_us <= at,
                    (_, _, None) => false,
                }
        };
        let before = || beats.iter().filter(counts);
        if let Some(cluster_ms) = end.cluster_ms {
            let latest = before().filter_map(|beat| Some((beat.cluster_ms?, beat))).max_by_key(|(at, _)| *at);
            if let Some((at, beat)) = latest.filter(|(at, beat)| cluster_ms < at + length(beat, end.kind)) {
                let message = format!(
                    "{} ended at cluster time {cluster_ms} ms (index {:?}), {} ms after the beat at {at} ms (index {:?}) \
                     that granted {} ms",
                    what(end),
                    end.revision,
                    cluster_ms.saturating_sub(at),
                    beat.revision,
                    length(beat, end.kind)
                );
                violations.push(Violation::new(ORACLE, "a lease is not shortened in cluster time", message));
            }
        }
        if let Some((at_us, beat)) = end.at_us.zip(before().max_by_key(|beat| beat.sent_us)) {
            let granted_us = length(beat, end.kind) * 1_000;
            let least = granted_us - granted_us * tolerance.drift_ppm / 1_000_000;
            if at_us + tolerance.error_us < beat.sent_us + least {
                let message = format!(
                    "{} ended at {at_us} us of its holder's time, {} us after the beat was sent at {} us (acknowledged at \
                     {} us) that granted {granted_us} us",
                    what(end),
                    at_us.saturating_sub(beat.sent_us),
                    beat.sent_us,
                    beat.acknowledged_us
                );
                violations.push(Violation::new(
                    ORACLE,
                    "a lease is not shortened in its holder's time",
                    message,
                ));
            }
        }
    }
    violations
}

/// The milliseconds that a beat has granted until this end.
const fn length(beat: &Beat, kind: SessionEndKind) -> u64 {
    match kind {
        SessionEndKind::Lease => beat.lease_ms,
        SessionEndKind::Grace => beat.lease_ms + beat.grace_ms,
    }
}

fn what(end: &SessionEnd) -> String {
    match end.kind {
        SessionEndKind::Lease => format!("the lease of session {}", end.session),
        SessionEndKind::Grace => format!("the grace of session {}", end.session),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(sent_us: u64, revision: u64, cluster_ms: u64) -> Beat {
        Beat {
            session: "s".to_owned(),
            sent_us,
            acknowledged_us: sent_us + 1_000,
            revision: Some(revision),
            cluster_ms: Some(cluster_ms),
            lease_ms: 100,
            grace_ms: 200,
        }
    }

    fn end(kind: SessionEndKind, at_us: u64, revision: u64, cluster_ms: u64) -> SessionEnd {
        let (at_us, revision, cluster_ms) = (Some(at_us), Some(revision), Some(cluster_ms));
        SessionEnd { session: "s".to_owned(), kind, at_us, revision, cluster_ms }
    }

    fn promises(beats: &[Beat], end: SessionEnd) -> Vec<String> {
        let found = check_leases(beats, &[end], LeaseTolerance::default());
        found.into_iter().map(|violation| violation.promise).collect()
    }

    const CLUSTER: &str = "a lease is not shortened in cluster time";
    const HOLDER: &str = "a lease is not shortened in its holder's time";

    #[test]
    fn a_lease_that_lasts_its_length_passes() {
        let beats = [beat(0, 1, 50), beat(40_000, 2, 90)];
        assert!(promises(&beats, end(SessionEndKind::Lease, 140_000, 5, 190)).is_empty());
        assert!(promises(&beats, end(SessionEndKind::Grace, 340_000, 6, 390)).is_empty());
        // This beat came too late to count.
        let late = [beat(0, 1, 50), beat(145_000, 7, 192)];
        assert!(promises(&late, end(SessionEndKind::Lease, 150_000, 5, 190)).is_empty());
    }

    #[test]
    fn a_shortened_lease_is_found_in_either_time() {
        let beats = [beat(0, 1, 50), beat(40_000, 2, 90)];
        assert_eq!(promises(&beats, end(SessionEndKind::Lease, 140_000, 5, 189)), [CLUSTER]);
        assert_eq!(promises(&beats, end(SessionEndKind::Lease, 139_000, 5, 190)), [HOLDER]);
        assert_eq!(promises(&beats, end(SessionEndKind::Grace, 140_000, 5, 190)), [CLUSTER, HOLDER]);
    }

    #[test]
    fn without_indexes_the_acknowledgement_decides() {
        let unnumbered = |beat: Beat| Beat { revision: None, cluster_ms: None, ..beat };
        let seen = |at_us| SessionEnd {
            revision: None,
            cluster_ms: None,
            ..end(SessionEndKind::Lease, at_us, 0, 0)
        };
        let beats = [unnumbered(beat(0, 1, 0)), unnumbered(beat(50_000, 2, 0))];
        assert_eq!(promises(&beats, seen(149_000)), [HOLDER]);
        assert!(promises(&beats, seen(150_000)).is_empty());
        let tolerance = LeaseTolerance { drift_ppm: 10_000, error_us: 0 };
        assert!(check_leases(&beats, &[seen(149_000)], tolerance).is_empty());
    }
}
