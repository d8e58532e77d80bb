//! The name of a backup in a store. It says whose it is, when it was taken, and up to which revision it goes; whatever
//! has another kind of name belongs to somebody else.

use nexus_api_types::Moment;
use nexus_domain::{ClusterId, NodeId, Revision, WallTime};
use std::{fmt, str::FromStr};

/// The first part of a name.
const BEGIN: &str = "nexus-";
/// The last part of a name.
const END: &str = ".backup";
/// The length of a cluster's id in a name.
const ID_LENGTH: usize = 36;
/// The letters before the id of a node in a name.
const NODE: &str = "-n";
/// The length of a time in a name, `20260131T120000Z`.
const TIME_LENGTH: usize = 16;

/// The name of a backup, such as `nexus-01a21ba4-7b6e-71ad-85bd-b79b7d53704d-20260131T120000Z-1042-n3.backup`. Those of
/// one cluster are in the order of their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName {
    /// The cluster that it is from.
    pub cluster: ClusterId,
    /// When it was taken, in whole seconds.
    pub at: WallTime,
    /// The last log index in it.
    pub revision: Revision,
    /// The node that took it, so that two nodes never write one name; none in names from before nodes were in them.
    pub node: Option<NodeId>,
}

impl BackupName {
    /// The name of a backup that a node takes now.
    pub fn new(cluster: ClusterId, node: NodeId, now: WallTime, revision: Revision) -> Self {
        Self { cluster, at: WallTime(now.0 - now.0.rem_euclid(1_000)), revision, node: Some(node) }
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Moment(self.at).to_string();
        let seconds = time.split_once('.').map_or(time.as_str(), |(seconds, _)| seconds);
        let short: String = seconds.chars().filter(|character| !matches!(character, '-' | ':')).collect();
        write!(f, "{BEGIN}{}-{short}Z-{}", self.cluster, self.revision)?;
        if let Some(node) = self.node {
            write!(f, "{NODE}{}", node.0)?;
        }
        f.write_str(END)
    }
}

/// The name is that of no backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the name of a scheduled backup")]
pub struct OtherName;

impl FromStr for BackupName {
    type Err = OtherName;

    fn from_str(text: &str) -> Result<Self, OtherName> {
        let rest = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(OtherName)?;
        let (id, rest) = rest.split_at_checked(ID_LENGTH).ok_or(OtherName)?;
        let (time, revision) = rest
            .strip_prefix('-')
            .and_then(|rest| rest.split_at_checked(TIME_LENGTH))
            .and_then(|(time, revision)| Some((time, revision.strip_prefix('-')?)))
            .ok_or(OtherName)?;
        let (revision, node) = match revision.split_once(NODE) {
            Some((revision, node)) => (revision, Some(NodeId(node.parse().map_err(|_| OtherName)?))),
            None => (revision, None),
        };
        let Moment(at) = Moment::parse(time).map_err(|_| OtherName)?;
        let name = Self {
            cluster: ClusterId(id.parse().map_err(|_| OtherName)?),
            at,
            revision: Revision(revision.parse().map_err(|_| OtherName)?),
            node,
        };
        // A name that would be written in another way was not written here.
        if name.to_string() == text { Ok(name) } else { Err(OtherName) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_name_is_read_as_it_was_written_and_names_are_in_the_order_of_time() {
        let cluster = ClusterId(Uuid::from_u128(7));
        let at = |seconds: i64, revision| {
            let now = WallTime(1_769_860_800_123 + seconds * 1_000);
            BackupName::new(cluster, NodeId(3), now, Revision(revision))
        };
        let names = [at(0, 900), at(1, 9), at(3_600, 10)];
        assert_eq!(
            names[0].to_string(),
            "nexus-00000000-0000-0000-0000-000000000007-20260131T120000Z-900-n3.backup"
        );
        for name in names {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let former = BackupName { node: None, ..names[0] };
        assert_eq!(former.to_string().parse(), Ok(former), "a name from before nodes were in names");
        let other_node = BackupName { node: Some(NodeId(4)), ..names[0] };
        assert_ne!(other_node.to_string(), names[0].to_string(), "two nodes in one second");
        let mut texts = names.map(|name| name.to_string());
        texts.sort();
        assert_eq!(texts, names.map(|name| name.to_string()));
    }

    #[test]
    fn other_files_have_other_names() {
        let cluster = ClusterId(Uuid::from_u128(7));
        let whole = BackupName::new(cluster, NodeId(3), WallTime(0), Revision(1)).to_string();
        let others = [
            "",
            "monday.backup",
            "nexus-.backup",
            "nexus-00000000-0000-0000-0000-000000000007-12.backup",
            &format!("{whole}.partial"),
            &format!("{whole}#1"),
            &whole.replace("T00", "T99"),
            &whole.replace("-1-n3.", "-01-n3."),
            &whole.replace("-1-n3.", "-."),
            &whole.replace("-n3.", "-n03."),
            &whole.replace("-n3.", "-n."),
            &whole.replace("nexus-0", "nexus-ä"),
            &whole.to_uppercase(),
        ];
        for other in others {
            assert_eq!(other.parse::<BackupName>(), Err(OtherName), "{other}");
        }
    }
}
