//! Who holds a file, in words that say what to do next.

use crate::output::{Clock, plain, words};
use nexus_api_types::{
    Moment,
    claim::{Claim, Conflict},
};

/// Files of one message that are named with their holders: more would not be read.
const MOST_NAMED: usize = 8;

/// A file that somebody else holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// The file that was wanted.
    pub(crate) wanted: String,
    /// What its holder claimed.
    pub(crate) claimed: String,
    /// Who.
    pub(crate) holder: String,
    /// For what.
    pub(crate) feature: Option<String>,
    /// Since when.
    pub(crate) since: Moment,
    /// Until when, if nothing more is heard of them.
    pub(crate) until: Moment,
}

impl Holding {
    /// From the answer to a question.
    pub(crate) fn of_claim(wanted: &str, claim: &Claim) -> Self {
        Self {
            wanted: wanted.to_owned(),
            claimed: claim.file_path.clone(),
            holder: words::holder(&claim.engineer_name, claim.agent.as_deref()),
            feature: None,
            since: claim.claimed_at,
            until: claim.expires_at,
        }
    }

    /// From a refusal.
    pub(crate) fn of_conflict(conflict: &Conflict) -> Self {
        let by = &conflict.claimed_by;
        Self {
            wanted: conflict.wanted_path.clone(),
            claimed: conflict.file_path.clone(),
            holder: words::holder(&by.engineer_name, by.agent.as_deref()),
            feature: by.feature_slug.clone(),
            since: by.claimed_at,
            until: by.expires_at,
        }
    }

    /// `src/db.rs is held by ana's agent "build" for feature billing-api, since 14:02, until 14:32 (in 4 min)`
    pub(crate) fn sentence(&self, clock: &Clock) -> String {
        let mut text = format!("{} is held by {}", self.wanted, self.holder);
        if self.wanted != self.claimed {
            text += &format!(" as {}", self.claimed);
        }
        if let Some(feature) = &self.feature {
            text += &format!(" for feature {feature}");
        }
        text += &format!(", since {}, until {}", clock.short(self.since), clock.until(self.until));
        plain(&text)
    }
}

/// A line for each, as many as are read.
pub(crate) fn lines(held: &[Holding], clock: &Clock) -> String {
    let mut lines: Vec<String> =
        held.iter().take(MOST_NAMED).map(|holding| holding.sentence(clock)).collect();
    if held.len() > MOST_NAMED {
        lines.push(format!("and {} more", held.len() - MOST_NAMED));
    }
    lines.join("\n")
}
