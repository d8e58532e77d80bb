//! Decides whether a commit may have changed a file: by its receipt, and by who held the file when it was made.

use super::{
    claim_history::{History, Holding},
    receipt::Receipt,
};
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

/// The standing of one file in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof<'a> {
    /// A receipt of the commit names a session and a fence that held the file then.
    Receipt,
    /// The commit is older than the history that the cluster keeps.
    TooOld,
    /// No receipt holds, and nobody held the file.
    Unheld,
    /// No receipt holds, and a session held the file.
    Held(&'a Holding),
}

/// The standing of a file, known by any of these names, in a commit.
pub(crate) fn proof<'a>(commit: &MadeCommit, names: &[String], history: &'a History) -> Proof<'a> {
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
    let held = |at: i64| history.of_file(names).find(|holding| holding.overlaps(at, at + WITHIN_SECOND_MS));
    held(commit.authored).or_else(|| held(commit.committed)).map_or(Proof::Unheld, Proof::Held)
}

#[cfg(test)]
mod tests {
    use super::{
        super::claim_history::{change, of_changes},
        *,
    };
    use uuid::Uuid;

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

    fn proven<'a>(commit: &MadeCommit, history: &'a History) -> Proof<'a> {
        proof(commit, &["a.rs".to_owned()], history)
    }

    #[test]
    fn a_receipt_counts_for_what_its_session_held_by_then() {
        let history = history();
        let by = |at, receipts: &[_]| proven(&made(at, receipts), &history);
        assert_eq!(by(150, &[(ANA, 5)]), Proof::Receipt);
        // A squashed commit has several receipts, and is made after its parts. Clocks may differ.
        assert_eq!(by(400, &[(BEN, 1), (ANA, 7)]), Proof::Receipt);
        assert_eq!(by(97, &[(ANA, 5)]), Proof::Receipt);
        // Another session's, one from before the claim, and one of a claim that came much later.
        assert!(matches!(by(150, &[(BEN, 9)]), Proof::Held(holding) if holding.session == ANA));
        assert!(matches!(by(150, &[(ANA, 4)]), Proof::Held(_)));
        assert_eq!(by(90, &[(ANA, 5)]), Proof::Unheld);
    }

    #[test]
    fn a_rebased_commit_keeps_its_receipt() {
        let history = history();
        let mut commit = made(150, &[(ANA, 5)]);
        commit.committed = 500 * MINUTE;
        assert_eq!(proven(&commit, &history), Proof::Receipt);
        commit.receipts.clear();
        assert!(matches!(proven(&commit, &history), Proof::Held(_)));
    }

    #[test]
    fn without_a_receipt_it_counts_who_held_the_file() {
        let history = history();
        assert!(matches!(proven(&made(150, &[]), &history), Proof::Held(holding) if holding.session == ANA));
        assert!(matches!(proven(&made(300, &[]), &history), Proof::Held(holding) if holding.session == BEN));
        assert_eq!(proven(&made(50, &[]), &history), Proof::Unheld);
        assert_eq!(proven(&made(-10, &[]), &history), Proof::TooOld);
    }
}
