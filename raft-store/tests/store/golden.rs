//! The bytes that are on disks already. A change here needs a new format number, or old data
//! folders and nodes of other versions cannot be read any more.

use crate::{
    entries::{Scribe, log_id},
    node::{Node, pairs},
};
use nexus_domain::{Actor, Command};
use nexus_raft_store::storage::{Column, SimulatedDisk, Storage as _};
use openraft::storage::RaftLogStorage as _;

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn column(disk: &SimulatedDisk, column: Column) -> Vec<(String, String)> {
    let pairs = pairs(disk, column);
    pairs.iter().map(|(key, value)| (text(key), text(value))).collect()
}

#[tokio::test]
async fn entries_votes_and_progress_have_the_bytes_that_they_always_had() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let entries = vec![scribe.membership(1), scribe.blank(), scribe.ask(Actor::System, Command::Tick)];
    node.vote(1).await.unwrap();
    node.append(entries.clone()).await.unwrap();
    node.log.save_committed(Some(log_id(1, 2))).await.unwrap();
    node.vote(300).await.unwrap();
    node.apply(entries).await.unwrap();
    node.log.purge(log_id(1, 0)).await.unwrap();

    let log = column(&disk, Column::Log);
    let expected = [
        ("0000000000000001", "010100040000000101010040184dbc"),
        (
            "0000000000000002",
            "0101001d00000001010201040001100000000000000000000000000000005e0014fbd4075e0b6695",
        ),
    ];
    assert_eq!(log, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let meta = column(&disk, Column::Meta);
    let expected = [
        ("log/committed", "010300030000000101024188f9de"),
        ("log/purged", "01030003000000010100b6f8c23f"),
        ("log/vote", "01020005000000fb2c010100e17062b7"),
        (
            "machine/progress",
            "01080042000000010101020101010001010101010e3132372e302e302e313a37353031001000000000000000000000000000000000fde6bab33b8e1c25ce01fdc29b01dd518b5c33004eadd33c",
        ),
    ];
    assert_eq!(meta, expected.map(|(key, value)| (text(key.as_bytes()), value.to_owned())));

    let mark = disk.folder().open("durable.mark").unwrap().unwrap();
    let mut bytes = [0; 64];
    let length = mark.read_at(4096, &mut bytes).unwrap();
    assert_eq!(text(&bytes[..length]), "0104000b000000070101010201fb2c010100099e6d29");
}
