//! `nexus cluster add`: makes a join token, prints what to type on the new machine, and follows the new node.

use crate::{answer::Answer, args::span, client::Request, context::Context, error::Error, output::Progress};
use clap::Args;
use nexus_api_types::{
    cluster::{CreateJoinToken, JoinToken, NodeRole},
    cluster_member::{ClusterMember, ClusterMembers},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// Pause between two looks at the members.
const PAUSE: Duration = Duration::from_millis(500);

/// Let a new node join: make a join token, and print the command for the new machine
///
/// The node becomes a voter by itself once it has caught up; with --replica, it stays without a vote. Whoever has the
/// token can read everything that the cluster stores, so keep it short-lived. Only admins may do this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster add
  nexus cluster add --wait
  nexus cluster add --replica --ttl 15m")]
pub(crate) struct Add {
    /// Let it join as a replica, which gets no vote by itself
    #[arg(long)]
    replica: bool,
    /// Time for which the token is valid, at most 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span::parse)]
    ttl: Duration,
    /// Wait until the node is a voter, or has caught up as a replica; at most as long as the token is valid
    #[arg(long)]
    wait: bool,
}

impl Add {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let before: BTreeSet<u64> = members(context).await?.iter().map(|member| member.id).collect();
        // The server counts in whole seconds, from one.
        let body = CreateJoinToken { ttl_seconds: Some(self.ttl.as_secs().max(1)) };
        let made: JoinToken =
            context.client.send(Request::post("/cluster/join-tokens").body(&body)).await?.parse()?;
        let command = self.command(context, &made.token);
        let out = context.out;
        let answer = json!({ "command": command, "token": made.token, "expiresAt": made.expires_at });
        out.answer(&Answer::new(answer), |_: Value| out.line(&command))?;
        out.note(format_args!(
            "Type this on the new machine, with its own folder and addresses; the token is valid until {}",
            out.clock().until(made.expires_at)
        ));
        if !self.wait {
            return Ok(());
        }
        let id = self.joined(context, &before).await?;
        let what = if self.replica { "has caught up as a replica" } else { "is a voter" };
        out.note(format_args!("Node {id} {what}; nexus cluster status shows the nodes"));
        Ok(())
    }

    /// The command for the new machine.
    fn command(&self, context: &Context<'_>, token: &str) -> String {
        let server = context.client.server();
        let replica = if self.replica { " --replica" } else { "" };
        let certificates = if server.is_encrypted() { " --certs-dir DIR" } else { "" };
        format!(
            "nexusd start --join {server} --join-token {token}{replica}{certificates} --data-dir DIR --listen HOST:7401 \
             --peer-listen HOST:7501"
        )
    }

    /// Waits for a member that was none before, until it is what it should be. Returns its id.
    async fn joined(&self, context: &Context<'_>, before: &BTreeSet<u64>) -> Result<u64, Error> {
        let mut progress = Progress::new(context.out.is_watched());
        let deadline = Instant::now() + self.ttl;
        loop {
            let new = members(context).await?.into_iter().find(|member| !before.contains(&member.id));
            if let Some(member) = new.as_ref().filter(|member| self.is_done(member)) {
                return Ok(member.id);
            }
            if Instant::now() >= deadline {
                return Err(Error::local(match new {
                    None => "no node has joined while the token was valid".to_owned(),
                    Some(member) => format!("node {} has joined, and has not caught up yet", member.id),
                })
                .hint(
                    "the log of the new node says what it waits for; nexus cluster members shows the members",
                ));
            }
            progress.update(|_| match &new {
                None => "Waiting for the new node".to_owned(),
                Some(member) => {
                    let lag = member.lag.map_or_else(|| "some".to_owned(), |lag| lag.to_string());
                    format!("Node {} catches up: {lag} entries are missing", member.id)
                }
            });
            context.client.deadline().pause(PAUSE).await;
        }
    }

    fn is_done(&self, member: &ClusterMember) -> bool {
        let has_caught_up = member.lag.is_some_and(|lag| lag <= ClusterMember::MAX_LAG);
        if self.replica { has_caught_up } else { member.role != NodeRole::Learner }
    }
}

async fn members(context: &Context<'_>) -> Result<Vec<ClusterMember>, Error> {
    let members: ClusterMembers = context.client.send(Request::get("/cluster/members")).await?.parse()?;
    Ok(members.members)
}
