//! The cluster's history of claims, as spans of time in which sessions held files.

use super::checkout;
use crate::{client::Request, context::Context, error::Error};
use nexus_api_types::{
    Code, Moment,
    claim::{Claim, ClaimChange, ClaimChanges, ClaimHistory},
};
use std::collections::HashMap;
use uuid::Uuid;

/// Paths of one request: a server takes five times as many.
const MAX_PATHS: usize = 2_000;

/// A claim of a session that collided with a file, from when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// The session that held it.
    pub(crate) session: Uuid,
    /// The agent of the session.
    pub(crate) agent: Option<String>,
    /// The name of the engineer whose session it was.
    pub(crate) engineer: String,
    /// The feature that it was held for.
    pub(crate) feature: Option<Uuid>,
    /// The fence under which the span began; `None` if that was before the history begins.
    pub(crate) fence: Option<u64>,
    /// When it was claimed; `None` if that was before the history begins.
    pub(crate) from: Option<Moment>,
    /// When it was released; `None` if it is held now.
    pub(crate) until: Option<Moment>,
}

impl Holding {
    /// Whether it was held at any time from `first` to `last`, in milliseconds since 1970.
    pub(crate) fn overlaps(&self, first: i64, last: i64) -> bool {
        self.began_by(last) && self.until.is_none_or(|until| first <= until.0.0)
    }

    /// Whether it was claimed at this time or before, in milliseconds since 1970.
    pub(crate) fn began_by(&self, time: i64) -> bool {
        self.from.is_none_or(|from| from.0.0 <= time)
    }
}

/// The identity of a claim: session, feature, the file that was asked about, and the claimed pattern.
type ClaimId = (Uuid, Option<Uuid>, String, String);

/// The spans in which files were held, as far back as the cluster knows.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The spans of each file, in the order in which they began.
    holdings: HashMap<String, Vec<Holding>>,
    /// The spans that have not ended, as positions among those of their file.
    open: HashMap<ClaimId, usize>,
    /// The time of the oldest event that is kept; `None` if there is none.
    kept_since: Option<Moment>,
    /// Whether the server has the history at all: an older one has not.
    pub(crate) is_known: bool,
}

impl History {
    /// The spans of a file that is known by any of these names.
    pub(crate) fn of_file(&self, names: &[String]) -> impl Iterator<Item = &Holding> {
        names.iter().filter_map(|name| self.holdings.get(name)).flatten()
    }

    /// Whether what happened at this time, in milliseconds since 1970, is no longer kept.
    pub(crate) fn is_too_old(&self, time: i64) -> bool {
        self.kept_since.is_none_or(|kept| time < kept.0.0)
    }

    /// Adds a change, in the order of the history.
    fn add(&mut self, change: ClaimChange) {
        let id = (change.session_id, change.feature_id, change.path.clone(), change.file_path.clone());
        let spans = self.holdings.entry(change.path.clone()).or_default();
        match (change.held, self.open.get(&id).copied()) {
            // The same claim once more, in another mode: the span goes on.
            (true, Some(_)) => {}
            (true, None) => {
                self.open.insert(id, spans.len());
                spans.push(begun(change));
            }
            (false, Some(at)) => {
                if let Some(span) = spans.get_mut(at) {
                    span.until = Some(change.at);
                }
                self.open.remove(&id);
            }
            // It was claimed before the history begins.
            (false, None) => {
                let until = Some(change.at);
                spans.push(Holding { from: None, until, ..begun(change) });
            }
        }
    }

    /// Adds what is held now: a claim may be older than the history.
    pub(crate) fn add_present(&mut self, path: &str, claim: &Claim) {
        let id = (claim.session_id, claim.feature_id, path.to_owned(), claim.file_path.clone());
        if self.open.contains_key(&id) {
            return;
        }
        let spans = self.holdings.entry(path.to_owned()).or_default();
        self.open.insert(id, spans.len());
        spans.push(Holding {
            session: claim.session_id,
            agent: claim.agent.clone(),
            engineer: claim.engineer_name.clone(),
            feature: claim.feature_id,
            fence: Some(claim.fence),
            from: Some(claim.claimed_at),
            until: None,
        });
    }
}

/// The span that a change begins.
fn begun(change: ClaimChange) -> Holding {
    Holding {
        session: change.session_id,
        agent: change.agent,
        engineer: change.engineer_name,
        feature: change.feature_id,
        fence: change.fence,
        from: Some(change.at),
        until: None,
    }
}

/// Reads who held these files when. A server that does not know the route has no history. Names that nobody can claim
/// have none, either.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn read(context: &Context<'_>, project: Uuid, names: &[String]) -> Result<History, Error> {
    let mut history = History { is_known: true, ..History::default() };
    let names: Vec<String> = names.iter().filter(|name| checkout::is_claimable(name)).cloned().collect();
    for paths in names.chunks(MAX_PATHS) {
        let mut since = None;
        loop {
            let body = ClaimHistory { paths: paths.to_vec(), since };
            let request = Request::post(format!("/projects/{project}/claims/history")).body(&body);
            let page: ClaimChanges = match context.client.send(request).await {
                Ok(answer) => answer.parse()?,
                Err(Error::Refused(refused))
                    if matches!(refused.body.code, Code::NotFound | Code::MethodNotAllowed) =>
                {
                    return Ok(History::default());
                }
                Err(error) => return Err(error),
            };
            history.kept_since = history.kept_since.or(page.kept_since);
            page.items.into_iter().for_each(|change| history.add(change));
            if !page.has_more || since == Some(page.next_since) {
                break;
            }
            since = Some(page.next_since);
        }
    }
    Ok(history)
}

/// A history for tests: these changes, kept since a time.
#[cfg(test)]
pub(super) fn of_changes(changes: Vec<ClaimChange>, kept_since: Option<Moment>) -> History {
    let mut history = History { is_known: true, kept_since, ..History::default() };
    changes.into_iter().for_each(|change| history.add(change));
    history
}

/// A change of `a.rs` for tests, at a time in milliseconds since 1970.
#[cfg(test)]
pub(super) fn change(session: Uuid, fence: Option<u64>, at: i64) -> ClaimChange {
    let mut moment = Moment::parse("2026-01-31T12:00:00.000Z").expect("a time");
    moment.0.0 = at;
    ClaimChange {
        path: "a.rs".to_owned(),
        file_path: "*.rs".to_owned(),
        held: fence.is_some(),
        session_id: session,
        agent: None,
        engineer_id: Uuid::from_u128(1),
        engineer_name: "Ana".to_owned(),
        feature_id: None,
        fence,
        revision: 1,
        at: moment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);

    /// Session, fence, beginning and end.
    type Span = (u128, Option<u64>, Option<i64>, Option<i64>);

    fn spans(history: &History) -> Vec<Span> {
        let names = ["a.rs".to_owned()];
        let spans = history.of_file(&names).map(|span| {
            let time = |at: Option<Moment>| at.map(|at| at.0.0);
            (span.session.as_u128(), span.fence, time(span.from), time(span.until))
        });
        spans.collect()
    }

    #[test]
    fn changes_are_folded_into_spans_that_keep_their_first_fence() {
        let history = of_changes(
            vec![
                change(ANA, None, 10),
                change(BEN, Some(7), 20),
                // From shared to exclusive, for instance.
                change(BEN, Some(8), 25),
                change(BEN, None, 30),
                change(ANA, Some(9), 40),
            ],
            None,
        );
        assert_eq!(
            spans(&history),
            [(1, None, None, Some(10)), (2, Some(7), Some(20), Some(30)), (1, Some(9), Some(40), None)]
        );
    }

    #[test]
    fn a_span_overlaps_what_is_within_it() {
        let history = of_changes(vec![change(BEN, Some(7), 20), change(BEN, None, 30)], None);
        let names = ["a.rs".to_owned()];
        let overlaps = |first, last| history.of_file(&names).any(|span| span.overlaps(first, last));
        assert!(overlaps(20, 20) && overlaps(25, 26) && overlaps(0, 100) && overlaps(30, 31));
        assert!(!overlaps(0, 19) && !overlaps(31, 40));
    }
}
