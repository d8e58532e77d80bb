//! The checkpoints of a feature: saved by hand, by hooks, and by the cluster when a session ended before its work. The
//! cluster's record of an interruption comes last and says only that, so the checkpoints before it are read as well.

use crate::{
    client::Request,
    context::Context,
    error::Error,
    text::{Clock, format},
};
use nexus_api_types::{
    Page,
    checkpoint::{Checkpoint, CheckpointType},
};
use serde_json::Value;
use uuid::Uuid;

/// Checkpoints of one page: mostly it has all that is shown.
const PAGE: usize = 20;

/// Pages that are read: an agent that stops often saves as often, and its last note is older.
const MAX_PAGES: usize = 5;

/// Letters of a commit that are shown.
const SHORT_COMMIT: usize = 10;

/// The checkpoints of a feature that say where its work stands.
#[derive(Debug, Default)]
pub(crate) struct SavedWork {
    /// The newest one of a session that held the feature: `checkpoints/latest`.
    pub(crate) latest: Option<Checkpoint>,
    /// The newest one that a client saved.
    pub(crate) saved: Option<Checkpoint>,
    /// The newest one that a client saved with a note.
    pub(crate) noted: Option<Checkpoint>,
}

/// Reads the checkpoints of a feature, [`MAX_PAGES`] pages at most.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn saved_work(
    context: &Context<'_>,
    project: Uuid,
    feature: Uuid,
) -> Result<SavedWork, Error> {
    let request = Request::get(format!("/projects/{project}/sessions/checkpoints"))
        .query("featureId", Some(feature))
        .query("limit", Some(PAGE));
    let mut found = SavedWork::default();
    let mut cursor = None;
    for _ in 0..MAX_PAGES {
        let page = request.clone().query("cursor", cursor.take());
        let page: Page<Checkpoint> = context.client.send(page).await?.parse()?;
        page.items.into_iter().for_each(|checkpoint| found.add_older(checkpoint));
        cursor = page.next_cursor.filter(|_| page.has_more);
        if (found.noted.is_some() && found.latest.is_some()) || cursor.is_none() {
            break;
        }
    }
    Ok(found)
}

impl SavedWork {
    fn add_older(&mut self, checkpoint: Checkpoint) {
        if !is_of_cluster(&checkpoint) {
            if checkpoint.notes.is_some() && self.noted.is_none() {
                self.noted = Some(checkpoint.clone());
            }
            if self.saved.is_none() {
                self.saved = Some(checkpoint.clone());
            }
        }
        if checkpoint.is_latest {
            self.latest = Some(checkpoint);
        }
    }

    /// The record that a session ended before the work did; none if somebody saved something since.
    pub(crate) fn interruption(&self) -> Option<&Checkpoint> {
        self.latest.as_ref().filter(|latest| is_of_cluster(latest))
    }

    /// Lists the saved state and the interruption of the work, as names with values, for a person or an agent.
    pub(crate) fn lines(&self, clock: &Clock) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if let Some(Checkpoint { notes: Some(notes), created_at, .. }) = &self.noted {
            lines.push(("Notes", format!("{notes} (saved {})", clock.ago(*created_at))));
        }
        if let Some(saved) = &self.saved {
            lines.push(("Saved", format!("{}, {}", clock.ago(saved.created_at), how(saved))));
            lines.extend(git(saved).map(|git| ("Git", git)));
            lines.extend(changed(saved).map(|changed| ("Changed", changed)));
        }
        let interruption = self.interruption();
        if let Some(checkpoint) = interruption {
            let why = checkpoint.notes.as_deref().unwrap_or("The session ended before the work did.");
            lines.push(("Lost", format!("{}: {why}", clock.ago(checkpoint.created_at))));
        }
        let held = interruption.or(self.saved.as_ref()).map(|last| &last.active_claims);
        lines.extend(held.filter(|held| !held.is_empty()).map(|held| ("Held", format::list(held))));
        lines
    }
}

/// Whether the cluster wrote it: a client says more than that its work was lost.
fn is_of_cluster(checkpoint: &Checkpoint) -> bool {
    checkpoint.kind == CheckpointType::CrashRecovery && checkpoint.context.is_empty()
}

/// How a checkpoint came to be.
pub(crate) fn how(checkpoint: &Checkpoint) -> &'static str {
    match checkpoint.kind {
        CheckpointType::Manual => "by hand",
        CheckpointType::AutoPeriodic => "automatically",
        CheckpointType::CrashRecovery => "when the session was lost",
    }
}

/// The branch and the commit of a checkpoint.
pub(crate) fn git(checkpoint: &Checkpoint) -> Option<String> {
    let text = |name: &str| checkpoint.context.get(name).and_then(Value::as_str);
    let (branch, commit) = (text("gitBranch")?, text("gitCommit")?);
    Some(format!("{branch} at {}", commit.chars().take(SHORT_COMMIT).collect::<String>()))
}

/// The files of a checkpoint that were not committed.
pub(crate) fn changed(checkpoint: &Checkpoint) -> Option<String> {
    let paths = checkpoint.context.get("changedFiles")?.as_array()?;
    let named: Vec<&str> = paths.iter().filter_map(Value::as_str).collect();
    let all = checkpoint.context.get("changedFileCount").and_then(Value::as_u64);
    let all = all.and_then(|all| usize::try_from(all).ok()).unwrap_or(named.len());
    let list = format::list(&named);
    Some(if all > named.len() { format!("{list}; {all} in all") } else { list })
}
