//! Decides whether a commit may have changed a file: by its receipt, and by who held the file when it was made.

use super::{
    claim_history::{History, Holding},
    receipt::Receipt,
};
use uuid::Uuid;

/// How far a commit's clock and the cluster's may be apart, in milliseconds.
const MAX_SKEW_MS: i64 = 5 * 60 * 1_000;

/// Git knows the second of a commit, which may have been made at the end of it.
const WITHIN_SECOND_MS: i64 = 999;

/// The receipts and the times of a commit.
#[derive(Clone, Debug)]
pub(crate) struct MadeCommit {
    /// The receipts in its message.
    pub(crate) receipts: Vec<Receipt>,
    /// When its change was made, in milliseconds since 1970: rebasing keeps this time.
    pub(crate) authored: i64,
    /// When the commit was made, in milliseconds since 1970.
    pub(crate) committed: i64,
}

/// The sessions and features whose files the commits may change without a receipt.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// Sessions that were named, or that work on the branch.
    pub(crate) sessions: Vec<Uuid>,
    /// Features that are called like the branch.
    pub(crate) features: Vec<Uuid>,
}

impl Accepted {
    /// Whether what this session holds, for this feature if for any, may be changed.
    pub(crate) fn has(&self, session: Uuid, feature: Option<Uuid>) -> bool {
        self.sessions.contains(&session) || feature.is_some_and(|feature| self.features.contains(&feature))
    }
}

/// The standing of one file in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof<'a> {
    /// A receipt of the commit names a session and a fence that held the file then.
    Receipt,
    /// The commit is older than the history that the cluster keeps.
    TooOld,
    /// No receipt holds, and nobody held the file.
    Unheld,
    /// No receipt holds, and a session held the file that works on this branch, or for the feature of this branch.
    OnBranch(&'a Holding),
    /// No receipt holds, and another session held the file.
    HeldByOther(&'a Holding),
}

/// The standing of a file, known by any of these names, in a commit.
pub(crate) fn proof<'a>(
    commit: &MadeCommit,
    names: &[String],
    history: &'a History,
    accepted: &Accepted,
) -> Proof<'a> {
    let last = commit.authored.max(commit.committed);
    // A claim of any time before counts: a squashed commit is made anew, long after its parts.
    let is_receipted = |holding: &Holding| {
        holding.began_by(last + MAX_SKEW_MS)
            && commit.receipts.iter().any(|receipt| {
                receipt.session == holding.session && holding.fence.is_none_or(|fence| fence <= receipt.fence)
            })
    };
    if history.of_file(names).any(is_receipted) {
        return Proof::Receipt;
    }
    if history.is_too_old(last + WITHIN_SECOND_MS) {
        return Proof::TooOld;
    }
    // A rebase makes a commit anew: it counts when the change was made, and when the commit was.
    let held =
        |at: i64| history.of_file(names).filter(move |holding| holding.overlaps(at, at + WITHIN_SECOND_MS));
    let holdings = || held(commit.authored).chain(held(commit.committed));
    let other = holdings().find(|holding| !accepted.has(holding.session, holding.feature));
    match (other, holdings().next()) {
        (Some(holding), _) => Proof::HeldByOther(holding),
        (None, Some(holding)) => Proof::OnBranch(holding),
        (None, None) => Proof::Unheld,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::claim_history::{change, of_changes},
        *,
    };

    const MINUTE: i64 = 60_000;
    const ANA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);

    fn made(at: i64, receipts: &[(Uuid, u64)]) -> MadeCommit {
        let receipts = receipts.iter().map(|&(session, fence)| Receipt { session, fence }).collect();
        MadeCommit { receipts, authored: at * MINUTE, committed: at * MINUTE }
    }

    /// Ana held the file from minute 100 to 200, and Ben holds it from minute 210 on. Nothing before minute 0 is kept.
    fn history() -> History {
        let changes = vec![
            change(ANA, Some(5), 100 * MINUTE),
            change(ANA, None, 200 * MINUTE),
            change(BEN, Some(9), 210 * MINUTE),
        ];
        of_changes(changes, Some(change(ANA, None, 0).at))
    }

    fn proven<'a>(commit: &MadeCommit, history: &'a History, accepted: &Accepted) -> Proof<'a> {
        proof(commit, &["a.rs".to_owned()], history, accepted)
    }

    #[test]
    fn a_receipt_counts_for_what_its_session_held_by_then() {
        let history = history();
        let by = |at, receipts: &[_]| proven(&made(at, receipts), &history, &Accepted::default());
        assert_eq!(by(150, &[(ANA, 5)]), Proof::Receipt);
        // A squashed commit has several receipts, and is made after its parts. Clocks may differ.
        assert_eq!(by(400, &[(BEN, 1), (ANA, 7)]), Proof::Receipt);
        assert_eq!(by(97, &[(ANA, 5)]), Proof::Receipt);
        // Another session's, one from before the claim, and one of a claim that came much later.
        assert!(matches!(by(150, &[(BEN, 9)]), Proof::HeldByOther(holding) if holding.session == ANA));
        assert!(matches!(by(150, &[(ANA, 4)]), Proof::HeldByOther(_)));
        assert_eq!(by(90, &[(ANA, 5)]), Proof::Unheld);
    }

    #[test]
    fn a_rebased_commit_keeps_its_receipt() {
        let history = history();
        let mut commit = made(150, &[(ANA, 5)]);
        commit.committed = 500 * MINUTE;
        assert_eq!(proven(&commit, &history, &Accepted::default()), Proof::Receipt);
        commit.receipts.clear();
        assert!(matches!(proven(&commit, &history, &Accepted::default()), Proof::HeldByOther(_)));
    }

    #[test]
    fn without_a_receipt_it_counts_who_held_the_file() {
        let history = history();
        let branch = Accepted { sessions: vec![ANA], features: Vec::new() };
        assert!(matches!(proven(&made(150, &[]), &history, &branch), Proof::OnBranch(_)));
        assert!(matches!(proven(&made(300, &[]), &history, &branch), Proof::HeldByOther(_)));
        assert_eq!(proven(&made(50, &[]), &history, &branch), Proof::Unheld);
        assert_eq!(proven(&made(-10, &[]), &history, &branch), Proof::TooOld);
    }
}
