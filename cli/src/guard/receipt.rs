//! Receipts: a line at the end of a commit's message that says under which session and fence its files were held.
//! Anyone can check it in the cluster's history of claims. It is a statement and no signature: who wants to lie can
//! copy one.

use super::write_access;
use crate::{client::Request, context::Context, error::Error};
use nexus_api_types::claim::Claim;
use std::fmt;
use uuid::Uuid;

/// The name of the trailer in a commit's message.
pub(crate) const TRAILER: &str = "Nexus-Receipt";

/// Receipts of one commit that are read: a squashed commit has those of all its parts.
const MOST: usize = 1_000;

/// The session that held files of a commit, and the newest fence of its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Receipt {
    /// The session that held the files.
    pub(crate) session: Uuid,
    /// The newest fence of its claims: each claim that it had then has this fence or a smaller one.
    pub(crate) fence: u64,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TRAILER}: session={}, fence={}", self.session, self.fence)
    }
}

impl Receipt {
    /// All receipts in the message of a commit. Those of a squashed commit stand anywhere in it.
    pub(crate) fn all_in(message: &str) -> Vec<Self> {
        message.lines().filter_map(Self::parse).take(MOST).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, value) = line.trim().split_once(':')?;
        if !name.eq_ignore_ascii_case(TRAILER) {
            return None;
        }
        let (session, fence) = value.split_once(',')?;
        let session = session.trim().strip_prefix("session=")?.parse().ok()?;
        let fence = fence.trim().strip_prefix("fence=")?.parse().ok()?;
        Some(Self { session, fence })
    }

    /// The receipt of the acting session for these files; `None` if it holds none of them.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(crate) async fn for_files(
        context: &Context<'_>,
        project: Uuid,
        names: &[String],
    ) -> Result<Option<Self>, Error> {
        context.act_as_live_session(project);
        let Some(session) = context.client.session() else { return Ok(None) };
        if !write_access::holds_any(context, project, names).await? {
            return Ok(None);
        }
        // The newest of all its claims: a commit that is amended may have files of earlier ones, too.
        let mine = context.client.send(Request::get(format!("/projects/{project}/claims/mine"))).await?;
        let mine: Vec<Claim> = mine.parse()?;
        Ok(mine.iter().map(|claim| claim.fence).max().map(|fence| Self { session, fence }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_found_anywhere_in_a_message_and_nothing_else_is() {
        let receipt = Receipt { session: Uuid::from_u128(7), fence: 42 };
        let message = format!(
            "Squashed\n\n* one\n  {receipt}\n\nNexus-Receipt: session=x, fence=1\n\n{receipt}\nSigned-off-by: a\n"
        );
        assert_eq!(Receipt::all_in(&message), [receipt, receipt]);
        assert_eq!(
            Receipt::all_in("nexus-receipt: session=00000000-0000-0000-0000-000000000007, fence=42"),
            [receipt]
        );
        for text in [
            "Nexus-Receipt:",
            "Nexus-Receipt: fence=1, session=2",
            "Nexus-Receipt: session=00000000-0000-0000-0000-000000000007, fence=-1",
        ] {
            assert_eq!(Receipt::all_in(text), [], "{text}");
        }
    }
}
