//! One episode: a cluster is started, agents work while leaders are killed and then while everything fails, the faults
//! end, and all oracles are asked.

use super::{
    agent::{Agent, Work, slug},
    ask::Asker,
    follower::follow,
    log::read_folder,
    nemesis::{Kind, LeaderLoss, Nemesis},
    prober::probe,
    recorder::Recorder,
    stage::Stage,
    verdict::{Evidence, Judgement, judge},
};
use crate::{
    team::{Engineer, Team},
    work::commits,
};
use nexus_oracles::history::{OperationOutcome, Record, RunHeader, write_line};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Real commits, whose files are claimed.
const COMMITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/commits.jsonl");
/// The agents of an episode.
const AGENTS: usize = 8;
/// The clients that write all the time.
const PROBERS: usize = 2;
/// The paths that agents fight for.
const PATHS: usize = 24;
/// The features that are there from the beginning.
const FEATURES: usize = 30;
/// Whatever does not happen so long after the faults never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// The plan of an episode.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of all random choices. The run is not the same each time: processes and networks are real.
    pub seed: u64,
    /// How long leaders are killed, one after the other.
    pub kills: Duration,
    /// How long faults of all kinds happen.
    pub faults: Duration,
    /// The file that gets the history.
    pub history: PathBuf,
}

/// The result of an episode.
#[derive(Clone, Debug, Serialize)]
pub struct EpisodeReport {
    /// The seed of all random choices.
    pub seed: u64,
    /// The time that it took, in seconds.
    pub seconds: u64,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<Kind, u64>,
    /// The time from the loss of a leader to the first acknowledged write that was sent after it, in milliseconds;
    /// where nothing else was wrong.
    pub gaps_ms: Vec<u64>,
    /// The same, while other faults happened.
    pub gaps_among_faults_ms: Vec<u64>,
    /// The judgement of the oracles.
    pub judgement: Judgement,
}

/// Carries an episode out. Returns the report and the evidence.
///
/// # Errors
/// When the cluster cannot be started, or files cannot be written or read.
///
/// # Panics
/// When the cluster is not there before the faults.
pub async fn run(plan: &Plan) -> anyhow::Result<(EpisodeReport, Evidence)> {
    let began = Instant::now();
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let mut stage = Stage::start().await?;
    let team = stage.team().await;
    let recorder = Recorder::default();
    let work = prepare(&team).await?;
    let (stop, stop_following) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let mut clients = start_clients(&stage, &team, &recorder, &work, &stop, &mut rng).await;
    let following = tokio::spawn(follow(
        team.admin.clone(),
        stage.cluster.urls(),
        team.project.clone(),
        recorder.clone(),
        stop_following.clone(),
    ));
    let mut nemesis =
        Nemesis::new(SmallRng::seed_from_u64(rng.random()), recorder.clone(), team.admin.clone());
    nemesis.kill_leaders(&mut stage, plan.kills).await;
    nemesis.rage(&mut stage, plan.faults).await;
    let mut serves = nemesis.settle(&mut stage).await;
    // It goes on for a moment without faults: whatever was cut off is asked again.
    let healed_us = recorder.now_us();
    serves = serves && within(|| recorder.has_acknowledged_since(healed_us)).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended?;
    }
    let last = last_write(&team, &stage).await;
    serves = serves && last.is_some() && within(|| recorder.latest_event() >= last.unwrap_or(0)).await;
    stop_following.store(true, Ordering::Relaxed);
    following.await?;
    if serves {
        stage.cluster.same_state(&team.admin).await;
    } else {
        nemesis.violations.push("writes and events do not go on after the faults".to_owned());
    }
    for node in &mut stage.cluster.nodes {
        if serves {
            node.terminate();
        } else {
            node.kill();
        }
    }
    let mut folders = Vec::new();
    for node in &stage.cluster.nodes {
        folders.push(read_folder(&node.data_dir()).await?);
    }
    let evidence = Evidence::new(recorder.take(), folders);
    write_history(plan, &evidence.records, &plan.history)?;
    // It computes for some seconds.
    let (evidence, mut judgement) = tokio::task::spawn_blocking(move || {
        let judgement = judge(&evidence);
        (evidence, judgement)
    })
    .await?;
    judgement.violations.append(&mut nemesis.violations);
    if !judgement.violations.is_empty() {
        stage.keep_logs(&plan.history.with_extension("logs"))?;
    }
    let gaps =
        |is_alone| gaps_ms(&evidence.records, nemesis.losses.iter().filter(|loss| loss.is_alone == is_alone));
    let report = EpisodeReport {
        seed: plan.seed,
        seconds: began.elapsed().as_secs(),
        faults: nemesis.counts.clone(),
        gaps_ms: gaps(true),
        gaps_among_faults_ms: gaps(false),
        judgement,
    };
    Ok((report, evidence))
}

/// Waits until something is so. Returns whether it was so in time.
async fn within(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// Writes once more, through whichever node takes it. Returns the revision.
async fn last_write(team: &Team, stage: &Stage) -> Option<u64> {
    let decision = json!({ "title": "The end", "decision": "stop" });
    let end = Instant::now() + PATIENCE;
    for url in stage.cluster.urls().iter().cycle() {
        let admin = team.admin.via(url).under_key("the-last-write");
        let answer = admin.send(reqwest::Method::POST, &team.path("/decisions"), Some(&decision)).await;
        if let Some(answer) = answer.ok().filter(|answer| answer.status.is_success()) {
            return Some(answer.revision());
        }
        if Instant::now() > end {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// Writes the features that the agents begin with, over files of real commits.
async fn prepare(team: &Team) -> anyhow::Result<Work> {
    let mut files: Vec<String> =
        commits(COMMITS.as_ref(), 200)?.into_iter().flat_map(|commit| commit.files).collect();
    files.sort();
    files.dedup();
    let mut paths: Vec<String> = files.into_iter().step_by(7).take(PATHS).collect();
    // A folder collides with everything in it.
    let folder = paths.iter().find_map(|path| Some(format!("{}/", path.rsplit_once('/')?.0)));
    paths.extend(folder);
    for number in 0..FEATURES {
        let touches: Vec<&str> =
            (0..3).map(|more| paths[(number * 5 + more * 11) % paths.len()].as_str()).collect();
        team.ready_feature(&slug(number), &touches).await;
    }
    Ok(Work { paths: paths.into(), features: FEATURES })
}

async fn start_clients(
    stage: &Stage,
    team: &Team,
    recorder: &Recorder,
    work: &Work,
    stop: &Arc<AtomicBool>,
    rng: &mut SmallRng,
) -> JoinSet<()> {
    let engineers: [Engineer; 3] =
        [team.engineer("ana").await, team.engineer("ben").await, team.engineer("eva").await];
    let asker = |number: usize| {
        let engineer = &engineers[number % engineers.len()];
        Asker {
            number: number as u64,
            client: engineer.client.clone(),
            engineer: engineer.id.clone(),
            project: team.project.clone(),
            urls: stage.cluster.urls(),
            starts: stage.starts.clone(),
            recorder: recorder.clone(),
        }
    };
    let mut clients = JoinSet::new();
    for number in 0..AGENTS {
        let agent = Agent::new(asker(number), work.clone(), SmallRng::seed_from_u64(rng.random()));
        clients.spawn(agent.work(stop.clone()));
    }
    for number in AGENTS..AGENTS + PROBERS {
        clients.spawn(probe(asker(number), format!("prober-{number}"), stop.clone()));
    }
    clients
}

fn write_history(plan: &Plan, records: &[Record], path: &Path) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let header = RunHeader {
        workload: "real processes".to_owned(),
        seed: plan.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        nodes: super::stage::NODES as u64,
    };
    write_line(&mut file, &Record::Run(header))?;
    records.iter().try_for_each(|record| write_line(&mut file, record))?;
    file.into_inner()?.sync_all()?;
    Ok(())
}

/// The times from losses of a leader to the first acknowledged write that was sent after it.
fn gaps_ms<'a>(records: &[Record], losses: impl Iterator<Item = &'a LeaderLoss>) -> Vec<u64> {
    let acknowledged = |record: &Record| match record {
        Record::Operation(operation) if operation.ask.is_write() => {
            let is_ok = matches!(operation.outcome, OperationOutcome::Ok(_));
            is_ok.then_some((operation.called_us, operation.returned_us?))
        }
        _ => None,
    };
    let acknowledged: Vec<(u64, u64)> = records.iter().filter_map(acknowledged).collect();
    let gap = |loss: &LeaderLoss| {
        let after = acknowledged.iter().filter(|(called, _)| *called >= loss.at_us);
        Some((after.map(|(_, returned)| *returned).min()? - loss.at_us) / 1_000)
    };
    losses.filter_map(gap).collect()
}
