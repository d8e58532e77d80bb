//! Processes that are killed at any point, and logs that lose their end: no acknowledged write is lost, and every
//! damage is detected.

use nexus_tests::{
    Cluster, Team, eventually,
    fence::{fenced, rebuild},
    history,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The number of kills: they take some twenty seconds.
const ROUNDS: usize = 12;

#[tokio::test]
async fn nodes_that_are_killed_again_and_again_lose_no_acknowledged_write() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut cluster = Cluster::start_with(3, &["--snapshot-entries", "150"]).await;
    let team = Team::of(&cluster).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_usize {
        let (team, urls, stop) = (team.clone(), cluster.urls(), stop.clone());
        writers.spawn(async move {
            let mut written = Vec::new();
            for number in 0..usize::MAX {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let slug = format!("f-{writer}-{number}");
                let body =
                    json!({ "slug": slug, "title": "t", "spec": "x".repeat(number % 7 * 3_000) + "s" });
                let client = team.admin.via(&urls[(writer + number) % 3]);
                let sent = client.send(Method::POST, &team.path("/features"), Some(&body)).await;
                match sent {
                    Ok(answer) if answer.status == 201 => written.push(slug),
                    Ok(_) => {}
                    // The node of this client is not running.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            written
        });
    }
    for round in 0..ROUNDS {
        // The node dies at a random point of a write, a flush, a snapshot or a start.
        tokio::time::sleep(Duration::from_millis(random.random_range(20..900))).await;
        let all = round % 4 == 3;
        let victims: Vec<u64> = (1..=3).filter(|_| all || random.random_bool(0.5)).collect();
        for number in &victims {
            cluster.node(*number).kill();
        }
        for number in &victims {
            cluster.node(*number).start();
        }
        if random.random_bool(0.5) {
            cluster.all_ready().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let written: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
    cluster.all_ready().await;
    assert!(!written.is_empty());
    println!("{} writes acknowledged over {ROUNDS} rounds of kills", written.len());
    for url in cluster.urls() {
        let via = team.admin.via(url);
        for slug in &written {
            via.get(&team.path(&format!("/features/{slug}"))).await.data();
        }
    }
    cluster.same_state(&team.admin).await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &cluster.nodes {
        history::check(&node.data_dir()).await;
    }
}

/// The current write-ahead log.
fn newest_log(data_dir: &Path) -> PathBuf {
    let files = fs::read_dir(data_dir.join("db")).expect("there is a database");
    let mut logs: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    logs.pop().expect("there is a log")
}

async fn write_forty(team: &Team, name: &str) {
    for number in 0..40 {
        let body = json!({ "slug": format!("{name}-{number}"), "title": "t", "spec": "s" });
        let written = eventually("a feature is written", || async {
            // An earlier connection may have been to the node that was killed.
            let sent = team.admin.send(Method::POST, &team.path("/features"), Some(&body)).await.ok()?;
            (sent.status != 503).then_some(sent)
        })
        .await;
        assert!(matches!(written.status.as_u16(), 201 | 409), "{}", written.body);
    }
}

#[tokio::test]
async fn a_torn_end_of_the_log_is_no_damage_and_after_a_lost_end_the_node_is_fenced_until_it_is_rebuilt() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    write_forty(&team, "before").await;
    let number = cluster.leader().await % 3 + 1;
    cluster.node(number).kill();
    let log = newest_log(&cluster.node(number).data_dir());
    // Half a record, as after a power failure: it was never acknowledged.
    let mut file = fs::File::options().append(true).open(&log).expect("the log can be opened");
    file.write_all(&[0xa5; 100]).expect("the log can be written");
    cluster.node(number).start();
    cluster.ready(number).await;
    // A start begins a new file, so there must be entries in it before its end is cut off.
    write_forty(&team, "after").await;
    cluster.same_state(&team.admin).await;

    cluster.node(number).kill();
    let log = newest_log(&cluster.node(number).data_dir());
    let length = fs::metadata(&log).expect("there is a log").len();
    let file = fs::File::options().write(true).open(&log).expect("the log can be opened");
    // Entries may have come in one batch, with their results behind it: the loss of those alone would be harmless.
    file.set_len(length / 16).expect("the log can be cut off");
    cluster.node(number).start();
    let url = cluster.node(number).url();
    fenced(&url).await;
    let why = cluster.node(number).log();
    assert!(why.contains("quarantined") && why.contains("its log was durable up to"), "{why}");
    // It looks again at each start, and does not end.
    cluster.node(number).terminate();
    cluster.node(number).start();
    fenced(&url).await;
    let other = cluster.node(number % 3 + 1).url();
    let rebuilt = rebuild(&team.admin.via(&other), number).await;
    // The answer comes before the node begins anew.
    cluster.ready(number).await;
    assert!(Path::new(&rebuilt).join("db").exists(), "{rebuilt}");
    let ids = eventually("it votes again, under a new id", || async {
        let status = team.admin.via(&other).get("/cluster/status").await;
        let nodes = status.body["data"]["nodes"].as_array()?.clone();
        let voters: Vec<u64> = nodes
            .iter()
            .filter(|node| node["role"] != "learner")
            .filter_map(|node| node["id"].as_u64())
            .collect();
        (voters.len() == 3 && voters.contains(&4)).then_some(voters)
    })
    .await;
    assert!(!ids.contains(&number), "{ids:?}");
    cluster.same_state(&team.admin).await;
}

/// The largest sorted file of a database.
fn largest_sorted_file(data_dir: &Path) -> PathBuf {
    let files =
        fs::read_dir(data_dir.join("db")).expect("there is a database").flatten().map(|file| file.path());
    let sorted = files.filter(|path| path.extension().is_some_and(|end| end == "sst"));
    sorted
        .max_by_key(|path| fs::metadata(path).map_or(0, |found| found.len()))
        .expect("there is a sorted file")
}

/// The words of a node about its damage, and the damage itself, which returns the file that has to be named.
type Damage = (&'static str, fn(&Path) -> PathBuf);

#[tokio::test]
async fn a_damaged_folder_does_not_end_its_node_which_names_the_file_and_is_rebuilt() {
    let damages: [Damage; 3] = [
        ("No such file", |data_dir| {
            let file = largest_sorted_file(data_dir);
            fs::remove_file(&file).expect("it can be removed");
            file
        }),
        ("checksum mismatch", |data_dir| {
            let entries = fs::read_dir(data_dir.join("db")).expect("there is a database").flatten();
            let mut names = entries.map(|entry| entry.path());
            let is_manifest = |path: &PathBuf| path.to_string_lossy().contains("MANIFEST");
            let file = names.find(is_manifest).expect("there is a manifest");
            let mut bytes = fs::read(&file).expect("it can be read");
            bytes[60] ^= 0x20;
            fs::write(&file, bytes).expect("it can be written");
            file
        }),
        ("quarantined: the mark", |data_dir| {
            let file = data_dir.join("files").join("durable.mark");
            fs::write(&file, []).expect("it can be written");
            PathBuf::from("the mark of what was durable")
        }),
    ];
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    for (round, (says, damage)) in (0_u64..).zip(damages) {
        write_forty(&team, &format!("round-{round}")).await;
        // The first start after a crash writes what is in the write-ahead log into sorted files.
        cluster.node(2).kill();
        cluster.node(2).start();
        cluster.ready(2).await;
        cluster.node(2).terminate();
        let file = damage(&cluster.node(2).data_dir());
        cluster.node(2).start();
        fenced(&cluster.node(2).url()).await;
        let why = cluster.node(2).log();
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(why.contains(says) && why.contains(&name), "{why}");
        // Its id is a new one after each rebuild.
        let id = if round == 0 { 2 } else { round + 3 };
        rebuild(&team.admin, id).await;
        cluster.ready(2).await;
    }
    cluster.same_state(&team.admin).await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for the copy");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("it can be copied");
        }
    }
}

/// A restored folder is a mistake of the operator. Its count of requests starts at an earlier number.
#[tokio::test]
async fn a_folder_restored_from_an_older_copy_returns_no_earlier_reply() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let number = leader % 3 + 1;
    let (folder, copied) = (cluster.node(number).data_dir(), cluster.folder().join("copy"));
    let stop = async |cluster: &mut Cluster, nodes: &[u64]| {
        for number in nodes {
            cluster.node(*number).terminate();
        }
        for number in nodes {
            cluster.node(*number).ended().await;
        }
    };
    stop(&mut cluster, &[number]).await;
    copy(&folder, &copied);
    cluster.node(number).start();
    cluster.ready(number).await;
    let write = async |cluster: &mut Cluster, name: &str| {
        let via = team.admin.via(cluster.node(number).url());
        for count in 0..5 {
            let slug = format!("{name}-{count}");
            let made = via.post("/projects", json!({ "name": slug, "slug": slug })).await;
            assert_eq!((made.status.as_u16(), &made.body["data"]["slug"]), (201, &json!(slug)), "{made:?}");
        }
    };
    write(&mut cluster, "before").await;

    stop(&mut cluster, &[1, 2, 3]).await;
    fs::remove_dir_all(&folder).expect("it can be removed");
    copy(&copied, &folder);
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.all_ready().await;
    write(&mut cluster, "after").await;
    assert!(cluster.node(number).log().contains("replaced by an older copy"));
    cluster.same_state(&team.admin).await;
}
