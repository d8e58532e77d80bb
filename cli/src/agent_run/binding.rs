//! Binds a run to the process that it lives in, and gives its agent a name.

use super::{Process, RunKey, RunRecord, RunRecords};
use crate::error::Error;
use uuid::Uuid;

/// Stores the record of a run and the process that it lives in, before it has a session.
///
/// # Errors
/// When the record cannot be written.
pub(crate) fn bind(
    records: &RunRecords,
    key: &RunKey,
    project: Uuid,
    owner: Option<Process>,
) -> Result<Option<RunRecord>, Error> {
    records.change(key, project, |before| {
        let mut record = before.unwrap_or_else(|| RunRecord::new(new_name(key)));
        if let Some(owner) = owner {
            record.bind(owner);
        }
        Some(record)
    })
}

/// A name for an agent that no other run of the engineer has, on any machine: two runs of one name would be one agent,
/// and share what they hold.
pub(crate) fn new_name(key: &RunKey) -> String {
    let random = (Uuid::now_v7().as_u128() & 0xffff_ffff) as u32;
    format!("{}-{random:08x}", key.kind())
}
