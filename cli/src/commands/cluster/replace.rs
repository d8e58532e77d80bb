//! `nexus cluster replace`: puts one node into the place of another one.

use super::change::ChangeArgs;
use crate::{args::span, client::Request, context::Context, error::Error, output::Progress};
use clap::Args;
use nexus_api_types::{
    change_plan::{PlanChange, PlannedChange},
    cluster::{NodeRole, ReplaceMember},
    cluster_member::{ClusterMember, ClusterMembers},
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between two looks at how far the new node is.
const PAUSE: Duration = Duration::from_millis(300);

/// A node that was heard within this time answers: the leader asks several times a second.
const HEARD_MS: u64 = 1_000;

/// Put a new node into the place of another one, dead or alive
///
/// The new node has to have joined (nexus cluster add prints how). The command waits until it has caught up; then it
/// gets its vote and the old node leaves in one joint step, so that neither counts without the other. It may be
/// repeated. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster replace 3 6 --dry-run
  nexus cluster replace 3 6")]
pub(crate) struct Replace {
    /// Id of the node that leaves for good
    #[arg(value_name = "OLD")]
    old: u64,
    /// Id of the node that takes its place
    #[arg(value_name = "NEW")]
    new: u64,
    /// Longest wait for the new node to catch up
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = span::parse)]
    wait: Duration,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Replace {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let Self { old, new, wait, change } = self;
        if !change.is_dry_run() {
            wait_for(context, new, wait).await?;
        }
        let path = format!("/cluster/members/{old}/replace");
        let request = || Request::post(&path).body(&ReplaceMember { by: new });
        let planned = PlanChange { by: Some(new), ..PlanChange::of(PlannedChange::Replace, old) };
        let Some(answer) = change.send(context, &planned, request).await? else { return Ok(()) };
        context.out.answer(&answer, |_: Value| {
            context.out.line(format_args!("Node {new} is a voter in the place of node {old}, which is out"))
        })?;
        context.out.note(format_args!("If node {old} still runs, stop it and remove its data"));
        Ok(())
    }
}

/// Waits until a node has caught up. Of a node that is no member, the cluster itself says what to do.
async fn wait_for(context: &Context<'_>, node: u64, longest: Duration) -> Result<(), Error> {
    let mut progress = Progress::new(context.out.is_watched());
    let deadline = Instant::now() + longest;
    loop {
        let members: ClusterMembers = context.client.send(Request::get("/cluster/members")).await?.parse()?;
        let Some(member) = members.members.into_iter().find(|member| member.id == node) else {
            return Ok(());
        };
        if is_ready(&member) || Instant::now() >= deadline {
            // Where it is not ready, the refusal says how far behind it is.
            return Ok(());
        }
        progress.update(|_| match member.lag.filter(|_| is_heard(&member)) {
            Some(lag) => format!("Node {node} catches up: {lag} entries are missing"),
            None => format!("Node {node} has not answered the leader yet"),
        });
        context.client.deadline().pause(PAUSE).await;
    }
}

fn is_ready(member: &ClusterMember) -> bool {
    member.role != NodeRole::Learner
        || is_heard(member) && member.lag.is_some_and(|lag| lag <= ClusterMember::MAX_LAG)
}

/// Whether the leader has heard a node of late: one that has just joined may lack few entries, and not have answered
/// yet.
fn is_heard(member: &ClusterMember) -> bool {
    member.last_seen_ms.is_some_and(|age| age < HEARD_MS)
}
