//! The cluster's history of claims, as spans of time in which sessions held files.

use crate::{client::Request, context::Context, error::Error};
use nexus_api_types::{
    Code, Moment,
    claim::{ClaimChange, ClaimChanges, ClaimHistory},
};
use uuid::Uuid;

/// Paths of one request: a server takes five times as many.
const MAX_PATHS: usize = 2_000;

/// A claim of a session that collided with a file, from when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// The file that was asked about.
    pub(crate) path: String,
    /// The file, folder or glob that was claimed.
    claimed: String,
    /// The session that held it.
    pub(crate) session: Uuid,
    /// The agent of the session.
    pub(crate) agent: Option<String>,
    /// The name of the engineer whose session it was.
    pub(crate) engineer: String,
    /// The feature that it was held for.
    pub(crate) feature: Option<Uuid>,
    /// The fence of the claim; `None` if it was claimed before the history begins.
    pub(crate) fence: Option<u64>,
    /// When it was claimed; `None` if that was before the history begins.
    pub(crate) from: Option<Moment>,
    /// When it was released; `None` if it is held now.
    pub(crate) until: Option<Moment>,
}

impl Holding {
    /// Whether it was held at any time from `first` to `last`, in milliseconds since 1970.
    pub(crate) fn overlaps(&self, first: i64, last: i64) -> bool {
        self.from.is_none_or(|from| from.0.0 <= last) && self.until.is_none_or(|until| first <= until.0.0)
    }
}

/// The spans in which files were held, as far back as the cluster knows.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The spans, in the order in which they began.
    pub(crate) holdings: Vec<Holding>,
    /// The time of the oldest event that is kept; `None` if there is none, or the server is too old to tell.
    pub(crate) kept_since: Option<Moment>,
}

/// Reads who held these files when. A server that does not know the route has no history.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn read(context: &Context<'_>, project: Uuid, names: &[String]) -> Result<History, Error> {
    let mut history = History::default();
    for paths in names.chunks(MAX_PATHS) {
        let (mut changes, mut since) = (Vec::new(), None);
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
            changes.extend(page.items);
            if !page.has_more || since == Some(page.next_since) {
                break;
            }
            since = Some(page.next_since);
        }
        history.holdings.extend(holdings(changes));
    }
    Ok(history)
}

/// The spans that these changes begin and end.
fn holdings(changes: Vec<ClaimChange>) -> Vec<Holding> {
    let mut holdings: Vec<Holding> = Vec::new();
    for change in changes {
        let is_same = |held: &&mut Holding| {
            held.until.is_none()
                && held.session == change.session_id
                && held.feature == change.feature_id
                && held.path == change.path
                && held.claimed == change.file_path
        };
        match (change.held, holdings.iter_mut().rev().find(is_same)) {
            // The same claim once more: in another mode, or under a newer fence.
            (true, Some(held)) => held.fence = change.fence,
            (true, None) => holdings.push(of_change(change, None)),
            (false, Some(held)) => held.until = Some(change.at),
            // It was claimed before the history begins.
            (false, None) => {
                let until = Some(change.at);
                holdings.push(Holding { from: None, ..of_change(change, until) });
            }
        }
    }
    holdings
}

/// The span that a change begins.
pub(crate) fn of_change(change: ClaimChange, until: Option<Moment>) -> Holding {
    Holding {
        path: change.path,
        claimed: change.file_path,
        session: change.session_id,
        agent: change.agent,
        engineer: change.engineer_name,
        feature: change.feature_id,
        fence: change.fence,
        from: Some(change.at),
        until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_api_types::Moment;

    fn change(session: u128, held: bool, at: i64) -> ClaimChange {
        let mut moment = Moment::parse("2026-01-31T12:00:00.000Z").expect("a time");
        moment.0.0 = at;
        ClaimChange {
            path: "a.rs".to_owned(),
            file_path: "*.rs".to_owned(),
            held,
            session_id: Uuid::from_u128(session),
            agent: None,
            engineer_id: Uuid::from_u128(1),
            engineer_name: "Ana".to_owned(),
            feature_id: None,
            fence: held.then_some(7),
            revision: 1,
            at: moment,
        }
    }

    #[test]
    fn changes_are_folded_into_spans() {
        let spans = holdings(vec![
            change(1, false, 10),
            change(2, true, 20),
            change(2, false, 30),
            change(1, true, 40),
        ]);
        let spans: Vec<_> = spans
            .iter()
            .map(|span| (span.session.as_u128(), span.from.map(|at| at.0.0), span.until.map(|at| at.0.0)))
            .collect();
        assert_eq!(spans, [(1, None, Some(10)), (2, Some(20), Some(30)), (1, Some(40), None)]);
    }

    #[test]
    fn a_span_overlaps_what_is_within_it() {
        let spans = holdings(vec![change(2, true, 20), change(2, false, 30)]);
        let overlaps = |first, last| spans.iter().any(|span| span.overlaps(first, last));
        assert!(overlaps(20, 20) && overlaps(25, 26) && overlaps(0, 100) && overlaps(30, 31));
        assert!(!overlaps(0, 19) && !overlaps(31, 40));
    }
}
