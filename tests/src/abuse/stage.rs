//! Runs each kind on a new cluster, with the team and the attackers on it, from its start to its end, and checks what
//! its nodes stored.

use super::{
    Kind,
    attacker::Attacker,
    honest_team::{GRACE_SECONDS, HonestTeam, LEASE_SECONDS},
    target::{Report, Target},
    verdict::{AttackResult, LONGEST_STOP, Latencies},
};
use crate::{Cluster, Node, Team, history};
use futures::FutureExt;
use nexus_domain::ProjectId;
use serde_json::json;
use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The number of nodes of a cluster.
const NODES: usize = 3;
/// The number of members of the attackers' project, each an engineer.
const MEMBERS: usize = 4;
/// The team works for this long before the attack begins: keys are verified, connections are made.
const WARM_UP: Duration = Duration::from_secs(1);
/// A node that has not stopped in this time is killed.
const KILL_AFTER: Duration = Duration::from_secs(30);

/// Sends one kind to a cluster on which the team works, and measures what that does to the team.
///
/// # Errors
/// When the attacker cannot be started, or ends before its time.
pub async fn measure(kind: Kind, span: Duration, is_short: bool) -> anyhow::Result<AttackResult> {
    let mut cluster = Cluster::start(NODES).await;
    let team = Team::of(&cluster).await;
    // Silent sessions are to expire within the run.
    team.settings(json!({ "session.timeout": LEASE_SECONDS, "session.grace": GRACE_SECONDS })).await;
    let urls = cluster.urls();
    let target = Target { kind, span, is_short, ..attackers(&cluster, &team).await };
    let honest = HonestTeam::at_work(&team, &urls).await;
    sleep(WARM_UP).await;

    honest.count(true);
    let target = Target { foreign_sessions: honest.sessions().to_vec(), ..target };
    let mut attacker = Attacker::start(&target)?;
    let report: Report = attacker.report().await?;
    honest.count(false);
    let after_kib = most(&cluster, |node| Some(node.usage()?.0));

    let mut notes = honest.finish().await;
    let mut broken = std::mem::take(&mut notes.broken);
    broken.extend(agree(&mut cluster, &team).await);
    let peak_kib = most(&cluster, Node::peak_kib);
    // The attacker still has all its connections open.
    let stopped = stop(&mut cluster, &mut broken).await;
    attacker.end();
    broken.extend(histories(&cluster, &team).await);
    Ok(AttackResult {
        kind,
        attacker: report,
        writes: Latencies::of(notes.writes),
        heartbeats: Latencies::of(notes.heartbeats),
        reads: Latencies::of(notes.reads),
        registrations: Latencies::of(notes.registrations),
        leases_lost: notes.lost.len(),
        peak_kib,
        after_kib,
        stop_ms: stopped.as_millis(),
        broken: summary(broken),
    })
}

/// Engineers outside of the team, with all rights in a project of their own.
async fn attackers(cluster: &Cluster, team: &Team) -> Target {
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        members.push(team.stranger(&format!("member-{number}")).await);
    }
    let bystander = team.stranger("bystander").await;
    let lead = &members[0].client;
    let made = lead.post("/projects", json!({ "name": "Theirs", "slug": "theirs" })).await;
    let project = made.data()["id"].as_str().expect("an id").to_owned();
    for member in &members[1..] {
        let path = format!("/projects/{project}/members");
        lead.post(&path, json!({ "engineerId": member.id })).await.data();
    }
    let made = bystander.client.post("/projects", json!({ "name": "Another", "slug": "another" })).await;
    let key = |client: &crate::Client| client.key().expect("a key").to_owned();
    Target {
        kind: Kind::Nothing,
        span: Duration::ZERO,
        is_short: false,
        urls: cluster.urls(),
        peer_addrs: cluster.nodes.iter().map(|node| node.peer_addr().to_owned()).collect(),
        project,
        members: members.iter().map(|member| key(&member.client)).collect(),
        other_project: made.data()["id"].as_str().expect("an id").to_owned(),
        bystander: key(&bystander.client),
        foreign_sessions: Vec::new(),
        foreign_project: team.project.clone(),
    }
}

fn most(cluster: &Cluster, of: impl Fn(&Node) -> Option<u64>) -> u64 {
    cluster.nodes.iter().filter_map(of).max().unwrap_or_default()
}

/// Checks that the nodes still run, answer, and have the same state.
async fn agree(cluster: &mut Cluster, team: &Team) -> Vec<String> {
    let dead = cluster.nodes.iter_mut().filter_map(|node| (!node.is_running()).then_some(node.number));
    let dead: Vec<String> = dead.map(|number| format!("node {number} is gone")).collect();
    if !dead.is_empty() {
        return dead;
    }
    let looked = async {
        cluster.all_ready().await;
        cluster.same_state(&team.admin).await;
    };
    AssertUnwindSafe(looked).catch_unwind().await.err().map(panic_message).into_iter().collect()
}

/// Stops all nodes at once. Returns how long the last one took.
async fn stop(cluster: &mut Cluster, broken: &mut Vec<String>) -> Duration {
    /// Time between two checks.
    const LOOK: Duration = Duration::from_millis(5);
    let began = Instant::now();
    for node in &cluster.nodes {
        node.ask_to_stop();
    }
    while cluster.nodes.iter_mut().any(Node::is_running) && began.elapsed() < KILL_AFTER {
        sleep(LOOK).await;
    }
    let took = began.elapsed();
    for node in &mut cluster.nodes {
        if node.is_running() {
            node.kill();
            broken.push(format!("node {} goes on", node.number));
        } else if !node.stopped().is_some_and(|ended| ended.success()) {
            broken.push(format!("node {} did not end in order", node.number));
        }
        if took > LONGEST_STOP {
            let log = node.log();
            let last = log.lines().next_back().unwrap_or_default();
            broken.push(format!("the last words of node {}: {last}", node.number));
        }
    }
    took
}

/// The violations in the nodes' own histories: a file of the team with two holders, an inconsistent state.
async fn histories(cluster: &Cluster, team: &Team) -> Vec<String> {
    let project = ProjectId(team.project.parse().expect("an id"));
    let mut violations = Vec::new();
    for node in &cluster.nodes {
        let folder = node.data_dir();
        let checked = AssertUnwindSafe(history::check_project(&folder, project)).catch_unwind().await;
        violations
            .extend(checked.err().map(|panic| format!("node {}: {}", node.number, panic_message(panic))));
    }
    violations
}

/// The message of a panic.
fn panic_message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The first violations, and the number of the others.
fn summary(broken: Vec<String>) -> Vec<String> {
    /// Violations that are shown: more of them say nothing new.
    const SHOWN: usize = 3;
    let more = broken.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = broken.into_iter().take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown
}
