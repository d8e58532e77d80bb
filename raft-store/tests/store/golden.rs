//! The bytes that existing data folders have. A change here needs a new format number, or old data folders and nodes of
//! other versions could not be read any more.

use crate::{
    entries::{Scribe, log_id},
    node::{Node, pairs},
};
use nexus_domain::{
    Actor, Answer, Command, Document, DocumentKey, Event, Proposal, Recorded, Refusal, Reply, Row, RowKey,
    Settings,
    command::{self, FeaturePatch, NewCheckpoint, NewDecision, NewFeature},
    document::{Checkpoint, Decision, LatestCheckpoint, Learning},
    entity::{
        ApiKey, Claim, ClaimKey, ClaimMode, ClusterOrigin, Engineer, Feature, HistoryStart, Holder,
        JoinToken, Lane, LeaseState, Member, MemberRole, NodeRecord, Project, ReleaseReason, ResetKind, Role,
        Session, SessionMetadata, SessionNote, Status, Ticket,
    },
    event::{Cause, FeatureField, FieldValue},
    refusal::{Blocked, Blocker, Conflict, EntityKind, HolderNote},
    reply_cache::{KeyedReply, KeyedRequest, ReplySlot, Request, SequenceId, SlottedReply},
    settings::{Registration, SettingsPatch},
};
use nexus_raft_store::{
    NewHistory,
    storage::{Column, SimulatedDisk, Storage as _},
};
use openraft::storage::RaftLogStorage as _;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

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
    let entries = vec![scribe.membership(1), scribe.blank(), scribe.ask(Actor::System, command::Tick.into())];
    node.vote(1).await.unwrap();
    node.append(entries.clone()).await.unwrap();
    node.log.save_committed(Some(log_id(1, 2))).await.unwrap();
    node.vote(300).await.unwrap();
    node.apply(entries).await.unwrap();
    node.log.purge(log_id(1, 0)).await.unwrap();

    let log = column(&disk, Column::Log);
    let expected = [
        ("0000000000000001", "0201000400000001010100f2763300"),
        (
            "0000000000000002",
            "0201001d00000001010201040001100000000000000000000000000000005e0014fbd4079ac733c1",
        ),
    ];
    assert_eq!(log, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let meta = column(&disk, Column::Meta);
    let expected = [
        ("log/committed", "020300030000000101025f72ef86"),
        ("log/purged", "02030003000000010100a802d467"),
        ("log/vote", "02020005000000fb2c010100b10cf0e4"),
        (
            "machine/progress",
            "02080043000000010101020101010001010101010e3132372e302e302e313a37353031001000000000000000000000000000000000fdf49863b66b697f7a01fd78b12a6a5c45644000004542e969",
        ),
    ];
    assert_eq!(meta, expected.map(|(key, value)| (text(key.as_bytes()), value.to_owned())));

    let mark = disk.folder().open("durable.mark").unwrap().unwrap();
    let mut bytes = [0; 64];
    let length = mark.read_at(4096, &mut bytes).unwrap();
    assert_eq!(text(&bytes[..length]), "0204000b000000070101010201fb2c0101007498d638");
}

#[tokio::test]
async fn a_history_makes_the_rows_documents_and_events_that_it_always_made() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let history = [scribe.beginning(), scribe.texts(), scribe.features(4), scribe.odds_and_ends()].concat();
    node.run(history).await;
    node.machine.verify().unwrap();
    let sums = [Column::Log, Column::Rows, Column::Documents, Column::Events].map(|column| {
        pairs(&disk, column)
            .iter()
            .fold(0, |sum, (key, value)| crc32c::crc32c_append(crc32c::crc32c_append(sum, key), value))
    });
    let hash = node.handle.latest().hash();
    let found = (format!("{hash:016x}"), sums.map(|sum| format!("{sum:08x}")).join(" "));
    assert_eq!(found, ("67d8dad5fcac4daf".to_owned(), "65b10caf ef080f5e d04dc466 b84794f3".to_owned()));
}

/// Variants and fields are encoded by their position and not by their name, so their order must not change.
#[test]
fn variants_and_fields_are_where_they_always_were() {
    let mut shapes = String::new();
    macro_rules! add_shapes {
        ($($kind:ty),* $(,)?) => {
            $(shapes.push_str(&format!("{}: {}\n", stringify!($kind), names::<$kind>().join(" ")));)*
        };
    }
    add_shapes!(
        Command,
        Proposal,
        Request,
        KeyedRequest,
        ReplySlot,
        SequenceId,
        NewFeature,
        FeaturePatch,
        NewDecision,
        NewCheckpoint,
        SettingsPatch,
        Event,
        Recorded,
        Cause,
        ReleaseReason,
        FeatureField,
        FieldValue,
        Reply,
        Answer,
        KeyedReply,
        SlottedReply,
        Refusal,
        Conflict,
        HolderNote,
        SessionNote,
        Blocked,
        Blocker,
        EntityKind,
        RowKey,
        Row,
        Settings,
        Registration,
        ClusterOrigin,
        NodeRecord,
        JoinToken,
        Engineer,
        Role,
        ApiKey,
        Project,
        Member,
        MemberRole,
        Feature,
        Lane,
        Status,
        Holder,
        Session,
        SessionMetadata,
        LeaseState,
        ClaimKey,
        Claim,
        ClaimMode,
        Ticket,
        DocumentKey,
        Document,
        LatestCheckpoint,
        Checkpoint,
        Decision,
        Learning,
        HistoryStart,
        ResetKind,
        NewHistory,
    );
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/shapes.txt");
    if std::env::var_os("NEXUS_BLESS").is_some() {
        std::fs::write(golden, &shapes).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    for (shape, expected) in shapes.lines().zip(expected.lines()) {
        assert_eq!(shape, expected);
    }
    assert_eq!(shapes, expected, "NEXUS_BLESS=1 writes it anew");
}

/// The names of an enum's variants or a struct's fields, as its derived code asks for them.
fn names<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = Vec::new();
    assert!(T::deserialize(Names(&mut names)).is_err(), "there is nothing to read");
    assert!(!names.is_empty());
    names
}

struct Names<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(variants);
        Err(Error::custom("only names are asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("only names are asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only names are asked for"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}
