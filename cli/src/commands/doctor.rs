//! `nexus doctor`: checks everything that commands need, and prints a remedy for each problem. Changes nothing.

use super::{
    check::{Check, State},
    distance, expiry, scheduled, wiring,
};
use crate::{
    agent_run::Actor,
    answer::Answer,
    client::{Client, Request},
    config::link,
    context::Context,
    error::Error,
    git::Git,
    output::{Progress, Tone},
    server::Server,
};
use clap::Args;
use futures::future::join_all;
use nexus_api_types::{
    certificate::Certificate,
    cluster::ClusterStatus,
    engineer::Me,
    health::{Liveness, Readiness},
    project::ProjectDetail,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long one server may take, so that a dead one does not hold up the other checks.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// The difference of clocks from which times in the output are misleading.
const MOST_SKEW_MS: i64 = 2_000;

/// Find problems, and say what to do about them
///
/// It checks the configuration, every server, their certificates, the clock, the key, the project, the run, Git, and
/// whether agents ask before they write. It exits with 1 if something does not work.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus doctor
  nexus doctor --json | jq '.checks[] | select(.status != \"ok\")'")]
pub(crate) struct Doctor {}

#[derive(Serialize, Deserialize)]
struct Findings {
    checks: Vec<Check>,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let mut checks = vec![login_file(context)];
        let servers = join_all(context.servers.iter().map(|server| look_at(context, server)));
        let servers = Progress::new(context.out.is_watched())
            .during(servers, |_| "Looking at the servers".to_owned())
            .await;
        let is_reachable = servers.iter().any(|found| found.check.status != State::Bad);
        let skews: Vec<i64> = servers.iter().filter_map(|found| found.skew).collect();
        // A fenced node shows only itself.
        let members = servers.iter().filter_map(|found| found.cluster.as_ref());
        let members = members.min_by_key(|cluster| cluster.fenced.is_some());
        let timing = members.map(distance::checks).unwrap_or_default();
        let backups = members.and_then(|cluster| scheduled::check(cluster, context.out.clock()));
        let members = members.map(|cluster| {
            let mut checks = certificates(cluster, context);
            checks.extend(fences(cluster));
            checks
        });
        let members = members.unwrap_or_default();
        checks.extend(servers.into_iter().flat_map(|found| [Some(found.check), found.certificate]).flatten());
        checks.extend(members);
        checks.extend(backups);
        checks.extend(timing);
        checks.extend(clock(&skews));
        if is_reachable {
            checks.push(key(context).await);
        }
        checks.extend(project(context, is_reachable).await);
        checks.push(run(context));
        checks.extend(git());
        checks.extend(wiring::checks());
        let is_sick = checks.iter().any(|check| check.status == State::Bad);
        context.out.answer(&Answer::new(json!(Findings { checks })), |found: Findings| {
            found.checks.iter().try_for_each(|check| print(context, check))
        })?;
        if is_sick { Err(Error::Found) } else { Ok(()) }
    }
}

fn print(context: &Context<'_>, check: &Check) -> Result<(), Error> {
    let mark = match check.status {
        State::Ok => Tone::Good.paint("ok     "),
        State::Warning => Tone::Warn.paint("warning"),
        State::Bad => Tone::Bad.paint("bad    "),
    };
    context.out.line(format_args!("{mark}  {}: {}", check.name, check.message))?;
    match &check.fix {
        Some(fix) => context.out.line(format_args!("         {} {fix}", Tone::Good.paint("do:"))),
        None => Ok(()),
    }
}

fn login_file(context: &Context<'_>) -> Check {
    const NAME: &str = "configuration";
    let path = context.login_file.path();
    if !path.exists() {
        let fix = "nexus setup, or nexus login, writes it";
        return Check::wrong(NAME, State::Warning, format!("there is no {}", path.display()), fix);
    }
    if is_open_to_others(path) {
        let message = format!("{} can be read by others, and holds your key", path.display());
        return Check::wrong(NAME, State::Bad, message, format!("chmod 600 {}", path.display()));
    }
    Check::ok(NAME, path.display().to_string())
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0)
}

/// Always false: on systems other than Unix, a home folder is readable by its owner alone.
#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

/// The findings at one server.
struct LookedAt {
    /// Whether it answers, can serve reads, is a member, and has this version.
    check: Check,
    /// The milliseconds by which this clock is ahead of its.
    skew: Option<i64>,
    /// The certificate that it shows, where it is reached through TLS.
    certificate: Option<Check>,
    cluster: Option<ClusterStatus>,
}

async fn look_at(context: &Context<'_>, server: &Server) -> LookedAt {
    let name = format!("server {server}");
    // One of several may be down: that is what the others are for.
    let fault = if context.servers.len() > 1 { State::Warning } else { State::Bad };
    let deadline = context.client.deadline();
    // What is asked of the cluster afterwards needs time, too.
    let deadline = deadline.part(LONGEST_LOOK.min(deadline.total() / 3));
    let token = context.given_token.clone().or_else(|| context.login.token.clone());
    let has_key = token.is_some();
    let client = Client::new(std::slice::from_ref(server), token, deadline).trusting(context.trust.clone());
    let health = |path: &str| client.send(Request::get(path).anonymous().without_envelope());
    let mut found = LookedAt { check: Check::ok(&name, ""), skew: None, certificate: None, cluster: None };
    let failed = |error: &Error| Check { status: fault, ..Check::failed(&name, context, error) };

    let asked = Instant::now();
    let live = async { health("/health/live").await?.parse::<Liveness>() };
    let live = match live.await {
        Ok(live) => live,
        Err(error) => return LookedAt { check: failed(&error), ..found },
    };
    let took = asked.elapsed();
    let half = i64::try_from(took.as_millis() / 2).unwrap_or(i64::MAX);
    found.skew = Some(context.out.clock().ahead_of_ms(live.timestamp) - half);

    let status = async { client.send(Request::get("/cluster/status")).await?.parse::<ClusterStatus>() };
    found.cluster = if has_key { status.await.ok() } else { None };
    if server.is_encrypted() {
        let shown = client.server_certificate().await;
        found.certificate = shown.map(|shown| certificate(server, &shown, found.cluster.as_ref(), context));
    }
    if found.cluster.as_ref().is_some_and(|status| status.removed) {
        let fix = "take it off the list of servers, or let it join again with an empty data folder";
        return LookedAt { check: Check::wrong(&name, fault, "was removed from the cluster", fix), ..found };
    }
    if let Some(fence) = found.cluster.as_ref().and_then(|status| status.fenced.as_ref()) {
        let node = found.cluster.as_ref().map_or(0, |status| status.node_id);
        let message = format!("is fenced, and serves no data: {}", fence.reason);
        let fix = format!("nexus cluster rebuild {node} --yes");
        return LookedAt { check: Check::wrong(&name, fault, message, fix), ..found };
    }
    let ready = async { health("/health/ready").await?.parse::<Readiness>() };
    match ready.await {
        Ok(ready) if ready.status != "ready" => {
            let why = ready.checks.raft.message.unwrap_or_else(|| "its storage does not answer".to_owned());
            let fix = "nexus cluster status shows the nodes; the log of this one says more";
            let check = Check::wrong(&name, fault, format!("is not ready: {why}"), fix);
            return LookedAt { check, ..found };
        }
        Ok(_) => {}
        Err(error) => return LookedAt { check: failed(&error), ..found },
    }
    let own = env!("CARGO_PKG_VERSION");
    found.check = match &found.cluster {
        Some(status) if status.version != own => {
            let message = format!("runs version {}, and this is nexus {own}", status.version);
            Check::wrong(&name, State::Warning, message, "install the same version of both")
        }
        Some(status) => {
            context.client.learn_members(status);
            Check::ok(&name, format!("answers in {} ms", took.as_millis()))
        }
        None => Check::ok(&name, format!("answers in {} ms", took.as_millis())),
    };
    found
}

/// The certificate that a server shows, which was accepted: until when it is valid, and whether it is of this cluster.
/// One of a public authority names no cluster.
fn certificate(
    server: &Server,
    shown: &Certificate,
    cluster: Option<&ClusterStatus>,
    context: &Context<'_>,
) -> Check {
    let name = format!("certificate of {server}");
    let id = cluster.and_then(|cluster| cluster.cluster_id);
    if let Some((named, id)) = shown.node_name().zip(id).filter(|(named, id)| named.cluster != *id) {
        let message = format!("is for cluster {}, and the server is of {id}", named.cluster);
        return Check::wrong(&name, State::Bad, message, "give the node a certificate of its own cluster");
    }
    let sentence = expiry::sentence(shown, context.out.clock());
    match expiry::state(shown) {
        State::Ok => Check::ok(&name, sentence),
        state => {
            let fix = "issue it again: nexus cluster certs issue --renew, if it is from there";
            Check::wrong(&name, state, sentence, fix)
        }
    }
}

/// The certificates that the members use: one check for all that are well, and one for each that is not.
fn certificates(cluster: &ClusterStatus, context: &Context<'_>) -> Vec<Check> {
    const NAME: &str = "certificates";
    let used = expiry::in_use(cluster);
    let mut checks: Vec<Check> = used
        .iter()
        .map(|used| (used, expiry::state(used.certificate)))
        .filter(|(_, state)| *state != State::Ok)
        .map(|(used, state)| {
            let sentence = expiry::sentence(used.certificate, context.out.clock());
            Check::wrong(NAME, state, format!("the {} {sentence}", used.what), &used.fix)
        })
        .collect();
    checks.extend(expiry::unnamed(cluster).into_iter().map(|node| {
        let message = format!("that of node {node} for peers names no node: any node could use it");
        Check::wrong(NAME, State::Warning, message, format!("nexus cluster certs issue --node {node}"))
    }));
    match used.iter().min_by_key(|used| used.certificate.not_after) {
        Some(first) if checks.is_empty() => {
            let sentence = expiry::sentence(first.certificate, context.out.clock());
            vec![Check::ok(NAME, format!("of the members; the first {sentence}"))]
        }
        _ => checks,
    }
}

/// A check for each other member that has fenced itself, and for each that is damaged.
fn fences(cluster: &ClusterStatus) -> impl Iterator<Item = Check> {
    cluster.nodes.iter().filter_map(|node| {
        let name = format!("node {}", node.id);
        if let Some(fence) = node.fenced.as_ref().filter(|_| !node.this_node) {
            let fix = format!("nexus cluster rebuild {} --yes", node.id);
            return Some(Check::wrong(&name, State::Bad, format!("is fenced: {}", fence.reason), fix));
        }
        let message = format!("is damaged, and the cluster cannot do without it: {}", node.damage.as_ref()?);
        Some(Check::wrong(&name, State::Bad, message, "add a node, or bring a silent one back"))
    })
}

fn clock(skews: &[i64]) -> Option<Check> {
    const NAME: &str = "clock";
    let mut sorted = skews.to_vec();
    sorted.sort_unstable();
    let skew = *sorted.get(sorted.len() / 2)?;
    if skew.abs() <= MOST_SKEW_MS {
        return Some(Check::ok(NAME, "as the cluster's"));
    }
    let way = if skew > 0 { "ahead of" } else { "behind" };
    let message = format!(
        "{} s {way} the cluster's: leases hold all the same, but times look wrong",
        skew.abs() / 1_000
    );
    Some(Check::wrong(NAME, State::Warning, message, "let NTP set this machine's clock"))
}

async fn key(context: &Context<'_>) -> Check {
    const NAME: &str = "key";
    let me = async { context.client.send(Request::get("/auth/me")).await?.parse::<Me>() };
    match me.await {
        Ok(me) => Check::ok(NAME, format!("{} <{}>", me.name, me.email)),
        Err(error) => Check::failed(NAME, context, &error),
    }
}

async fn project(context: &Context<'_>, is_reachable: bool) -> Option<Check> {
    const NAME: &str = "project";
    let found = match link::find() {
        Ok(Some(found)) => found,
        Ok(None) => {
            let fix = "nexus project link SLUG links this repository";
            return Some(Check::wrong(
                NAME,
                State::Warning,
                format!("no {} in this folder or above", link::FILE_NAME),
                fix,
            ));
        }
        Err(error) => return Some(Check::failed(NAME, context, &error)),
    };
    if !is_reachable {
        return None;
    }
    let path = format!("/projects/{}", found.link.project_id);
    let detail = async { context.client.send(Request::get(path)).await?.parse::<ProjectDetail>() };
    Some(match detail.await {
        Ok(_) if found.warning().is_some() => {
            let fix = "remove it, or link the outermost folder to the project that is meant";
            Check::wrong(NAME, State::Warning, found.warning().unwrap_or_default(), fix)
        }
        Ok(detail) => Check::ok(NAME, format!("{} ({})", detail.project.slug, found.path.display())),
        Err(error) => Check::failed(NAME, context, &error),
    })
}

fn run(context: &Context<'_>) -> Check {
    const NAME: &str = "run";
    match context.actor() {
        Actor::Session(id) => Check::ok(NAME, format!("session {id}, which somebody else looks after")),
        Actor::AgentRun { key, .. } => Check::ok(NAME, key.to_string()),
        Actor::Engineer => Check::ok(NAME, "none is to be seen here: commands act as the engineer"),
    }
}

fn git() -> Option<Check> {
    const NAME: &str = "git";
    let git = Git::here();
    if !git.is_so(&["--version"]) {
        let fix = "install Git: checkpoints and guards ask it";
        return Some(Check::wrong(NAME, State::Warning, "there is no git to be run", fix));
    }
    let Ok(root) = git.top() else {
        let fix = "run nexus in a checkout of the project";
        return Some(Check::wrong(NAME, State::Warning, "this folder is in no Git repository", fix));
    };
    Some(Check::ok(NAME, root.display().to_string()))
}
