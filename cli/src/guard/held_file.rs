//! A file that another session holds, and the sentence about it.

use crate::text::{Clock, format, plain};
use nexus_api_types::{
    Moment,
    claim::{Claim, Conflict},
    holder::HolderSession,
};

/// Files that one message names with their holders: nobody would read more.
const MOST_NAMED: usize = 8;

/// A file that another session holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldFile {
    /// The path that was asked for.
    pub(crate) wanted: String,
    /// Its holder. An answer about many files leaves it out for some of them.
    by: Option<Holder>,
}

/// The holder of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    /// The claimed path or pattern.
    claimed: String,
    /// The holder's name, with that of the agent.
    name: String,
    /// The feature that it is held for, if it is held for one.
    feature: Option<String>,
    /// When it was claimed.
    since: Moment,
    /// When it is free if no further heartbeat comes.
    until: Moment,
    /// The place and the lease of its session.
    session: HolderSession,
}

impl HeldFile {
    /// A file whose holder is not known.
    pub(crate) fn of_somebody(wanted: &str) -> Self {
        Self { wanted: wanted.to_owned(), by: None }
    }

    /// A file that a check found to be held by this claim.
    pub(crate) fn of_claim(wanted: &str, claim: &Claim) -> Self {
        let by = Holder {
            claimed: claim.file_path.clone(),
            name: format::holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder),
            feature: claim.feature_slug.clone(),
            since: claim.claimed_at,
            until: claim.expires_at,
            session: claim.holder.clone(),
        };
        Self { wanted: wanted.to_owned(), by: Some(by) }
    }

    /// A file whose claim was refused by this conflict.
    pub(crate) fn of_conflict(conflict: &Conflict) -> Self {
        let by = &conflict.claimed_by;
        let holder = Holder {
            claimed: conflict.file_path.clone(),
            name: format::holder(&by.engineer_name, by.agent.as_deref(), &by.holder),
            feature: by.feature_slug.clone(),
            since: by.claimed_at,
            until: by.expires_at,
            session: by.holder.clone(),
        };
        Self { wanted: conflict.wanted_path.clone(), by: Some(holder) }
    }

    /// Whether the holder is known.
    pub(crate) const fn is_named(&self) -> bool {
        self.by.is_some()
    }

    /// `src/db.rs is held by ana's agent "build" for feature billing-api, since 14:02, until 14:32 (in 4 min)`
    pub(crate) fn sentence(&self, clock: &Clock) -> String {
        let Some(by) = &self.by else {
            return plain(&format!("{} is held by another session", self.wanted));
        };
        let mut text = format!("{} is held by {}", self.wanted, by.name);
        if self.wanted != by.claimed {
            text += &format!(" as {}", by.claimed);
        }
        if let Some(feature) = &by.feature {
            text += &format!(" for feature {feature}");
        }
        let until = format::lease(by.until, &by.session, clock);
        text += &format!(", since {}, until {until}", clock.short(by.since));
        plain(&text)
    }
}

/// One line for each file, up to [`MOST_NAMED`], and the number of the others.
pub(crate) fn lines(held: &[HeldFile], clock: &Clock) -> String {
    let mut lines: Vec<String> =
        held.iter().take(MOST_NAMED).map(|held_file| held_file.sentence(clock)).collect();
    if held.len() > MOST_NAMED {
        lines.push(format!("and {} more", held.len() - MOST_NAMED));
    }
    lines.join("\n")
}
