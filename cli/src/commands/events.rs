//! `nexus events` and `nexus watch`: what happens in a project, as it happens.

use super::changes::Changes;
use crate::{
    context::Context,
    error::Error,
    text::{format, plain},
};
use clap::Args;
use nexus_api_types::event::{Event, Fact, Reason};
use serde_json::{Value, json};
use std::time::Duration;

/// The time that a watch begins with: long enough for any project's first answer.
const FOR_GOOD: Duration = Duration::from_secs(86_400 * 365);

/// Show what happened in the project, oldest first
///
/// Each line begins with its revision: --since goes on after it, also another day and on another server.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus events
  nexus events --since 1234 --limit 20
  nexus events --since 1234 --follow --json | jq -c .type")]
pub(crate) struct Events {
    /// Only what is later than this revision; 0 is the oldest that is kept
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    since: u64,
    /// How many at most
    #[arg(long, value_name = "N", conflicts_with = "follow")]
    limit: Option<usize>,
    /// Go on as more happens, until it is stopped
    #[arg(long)]
    follow: bool,
}

/// Watch what happens in the project, from now on
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus watch
  nexus watch --json")]
pub(crate) struct Watch {}

impl Events {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let mut changes = Changes::since(project, self.since);
        let mut left = self.limit.unwrap_or(usize::MAX);
        loop {
            let events =
                if self.follow { changes.follow(context).await? } else { changes.look(context).await? };
            for event in events.items.iter().take(left) {
                print(context, event)?;
            }
            left = left.saturating_sub(events.items.len());
            if left == 0 || (!self.follow && !events.has_more) {
                return Ok(());
            }
        }
    }
}

impl Watch {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let mut changes = Changes::since_now(context, project, FOR_GOOD).await?;
        context.out.note("Watching: Ctrl-C stops");
        loop {
            for event in changes.follow(context).await?.items {
                print(context, &event)?;
            }
        }
    }
}

/// One line an event: as JSON for programs.
fn print(context: &Context<'_>, event: &Event) -> Result<(), Error> {
    if context.out.is_json() {
        return context.out.json_line(&json!(event));
    }
    let who = event.engineer.as_ref().map(|by| format::holder(&by.name, event.agent.as_deref()));
    let who = who.unwrap_or_else(|| "the cluster".to_owned());
    let line = format!(
        "{:>8}  {}  {}",
        event.revision,
        context.out.clock().short(event.timestamp),
        what(event, &who)
    );
    context.out.line(plain(&line).replace('\n', " "))
}

/// What happened, in words.
fn listed(items: &[Value]) -> String {
    let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
}

fn what(event: &Event, who: &str) -> String {
    let by = event
        .by
        .as_ref()
        .map_or(String::new(), |by| format!(" by {}", format::holder(&by.name, by.agent.as_deref())));
    match &event.fact {
        Fact::FeatureCreated { feature } => format!("{who} wrote {}: {}", feature.slug, feature.title),
        Fact::FeatureUpdated { feature, field, new_value, .. } => {
            // Long values are not printed.
            let value = match new_value {
                Value::Null => String::new(),
                Value::String(text) => format!(" to {}", short(text)),
                Value::Array(items) => format!(" to {}", short(&listed(items))),
                other => format!(" to {other}"),
            };
            format!("{who} changed the {field} of {}{value}", feature.slug)
        }
        Fact::FeatureDeleted { feature } => format!("{who} threw away {}", feature.slug),
        Fact::FeatureClaimed { feature } => format!("{who} picked {}", feature.slug),
        Fact::FeatureReleased { feature, reason } => {
            format!("{} of {who} is free again: {}{by}", feature.slug, why(*reason))
        }
        Fact::FeatureCompleted { feature } => format!("{who} finished {}", feature.slug),
        Fact::FilesClaimed { paths, .. } => format!("{who} holds {}", format::list(paths)),
        Fact::FilesReleased { paths, reason, note, .. } => {
            let note = note.as_ref().map_or(String::new(), |note| format!(" ({})", short(note)));
            format!("{} of {who} free: {}{by}{note}", format::list(paths), why(*reason))
        }
        Fact::LearningAdded { feature, learning } => {
            format!("{who} learnt with {}: {}", feature.slug, short(&learning.content))
        }
        Fact::DecisionAdded { decision } => format!("{who} decided: {}", decision.title),
        Fact::SessionStarted { .. } => format!("{who} came"),
        Fact::SessionEnded { .. } => format!("{who} is gone"),
        Fact::SessionClosed { .. } => format!("the session of {who} is over"),
        Fact::MemberAdded { member, .. } => format!("{} joined the project{by}", member.name),
        Fact::MemberRemoved { member, .. } => format!("{} left the project{by}", member.name),
    }
}

const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Released => "given back",
        Reason::Completed => "done",
        Reason::Cancelled => "given up",
        Reason::Updated => "not needed any more",
        Reason::SessionEnded => "the session ended",
        Reason::Expired => "nothing was heard of the session",
        Reason::MemberRemoved => "the engineer left the project",
        Reason::Forced => "taken away",
        Reason::Unknown => "for another reason",
    }
}

/// The first line, or the beginning of it.
fn short(text: &str) -> String {
    const MOST: usize = 100;
    let line = text.trim().lines().next().unwrap_or_default();
    if line.chars().count() <= MOST {
        line.to_owned()
    } else {
        line.chars().take(MOST).chain(['…']).collect()
    }
}
