//! A backup of a large cluster, taken while others write, and restored elsewhere: how long each takes, and whether the
//! restored state is that which the nodes had at the revision of the backup.

use crate::{Client, Cluster, Team, programs::binary};
use anyhow::{Context, bail, ensure};
use futures::StreamExt;
use serde_json::json;
use std::{
    collections::HashMap,
    fmt::{self, Display},
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Clients that write features at once.
const WRITERS: usize = 64;
/// Clients that write on during the backup, and the pause of each: nodes are seen at most of their revisions.
const LOAD: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);
/// Backups until one is of a revision at which a node was seen.
const ATTEMPTS: usize = 20;

/// The size, the times and the state of a backup.
pub struct Report {
    features: usize,
    bytes: u64,
    filled: Duration,
    taken: Duration,
    restored: Duration,
    /// The hash of both states.
    hash: String,
}

/// The state hashes of the nodes, by revision.
type Seen = Arc<Mutex<HashMap<u64, String>>>;

/// Makes a cluster with this many features, and backs it up.
///
/// # Errors
/// When the states differ, or a command fails.
pub async fn measure(features: usize) -> anyhow::Result<Report> {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let most = json!({ "quota.project.memory": 1_u64 << 34, "quota.engineer.memory": 1_u64 << 34,
        "quota.cluster.memory": 1_u64 << 34 });
    team.settings(most).await;
    let began = Instant::now();
    fill(&cluster, &team, features).await?;
    let filled = began.elapsed();

    let seen = Seen::default();
    let mut load = JoinSet::new();
    for url in cluster.urls() {
        load.spawn(watch(team.admin.via(url), seen.clone()));
    }
    for _ in 0..LOAD {
        load.spawn(write(team.clone()));
    }
    let file = cluster.folder().join("large.backup");
    // A node that may follow: any of them gives one.
    let via = team.admin.via(&cluster.urls()[1]);
    let (taken, hash) = matching(&via, &file, &seen).await?;
    load.shutdown().await;

    let began = Instant::now();
    let printed = nexusd(&[
        "restore",
        "--from",
        &text(&file),
        "--data-dir",
        &text(&cluster.folder().join("restored")),
    ])?;
    let restored = began.elapsed();
    ensure!(printed.contains(&format!("State hash {hash}")), "it was restored as another state: {printed}");
    Ok(Report { features, bytes: file.metadata()?.len(), filled, taken, restored, hash })
}

/// Takes backups until one is of a revision at which a node was seen, and compares the hashes.
async fn matching(via: &Client, file: &Path, seen: &Seen) -> anyhow::Result<(Duration, String)> {
    for _ in 0..ATTEMPTS {
        let began = Instant::now();
        download(via, file).await?;
        let taken = began.elapsed();
        let printed = nexusd(&["check-backup", &text(file)])?;
        let (revision, hash) = (field(&printed, "Revision")?, field(&printed, "State hash")?);
        let at = seen.lock().unwrap_or_else(PoisonError::into_inner).get(&revision.parse()?).cloned();
        if let Some(at) = at {
            ensure!(at == hash, "at revision {revision}, a node has the state {at}, and the backup {hash}");
            return Ok((taken, hash));
        }
    }
    bail!("in {ATTEMPTS} backups, none is of a revision at which a node was seen")
}

async fn fill(cluster: &Cluster, team: &Team, features: usize) -> anyhow::Result<()> {
    let urls = cluster.urls();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (team, via) = (team.clone(), team.admin.via(&urls[writer % urls.len()]));
        writers.spawn(async move {
            for number in (writer..features).step_by(WRITERS) {
                let slug = format!("f-{number}");
                let body = json!({ "slug": slug, "title": "t", "spec": "do it", "touches": [format!("src/{slug}/")] });
                via.post(&team.path("/features"), body).await.data();
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.context("a writer failed")?;
    }
    Ok(())
}

async fn write(team: Team) {
    loop {
        team.admin.post(&team.path("/decisions"), json!({ "title": "t", "decision": "d" })).await.data();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn watch(client: Client, seen: Seen) {
    loop {
        let status = client.get("/cluster/status").await;
        let status = status.data();
        if let (Some(applied), Some(hash)) = (status["applied"].as_u64(), status["stateHash"].as_str()) {
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(applied, hash.to_owned());
        }
    }
}

async fn download(via: &Client, to: &Path) -> anyhow::Result<()> {
    let response = via.open("/cluster/backup").await?.error_for_status()?;
    let (mut file, mut pieces) = (File::create(to)?, response.bytes_stream());
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece?)?;
    }
    Ok(())
}

fn nexusd(args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(binary("nexusd")).args(args).env_clear().stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "nexusd {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn field(printed: &str, name: &str) -> anyhow::Result<String> {
    let line = printed.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.with_context(|| format!("no {name} in {printed}"))?.trim().to_owned())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { features, bytes, filled, taken, restored, hash } = self;
        let rate = *features as f64 / filled.as_secs_f64();
        writeln!(out, "{features} features, written in {:.1} s ({rate:.0}/s)", filled.as_secs_f64())?;
        let mib = *bytes as f64 / f64::from(1 << 20);
        writeln!(out, "backup under load: {mib:.1} MiB in {:.2} s", taken.as_secs_f64())?;
        writeln!(out, "restored and checked in {:.2} s", restored.as_secs_f64())?;
        writeln!(out, "state hash {hash}, as the nodes had it at this revision")
    }
}
