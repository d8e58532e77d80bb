//! `nexus cluster upgrade-check`: whether a node may be restarted now, which one is next, and whether the way back is
//! open.

use crate::{
    answer::Answer,
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use nexus_api_types::cluster::{Build, ClusterStatus, Node, NodeRole};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{path::PathBuf, process::Command};

/// Show which node to upgrade next, and what holds the upgrade back
///
/// Upgrade one node at a time: nodes without a vote first, the leader last. Until the last one is new, the cluster goes
/// by the old rules, and every node can go back to the old program. It exits with 1 if no node should be restarted now.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster upgrade-check
  nexus cluster upgrade-check --to ./nexusd")]
pub(crate) struct UpgradeCheck {
    /// The nexusd that the nodes shall run, or a file with what its `version --json` prints
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// A node that the leader did not hear of for this long counts as silent.
const SILENT_MS: u64 = 2_000;
/// A node that lacks more entries has not caught up.
const MAX_LAG: u64 = 1_000;

/// The findings, as they are printed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    /// The version of the rules that the cluster goes by.
    rules: u16,
    nodes: Vec<NodeBuild>,
    /// The nodes that keep the cluster on its present rules, and how.
    held_back: Vec<String>,
    /// The reasons against restarting any node now.
    problems: Vec<String>,
    /// The node to upgrade next; none when all run the newest program, or no node should be restarted.
    next: Option<u64>,
    downgrade: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeBuild {
    id: u64,
    role: NodeRole,
    build: Option<Build>,
}

impl UpgradeCheck {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let status: ClusterStatus = context.client.send(Request::get("/cluster/status")).await?.parse()?;
        let to = self.to.map(program).transpose()?;
        let found = check(&status, to.as_ref());
        let is_safe = found.problems.is_empty();
        context.out.answer(&Answer::new(json!(found)), |found: Findings| print(context, &found))?;
        if is_safe { Ok(()) } else { Err(Error::Found) }
    }
}

/// Reads what a program, or a file about it, says of itself.
fn program(path: PathBuf) -> Result<Build, Error> {
    let shown = path.display().to_string();
    let text = match std::fs::read(&path) {
        Ok(text) if text.first() == Some(&b'{') => text,
        Ok(_) => {
            // A name without a folder would be looked for among the system's programs.
            let path = std::path::absolute(&path).unwrap_or(path);
            let output = Command::new(path).args(["version", "--json"]).output();
            output.map_err(|error| Error::local(format!("{shown} cannot be run: {error}")))?.stdout
        }
        Err(error) => return Err(Error::local(format!("{shown} cannot be read: {error}"))),
    };
    serde_json::from_slice(&text).map_err(|_| {
        Error::local(format!(
            "{shown} does not say its versions: it is no nexusd, or one from before version --json"
        ))
    })
}

fn check(status: &ClusterStatus, to: Option<&Build>) -> Findings {
    let rules = status.rules;
    let mut nodes: Vec<&Node> = status.nodes.iter().collect();
    // Nodes without a vote first, then followers, and the leader last: each of them once.
    nodes.sort_by_key(|node| match node.role {
        NodeRole::Learner => (0, node.id),
        NodeRole::Voter => (1, node.id),
        NodeRole::Leader => (2, node.id),
    });
    let builds = || status.nodes.iter().filter_map(|node| node.build.as_ref());
    let newest = to.or_else(|| builds().max_by_key(|build| (build.rules, build.version.clone())));
    let mut problems = unwell(status);
    let mut held_back = Vec::new();
    let most = newest.map_or(rules, |newest| newest.rules.max(rules));
    for node in &status.nodes {
        match &node.build {
            None => held_back.push(format!("node {} does not say which rules it knows", node.id)),
            Some(build) if build.rules < most => held_back.push(format!(
                "node {} runs {}, which knows rules up to version {}",
                node.id, build.version, build.rules
            )),
            Some(build) => held_back.extend(
                build
                    .rules_up_to
                    .filter(|held| *held < most)
                    .map(|held| format!("node {} was started with --rules-up-to {held}", node.id)),
            ),
        }
    }
    if let Some(to) = to {
        for (name, own, others) in [
            ("record format", to.format, builds().map(|build| build.format).max()),
            ("peer protocol", to.protocol, builds().map(|build| build.protocol).max()),
        ] {
            if let Some(others) = others.filter(|others| *others != own) {
                problems.push(format!(
                    "{} has {name} {own}, and the nodes have {others}: they cannot be mixed",
                    to.version
                ));
            }
        }
        if to.rules < rules {
            problems.push(format!(
                "{} knows rules up to version {}, and the cluster goes by version {rules} already",
                to.version, to.rules
            ));
        }
    }
    let is_old = |node: &&&Node| {
        newest.is_some_and(|newest| node.build.as_ref().is_none_or(|build| build.version != newest.version))
    };
    let next = nodes.iter().find(is_old).map(|node| node.id).filter(|_| problems.is_empty());
    Findings {
        rules,
        nodes: nodes
            .iter()
            .map(|node| NodeBuild { id: node.id, role: node.role, build: node.build.clone() })
            .collect(),
        held_back,
        problems,
        next,
        downgrade: format!(
            "possible to every program that knows rules of version {rules}{}",
            newest.map_or_else(String::new, |newest| format!(
                ", with record format {} and peer protocol {}",
                newest.format, newest.protocol
            ))
        ),
    }
}

/// The reasons not to restart any node now: the cluster could not bear it.
fn unwell(status: &ClusterStatus) -> Vec<String> {
    let mut problems = Vec::new();
    if !status.healthy || status.leader.is_none() {
        problems.push("there is no leader".to_owned());
        return problems;
    }
    for node in &status.nodes {
        let is_silent = node.role != NodeRole::Leader && node.last_seen_ms.is_none_or(|age| age > SILENT_MS);
        if node.fenced.is_some() {
            problems.push(format!("node {0} is fenced: nexus cluster rebuild {0} --yes", node.id));
        } else if is_silent {
            problems.push(format!("node {} is silent", node.id));
        } else if let Some(lag) = node.lag.filter(|lag| *lag > MAX_LAG) {
            problems.push(format!("node {} lacks {lag} entries", node.id));
        }
    }
    problems
}

fn print(context: &Context<'_>, found: &Findings) -> Result<(), Error> {
    let out = &context.out;
    let mut table = Table::new(&["NODE", "ROLE", "RULES", "FORMAT", "PROTOCOL", "VERSION"]);
    for node in &found.nodes {
        let role = match node.role {
            NodeRole::Leader => "leader",
            NodeRole::Voter => "voter",
            NodeRole::Learner => "learner",
        };
        let shown = |part: fn(&Build) -> String| {
            (node.build.as_ref().map_or_else(|| "unknown".to_owned(), part), Tone::Plain)
        };
        table.row(vec![
            (node.id.to_string(), Tone::Plain),
            (role.to_owned(), Tone::Plain),
            shown(|build| build.rules.to_string()),
            shown(|build| build.format.to_string()),
            shown(|build| build.protocol.to_string()),
            shown(|build| build.version.clone()),
        ]);
    }
    out.table(&table)?;
    out.line("")?;
    out.field("Rules", format_args!("the cluster goes by version {}", found.rules))?;
    for why in &found.held_back {
        out.field("Held back", why)?;
    }
    out.field("Downgrade", &found.downgrade)?;
    for problem in &found.problems {
        out.field("Not now", Tone::Bad.paint(problem))?;
    }
    match found.next {
        Some(next) => out.field("Next", format_args!("stop node {next}, and start it with the new program")),
        None if found.problems.is_empty() => {
            out.field("Next", "nothing: all nodes run the newest program that is known")
        }
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn build(version: &str, rules: u16) -> Build {
        Build { version: version.to_owned(), rules, rules_up_to: None, format: 2, protocol: 3 }
    }

    /// Three voters with these programs, the first of which leads.
    fn cluster(builds: [Build; 3]) -> ClusterStatus {
        let nodes: Vec<_> = builds
            .iter()
            .enumerate()
            .map(|(at, build)| {
                json!({ "id": at + 1, "role": if at == 0 { "leader" } else { "voter" }, "peerAddr": "p:1",
                    "clientAddr": "c:1", "lag": 0, "lastSeenMs": 5, "thisNode": at == 0, "build": build })
            })
            .collect();
        serde_json::from_value(
            json!({ "clusterId": null, "nodeId": 1, "version": "1", "rules": 4, "leader": 1,
            "term": 1, "committed": 1, "applied": 1, "stateHash": "0", "healthy": true, "toleratesLosses": 1,
            "nodes": nodes, "timestamp": "2026-01-31T12:00:00Z" }),
        )
        .unwrap()
    }

    #[test]
    fn followers_are_upgraded_first_and_the_leader_last() {
        let (old, new) = (build("1", 4), build("2", 5));
        let next =
            |builds: [&Build; 3], to: Option<&Build>| check(&cluster(builds.map(Clone::clone)), to).next;
        assert_eq!(next([&old, &old, &old], None), None);
        assert_eq!(next([&old, &old, &old], Some(&new)), Some(2));
        assert_eq!(next([&old, &new, &old], None), Some(3));
        assert_eq!(next([&old, &new, &new], None), Some(1));
        assert_eq!(next([&new, &new, &new], Some(&new)), None);
    }

    #[test]
    fn what_holds_the_rules_back_is_named() {
        let (old, new) = (build("1", 4), build("2", 5));
        let held = Build { rules_up_to: Some(4), ..new.clone() };
        let found = check(&cluster([old, held, new]), None);
        assert_eq!(
            found.held_back,
            ["node 1 runs 1, which knows rules up to version 4", "node 2 was started with --rules-up-to 4"]
        );
        assert!(found.downgrade.contains("rules of version 4"), "{}", found.downgrade);
    }

    #[test]
    fn no_node_is_next_while_one_is_silent_or_fenced_or_the_program_does_not_fit() {
        let (old, new) = (build("1", 4), build("2", 5));
        let mut status = cluster([old.clone(), old.clone(), new.clone()]);
        status.nodes[1].last_seen_ms = Some(9_000);
        let found = check(&status, Some(&new));
        assert_eq!((found.next, found.problems), (None, vec!["node 2 is silent".to_owned()]));
        let status = cluster([new.clone(), new.clone(), new.clone()]);
        let other = Build { protocol: 4, ..build("3", 6) };
        assert!(check(&status, Some(&other)).problems[0].contains("peer protocol 4"));
        let older = build("0", 3);
        assert!(check(&status, Some(&older)).problems[0].contains("goes by version 4 already"));
    }
}
