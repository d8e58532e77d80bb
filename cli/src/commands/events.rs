//! `nexus events` and `nexus watch`: what happens in a project, as it happens.

use super::{changes::Changes, sessions::Sessions};
use crate::{
    context::Context,
    error::Error,
    text::{format, plain},
};
use clap::Args;
use nexus_api_types::event::Event;
use serde_json::json;
use std::time::Duration;

/// The time that a watch begins with: long enough for any project's first answer.
const FOR_GOOD: Duration = Duration::from_secs(86_400 * 365);

/// Print events of the project, oldest first
///
/// Each line begins with its revision, after which --since continues, on another day or another server, too.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus events
  nexus events --since 1234 --limit 20
  nexus events --since 1234 --follow --json | jq -c .type")]
pub(crate) struct Events {
    /// Show the events after this revision; 0 begins with the oldest that is kept
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    since: u64,
    /// Number of events to show at most
    #[arg(long, value_name = "N", conflicts_with = "follow")]
    limit: Option<usize>,
    /// Print further events as they happen, until it is stopped
    #[arg(long)]
    follow: bool,
}

/// Print events of the project as they happen
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
        let mut sessions = Sessions::default();
        let mut left = self.limit.unwrap_or(usize::MAX);
        loop {
            let events =
                if self.follow { changes.follow(context).await? } else { changes.look(context).await? };
            sessions.learn(context, project, &events.items).await;
            for event in events.items.iter().take(left) {
                print(context, event, &sessions)?;
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
        let mut sessions = Sessions::default();
        loop {
            let events = changes.follow(context).await?.items;
            sessions.learn(context, project, &events).await;
            for event in &events {
                print(context, event, &sessions)?;
            }
        }
    }
}

/// One line an event: as JSON for programs.
fn print(context: &Context<'_>, event: &Event, sessions: &Sessions) -> Result<(), Error> {
    if context.out.is_json() {
        return context.out.json_line(&json!(event));
    }
    let place = sessions.place(event.session_id);
    let who = event.engineer.as_ref().map(|by| format::holder(&by.name, event.agent.as_deref(), &place));
    let who = who.unwrap_or_else(|| "the cluster".to_owned());
    let by = event.by.as_ref().map(|by| {
        let place = sessions.place(by.session_id);
        format!(" by {}", format::holder(&by.name, by.agent.as_deref(), &place))
    });
    let what = event.fact.sentence(&who, &by.unwrap_or_default(), format::list);
    let line = format!("{:>8}  {}  {what}", event.revision, context.out.clock().short(event.timestamp));
    context.out.line(plain(&line).replace('\n', " "))
}
