//! The keys of everything stored. The order of their bytes is the order of what they stand for.
//!
//! A key of what belongs to a project begins with the project's id, so that a project can be moved as one range; a key
//! of what belongs to the cluster begins with the nil id. Texts come last in a key and need no end. A row repeats its
//! key in its value, so row keys are only written; document keys are also decoded.

use crate::storage::KeyRange;
use nexus_domain::{
    DocumentKey, FeatureId, ProjectId, Revision, RowKey, SessionId,
    document::LogPosition,
    entity::ClaimKey,
    ids::DecisionId,
    reply_cache::{ReplyKey, ReplySlot},
    row::TextKey,
};
use uuid::Uuid;

/// Records of [`Column::Meta`](crate::storage::Column::Meta).
pub(crate) mod meta {
    /// The key of the vote.
    pub(crate) const VOTE: &[u8] = b"log/vote";
    /// The last entry that was purged from the log.
    pub(crate) const PURGED: &[u8] = b"log/purged";
    /// The last entry that is known to be committed.
    pub(crate) const COMMITTED: &[u8] = b"log/committed";
    /// The progress of the state machine.
    pub(crate) const PROGRESS: &[u8] = b"machine/progress";
    /// The snapshot that is being installed. The record exists only meanwhile.
    pub(crate) const INSTALLING: &[u8] = b"machine/installing";
    /// The node's own identity.
    pub(crate) const IDENTITY: &[u8] = b"node/identity";
    /// The folder is being built for a new history. The record exists only meanwhile.
    pub(crate) const BUILDING: &[u8] = b"node/building";
    /// The new history that the node has to begin, or has begun.
    pub(crate) const NEW_HISTORY: &[u8] = b"node/new-history";
}

/// The kinds of rows and documents, as they follow the project in a key. A number is never reused.
mod tag {
    /// It comes before all others, since it says whether this program can read them.
    pub(super) const RULES: u8 = 0;
    pub(super) const CLOCK: u8 = 1;
    pub(super) const ORIGIN: u8 = 2;
    pub(super) const SETTINGS: u8 = 3;
    pub(super) const NODE: u8 = 4;
    pub(super) const JOIN_TOKEN: u8 = 5;
    pub(super) const ENGINEER: u8 = 6;
    pub(super) const API_KEY: u8 = 7;
    pub(super) const REPLY: u8 = 8;
    pub(super) const TICKET: u8 = 9;
    pub(super) const SLOT: u8 = 10;
    pub(super) const ENGINEER_DELETION: u8 = 11;
    pub(super) const HISTORY_START: u8 = 12;
    pub(super) const REPLICA: u8 = 13;
    pub(super) const PROJECT: u8 = 16;
    pub(super) const MEMBER: u8 = 17;
    pub(super) const FEATURE: u8 = 18;
    pub(super) const SESSION: u8 = 19;
    pub(super) const CLAIM: u8 = 20;
    pub(super) const LATEST_CHECKPOINT: u8 = 21;
    pub(super) const DECISION_PLACE: u8 = 22;
    pub(super) const TEXT_COUNT: u8 = 23;
    pub(super) const PROJECT_DELETION: u8 = 24;
    pub(super) const REPLACED_LISTS: u8 = 25;

    pub(super) const SPEC: u8 = 1;
    // 2 was the kind of checkpoints by their ids.
    pub(super) const CHECKPOINT: u8 = 3;
    pub(super) const LEARNING: u8 = 4;
    pub(super) const DECISION: u8 = 5;
    pub(super) const DECISION_ABOUT: u8 = 6;
    pub(super) const LISTS: u8 = 7;
}

/// The key of a log entry.
pub(crate) fn entry(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// The key of an event. It ends with the project, so that a scan for one project need not read the others' events.
pub(crate) fn event(revision: Revision, seq: u32, project: ProjectId) -> [u8; EVENT_BYTES] {
    let mut key = [0; EVENT_BYTES];
    key[..POSITION_BYTES].copy_from_slice(&position(revision, seq));
    key[POSITION_BYTES..].copy_from_slice(project.0.as_bytes());
    key
}

const POSITION_BYTES: usize = 12;
const EVENT_BYTES: usize = POSITION_BYTES + 16;

fn position(revision: Revision, seq: u32) -> [u8; POSITION_BYTES] {
    let mut bytes = [0; POSITION_BYTES];
    bytes[..8].copy_from_slice(&revision.0.to_be_bytes());
    bytes[8..].copy_from_slice(&seq.to_be_bytes());
    bytes
}

/// The revision and the project in the key of an event; `None` if it is not such a key.
pub(crate) fn read_event(key: &[u8]) -> Option<(Revision, ProjectId)> {
    let key: &[u8; EVENT_BYTES] = key.try_into().ok()?;
    let revision = key[..8].try_into().map(u64::from_be_bytes).ok()?;
    let project = key[POSITION_BYTES..].try_into().map(Uuid::from_bytes).ok()?;
    Some((Revision(revision), ProjectId(project)))
}

/// The start of the events of a revision.
pub(crate) fn events_of(revision: Revision) -> [u8; 8] {
    revision.0.to_be_bytes()
}

/// The key of a row.
pub(crate) fn row(key: &RowKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_row(key, &mut bytes);
    bytes
}

/// Appends the [key of a row](row).
pub(crate) fn append_row(key: &RowKey, to: &mut Vec<u8>) {
    match key {
        RowKey::Clock => KeyBytes::of_cluster(to, tag::CLOCK),
        RowKey::Origin => KeyBytes::of_cluster(to, tag::ORIGIN),
        RowKey::Settings => KeyBytes::of_cluster(to, tag::SETTINGS),
        RowKey::Node(id) => KeyBytes::of_cluster(to, tag::NODE).number(id.0),
        RowKey::JoinToken(id) => KeyBytes::of_cluster(to, tag::JOIN_TOKEN).uuid(id.0),
        RowKey::Engineer(id) => KeyBytes::of_cluster(to, tag::ENGINEER).uuid(id.0),
        RowKey::ApiKey(prefix) => KeyBytes::of_cluster(to, tag::API_KEY).number(prefix.0),
        RowKey::KeyedReply(ReplyKey { engineer, key }) => {
            KeyBytes::of_cluster(to, tag::REPLY).optional_uuid(engineer.map(|id| id.0)).text(key.as_str())
        }
        RowKey::Project(id) => KeyBytes::of_project(to, *id, tag::PROJECT),
        RowKey::Member(project, engineer) => KeyBytes::of_project(to, *project, tag::MEMBER).uuid(engineer.0),
        RowKey::Feature(project, FeatureId(id)) => KeyBytes::of_project(to, *project, tag::FEATURE).uuid(*id),
        RowKey::Session(project, SessionId(id)) => KeyBytes::of_project(to, *project, tag::SESSION).uuid(*id),
        RowKey::Claim(ClaimKey { project, session, feature, path }) => {
            KeyBytes::of_project(to, *project, tag::CLAIM)
                .uuid(session.0)
                .optional_uuid(feature.map(|id| id.0))
                .text(path.as_str())
        }
        RowKey::LatestCheckpoint(project, FeatureId(id)) => {
            KeyBytes::of_project(to, *project, tag::LATEST_CHECKPOINT).uuid(*id)
        }
        RowKey::Decision(project, DecisionId(id)) => {
            KeyBytes::of_project(to, *project, tag::DECISION_PLACE).uuid(*id)
        }
        RowKey::Ticket(digest) => KeyBytes::of_cluster(to, tag::TICKET).bytes(&digest.0),
        RowKey::Rules => KeyBytes::of_cluster(to, tag::RULES),
        RowKey::SlottedReply(ReplySlot { node, number }) => {
            KeyBytes::of_cluster(to, tag::SLOT).number(node.0).bytes(&number.to_be_bytes())
        }
        RowKey::TextCount(TextKey { project, feature, engineer }) => {
            KeyBytes::of_project(to, *project, tag::TEXT_COUNT)
                .optional_uuid(feature.map(|id| id.0))
                .uuid(engineer.0)
        }
        RowKey::ProjectDeletion(project) => KeyBytes::of_project(to, *project, tag::PROJECT_DELETION),
        RowKey::ReplacedLists(project, feature, at) => {
            KeyBytes::of_project(to, *project, tag::REPLACED_LISTS).uuid(feature.0).number(at.0)
        }
        RowKey::EngineerDeletion(engineer) => {
            KeyBytes::of_cluster(to, tag::ENGINEER_DELETION).uuid(engineer.0)
        }
        RowKey::HistoryStart(from) => KeyBytes::of_cluster(to, tag::HISTORY_START).number(from.0),
        RowKey::Replica(node) => KeyBytes::of_cluster(to, tag::REPLICA).number(node.0),
    };
}

/// The range of the texts of a project.
pub(crate) fn documents_of_project(project: ProjectId) -> KeyRange {
    KeyRange::prefix(*project.0.as_bytes())
}

/// The ranges of the texts about a feature without its spec: one range for each list.
pub(crate) fn documents_of_feature(project: ProjectId, feature: FeatureId) -> [KeyRange; 4] {
    [tag::CHECKPOINT, tag::LEARNING, tag::DECISION_ABOUT, tag::LISTS].map(|list| {
        let mut prefix = Vec::new();
        KeyBytes::of_project(&mut prefix, project, list).uuid(feature.0);
        KeyRange::prefix(prefix)
    })
}

/// The key of a document. The keys of one list sort by their positions.
pub(crate) fn document(key: &DocumentKey) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    append_document(key, &mut bytes);
    bytes
}

/// Appends the [key of a document](document).
pub(crate) fn append_document(key: &DocumentKey, to: &mut Vec<u8>) {
    let (project, tag, feature, position) = match key {
        DocumentKey::Spec(project, feature) => (project, tag::SPEC, Some(feature), None),
        DocumentKey::Lists(project, feature, revision) => {
            KeyBytes::of_project(to, *project, tag::LISTS).uuid(feature.0).number(revision.0);
            return;
        }
        DocumentKey::Checkpoint(project, feature, position) => {
            (project, tag::CHECKPOINT, Some(feature), Some(position))
        }
        DocumentKey::Learning(project, feature, position) => {
            (project, tag::LEARNING, Some(feature), Some(position))
        }
        DocumentKey::Decision(project, position) => (project, tag::DECISION, None, Some(position)),
        DocumentKey::DecisionAbout(project, feature, position) => {
            (project, tag::DECISION_ABOUT, Some(feature), Some(position))
        }
    };
    let mut bytes = KeyBytes::of_project(to, *project, tag);
    if let Some(feature) = feature {
        bytes = bytes.uuid(feature.0);
    }
    if let Some(position) = position {
        bytes.position(*position);
    }
}

/// Decodes the key of a document; `None` if [`document`] never writes it.
pub(crate) fn read_document(key: &[u8]) -> Option<DocumentKey> {
    let (project, rest) = take_uuid(key)?;
    let (kind, rest) = rest.split_first()?;
    let project = ProjectId(project);
    if *kind == tag::DECISION {
        return Some(DocumentKey::Decision(project, read_position(rest)?));
    }
    let (feature, rest) = take_uuid(rest)?;
    let feature = FeatureId(feature);
    Some(match *kind {
        tag::SPEC if rest.is_empty() => DocumentKey::Spec(project, feature),
        tag::LISTS => {
            let revision = Revision(u64::from_be_bytes(rest.try_into().ok()?));
            DocumentKey::Lists(project, feature, revision)
        }
        tag::CHECKPOINT => DocumentKey::Checkpoint(project, feature, read_position(rest)?),
        tag::LEARNING => DocumentKey::Learning(project, feature, read_position(rest)?),
        tag::DECISION_ABOUT => DocumentKey::DecisionAbout(project, feature, read_position(rest)?),
        _ => return None,
    })
}

fn read_position(bytes: &[u8]) -> Option<LogPosition> {
    let (revision, seq) = bytes.split_first_chunk()?;
    let revision = Revision(u64::from_be_bytes(*revision));
    Some(LogPosition { revision, seq: u32::from_be_bytes(seq.try_into().ok()?) })
}

fn take_uuid(bytes: &[u8]) -> Option<(Uuid, &[u8])> {
    let (uuid, rest) = bytes.split_first_chunk()?;
    Some((Uuid::from_bytes(*uuid), rest))
}

/// Appends the parts of a key.
struct KeyBytes<'a>(&'a mut Vec<u8>);

impl<'a> KeyBytes<'a> {
    fn of_cluster(to: &'a mut Vec<u8>, tag: u8) -> Self {
        Self::of_project(to, ProjectId::MIN, tag)
    }

    fn of_project(to: &'a mut Vec<u8>, project: ProjectId, tag: u8) -> Self {
        to.extend_from_slice(project.0.as_bytes());
        to.push(tag);
        Self(to)
    }

    fn uuid(self, uuid: Uuid) -> Self {
        self.bytes(uuid.as_bytes())
    }

    fn optional_uuid(self, uuid: Option<Uuid>) -> Self {
        self.0.push(u8::from(uuid.is_some()));
        match uuid {
            Some(uuid) => self.uuid(uuid),
            None => self,
        }
    }

    fn number(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn position(self, position: LogPosition) -> Self {
        self.bytes(&self::position(position.revision, position.seq))
    }

    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nexus_domain::{
        EngineerId, NodeId, entity::KeyPrefix, ids::JoinTokenId, pattern::Pattern, short_text::IdempotencyKey,
    };
    use std::collections::BTreeSet;

    fn uuids() -> [Uuid; 3] {
        [Uuid::nil(), Uuid::from_u128(1 << 64), Uuid::max()]
    }

    fn row_keys() -> Vec<RowKey> {
        let mut keys = vec![RowKey::Clock, RowKey::Origin, RowKey::Settings];
        let texts = ["a", "a/b", "b"];
        for id in uuids() {
            keys.extend([
                RowKey::JoinToken(JoinTokenId(id)),
                RowKey::Engineer(EngineerId(id)),
                RowKey::Project(ProjectId(id)),
            ]);
            keys.extend(texts.map(|text| {
                RowKey::KeyedReply(ReplyKey {
                    engineer: Some(EngineerId(id)),
                    key: IdempotencyKey::parse(text).unwrap(),
                })
            }));
            for other in uuids() {
                let project = ProjectId(other);
                keys.extend([
                    RowKey::Member(project, EngineerId(id)),
                    RowKey::Feature(project, FeatureId(id)),
                    RowKey::Session(project, SessionId(id)),
                    RowKey::LatestCheckpoint(project, FeatureId(id)),
                    RowKey::Decision(project, DecisionId(id)),
                ]);
                for feature in [None, Some(FeatureId(other))] {
                    let session = SessionId(id);
                    keys.extend(texts.map(|text| {
                        RowKey::Claim(ClaimKey {
                            project,
                            session,
                            feature,
                            path: Pattern::parse(text).unwrap(),
                        })
                    }));
                }
            }
        }
        keys.extend(texts.map(|text| {
            RowKey::KeyedReply(ReplyKey { engineer: None, key: IdempotencyKey::parse(text).unwrap() })
        }));
        keys.extend([0, 255, 256, u64::MAX].map(|number| RowKey::Node(NodeId(number))));
        keys.extend([0, 255, 256, u64::MAX].map(|from| RowKey::HistoryStart(Revision(from))));
        keys.extend([0, 255, 256, u64::MAX].map(|number| RowKey::Replica(NodeId(number))));
        keys.extend([0, 255, 256, u64::MAX].map(|number| RowKey::ApiKey(KeyPrefix(number))));
        keys
    }

    #[test]
    fn no_two_rows_share_a_key() {
        let keys = row_keys();
        let bytes: BTreeSet<_> = keys.iter().map(row).collect();
        assert_eq!(bytes.len(), keys.iter().collect::<BTreeSet<_>>().len());
    }

    #[test]
    fn rows_of_one_kind_and_project_sort_as_what_they_stand_for() {
        let keys = row_keys();
        for a in &keys {
            for b in &keys {
                let (x, y) = (row(a), row(b));
                if std::mem::discriminant(a) == std::mem::discriminant(b) && x[..17] == y[..17] {
                    assert_eq!(a.cmp(b), x.cmp(&y), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn everything_of_a_project_begins_with_its_id() {
        let project = ProjectId(Uuid::from_u128(7));
        let session = SessionId(Uuid::from_u128(8));
        let path = Pattern::parse("src/").unwrap();
        let claim = RowKey::Claim(ClaimKey { project, session, feature: None, path });
        assert!(row(&claim).starts_with(project.0.as_bytes()));
        assert!(row(&RowKey::Project(project)).starts_with(project.0.as_bytes()));
        assert!(row(&RowKey::Clock).starts_with(Uuid::nil().as_bytes()));
    }

    #[test]
    fn a_document_key_is_read_back_and_sorts_as_it_should() {
        let mut keys = Vec::new();
        let positions = [(0, 0), (0, 1), (0, 256), (1, 0), (256, 1), (u64::MAX, u32::MAX)]
            .map(|(revision, seq)| LogPosition { revision: Revision(revision), seq });
        for project in uuids().map(ProjectId) {
            for feature in uuids().map(FeatureId) {
                keys.push(DocumentKey::Spec(project, feature));
                keys.extend([0, 1, u64::MAX].map(|at| DocumentKey::Lists(project, feature, Revision(at))));
                keys.extend(positions.map(|position| DocumentKey::Checkpoint(project, feature, position)));
                keys.extend(positions.map(|position| DocumentKey::Learning(project, feature, position)));
                keys.extend(positions.map(|position| DocumentKey::DecisionAbout(project, feature, position)));
            }
            keys.extend(positions.map(|position| DocumentKey::Decision(project, position)));
        }
        for key in &keys {
            let bytes = document(key);
            assert_eq!(read_document(&bytes), Some(*key));
            assert_eq!(read_document(&bytes[..bytes.len() - 1]), None);
            assert_eq!(read_document(&[bytes, vec![0]].concat()), None);
        }
        for a in &keys {
            for b in &keys {
                if a.project() == b.project() {
                    assert_eq!(a.cmp(b), document(a).cmp(&document(b)), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn events_sort_by_revision_then_place_whatever_their_project() {
        let keys = [(0, 0), (0, 1), (0, 256), (1, 0), (256, 0), (u64::MAX, u32::MAX)];
        let of = |(revision, seq), project| event(Revision(revision), seq, project);
        let bytes: Vec<_> =
            keys.into_iter().flat_map(|key| [of(key, ProjectId::MIN), of(key, ProjectId::MAX)]).collect();
        assert!(bytes.is_sorted());
        assert!(of((5, 0), ProjectId::MIN).as_slice() >= events_of(Revision(5)).as_slice());
        assert!(of((5, u32::MAX), ProjectId::MAX).as_slice() < events_of(Revision(6)).as_slice());
        assert_eq!(read_event(&of((7, 3), ProjectId::MAX)), Some((Revision(7), ProjectId::MAX)));
        assert_eq!(read_event(&[0; 27]), None);
    }
}
