//! Real files that end at some byte: the write-ahead log of RocksDB, the mark beside it, and snapshots. Of each file,
//! the positions are all those around an acknowledgement, and a sample of the others.

use crate::{
    data_folder::{copy_of, newest_log, temporary},
    entries::Scribe,
    node::{Node, vote},
};
use nexus_raft_store::{StoreError, Vote, storage::Rocks};
use openraft::storage::RaftStateMachine as _;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const MARK: &str = "files/durable.mark";
/// The positions of a sample, some 20 ms each.
const SAMPLE: usize = 90;
/// The positions before and after each acknowledgement.
const AROUND: usize = 3;

/// The content that was acknowledged at one moment, and the files that had it.
#[derive(Clone, Debug)]
struct Acknowledged {
    log_bytes: usize,
    mark: Vec<u8>,
    last: Option<u64>,
    vote: Option<Vote>,
}

impl Acknowledged {
    async fn of(node: &mut Node, folder: &Path) -> Self {
        let log_bytes = usize::try_from(fs::metadata(newest_log(folder)).unwrap().len()).unwrap();
        let mark = fs::read(folder.join(MARK)).unwrap();
        Self { log_bytes, mark, last: node.last().await, vote: node.read_vote().await }
    }
}

/// All positions of a file that are near to one of these, and a sample of the others.
fn positions(length: usize, near: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    let around = near.flat_map(|at| at.saturating_sub(AROUND)..=at + AROUND);
    around.chain((0..length).step_by((length / SAMPLE).max(1))).filter(|at| *at <= length).collect()
}

/// Starts a node on a folder of RocksDB.
async fn start(folder: &Path) -> Result<Node, StoreError> {
    Node::try_start(Rocks::open(folder)?).await
}

/// Cuts a file off, or writes zeros over its rest, as after a crash of a file system that had only noted the length.
fn cut(file: PathBuf, at: usize, is_filled: bool) {
    let mut bytes = fs::read(&file).unwrap();
    let length = bytes.len();
    bytes.truncate(at);
    if is_filled {
        bytes.resize(length, 0);
    }
    fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ahead_log_that_ends_at_any_byte_has_what_was_acknowledged_or_is_quarantined() {
    let folder = temporary();
    let mut node = start(folder.path()).await.unwrap();
    let mut moments = vec![Acknowledged::of(&mut node, folder.path()).await];
    let mut scribe = Scribe::new();
    let mut entries = scribe.beginning();
    entries.extend(scribe.features(1));
    for (term, part) in (1..).zip(entries.chunks(3)) {
        node.vote(term).await.unwrap();
        moments.push(Acknowledged::of(&mut node, folder.path()).await);
        node.run(part.to_vec()).await;
        moments.push(Acknowledged::of(&mut node, folder.path()).await);
    }
    node.stop().await;

    let end = moments.last().unwrap().clone();
    let length = usize::try_from(fs::metadata(newest_log(folder.path())).unwrap().len()).unwrap();
    let tried = positions(length, moments.iter().map(|moment| moment.log_bytes));
    for at in &tried {
        // A crash at this moment: the mark is the one of the last acknowledgement.
        let next = moments.iter().position(|moment| moment.log_bytes > *at).unwrap_or(moments.len());
        let (before, after) = (&moments[next - 1], moments.get(next).unwrap_or(&end));
        let copy = copy_of(folder.path());
        cut(newest_log(copy.path()), *at, at % 2 == 1);
        fs::write(copy.path().join(MARK), &before.mark).unwrap();
        let mut node = start(copy.path()).await.unwrap_or_else(|error| panic!("at byte {at}: {error}"));
        let (last, vote) = (node.last().await, node.read_vote().await);
        assert!([before.last, after.last].contains(&last), "at byte {at}: {last:?}, {before:?}");
        assert!([before.vote, after.vote].contains(&vote), "at byte {at}: {vote:?}, {before:?}");
        node.machine.verify().unwrap();
        let next = last.map_or(0, |last| last + 1);
        node.append(vec![Scribe::new().at(90, next).blank()]).await.unwrap();
        node.stop().await;

        // The same damage later: the mark knows what is missing.
        let copy = copy_of(folder.path());
        cut(newest_log(copy.path()), *at, at % 2 == 0);
        let started = start(copy.path()).await;
        if *at < end.log_bytes {
            let error = started.err();
            assert!(matches!(error, Some(StoreError::Quarantined(_))), "at byte {at}: {error:?}");
        } else {
            started.unwrap().stop().await;
        }
    }
    println!("the write-ahead log was cut at {} of {length} bytes", tried.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_that_ends_at_any_byte_is_whole_in_one_place_or_the_node_is_quarantined() {
    let folder = temporary();
    let mut node = start(folder.path()).await.unwrap();
    let mut scribe = Scribe::new();
    for term in 1..4 {
        node.vote(term).await.unwrap();
        node.append(vec![scribe.blank()]).await.unwrap();
    }
    node.stop().await;
    let bytes = fs::read(folder.path().join(MARK)).unwrap();
    // The first place ends where its zeros begin, and the second one begins after them.
    let zeros = bytes.windows(64).position(|window| window.iter().all(|byte| *byte == 0)).unwrap();
    let tried: BTreeSet<usize> = (0..=zeros + AROUND).chain(4_096 - AROUND..=bytes.len()).collect();
    for at in &tried {
        for is_filled in [false, true] {
            let copy = copy_of(folder.path());
            cut(copy.path().join(MARK), *at, is_filled);
            match start(copy.path()).await {
                Err(error) => {
                    assert!(matches!(error, StoreError::Quarantined(_)), "at byte {at}: {error}");
                    assert!(*at < zeros, "at byte {at}: one place is whole");
                }
                Ok(mut node) => {
                    assert!(*at >= zeros, "at byte {at}: no place is whole");
                    assert_eq!((node.last().await, node.read_vote().await), (Some(2), Some(vote(3))));
                    node.append(vec![Scribe::new().at(4, 3).blank()]).await.unwrap();
                    node.stop().await;
                }
            }
        }
    }
    println!("the mark was cut at {} bytes", tried.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_ends_at_any_byte_is_no_snapshot() {
    let folder = temporary();
    let mut node = start(folder.path()).await.unwrap();
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.features(2)].concat()).await;
    let built = node.build_snapshot().await;
    let whole = built.snapshot.read_chunk(0).await.unwrap();
    drop(built.snapshot);
    node.stop().await;
    let files = folder.path().join("files");
    let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "snap");
    let mut names = fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().path());
    let name = names.find(is_snapshot).unwrap().file_name().unwrap().to_owned();

    let tried = positions(whole.len(), [0, whole.len()].into_iter());
    for at in &tried {
        let copy = copy_of(folder.path());
        let files = copy.path().join("files");
        cut(files.join(&name), *at, at % 2 == 1);
        // A crash leaves such files under this name only.
        fs::write(files.join("unfinished-7.tmp"), &whole[..*at]).unwrap();
        let mut node = start(copy.path()).await.unwrap();
        let current = node.machine.get_current_snapshot().await.unwrap();
        let (is_there, is_damaged) = (current.is_some(), *at < whole.len());
        drop(current);
        assert_eq!(is_there, !is_damaged, "at byte {at}");
        let damaged = files.join(format!("damaged-{}", name.to_str().unwrap()));
        assert_eq!(damaged.exists(), is_damaged, "at byte {at}: it is kept for inspection");
        assert!(!files.join("unfinished-7.tmp").exists(), "at byte {at}");
        assert_eq!(node.build_snapshot().await.snapshot.length(), whole.len() as u64);
        node.stop().await;
    }
    println!("the snapshot was cut at {} of {} bytes", tried.len(), whole.len());
}
