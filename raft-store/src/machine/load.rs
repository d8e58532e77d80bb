//! Rebuilds the state from its rows, and checks that they are the rows that were written.

use super::{
    progress::{Progress, RowsDigest},
    published::Published,
    row_hashes::RowHashes,
};
use crate::{
    error::StoreError,
    keys::{self, meta},
    record::{self, Kind},
    storage::{Column, KeyRange, Order, Reader},
};
use nexus_domain::{Row, RowKey, RulesVersion, State};

/// Loads the applied state.
///
/// # Errors
/// If a row is damaged, under a wrong key, missing or surplus, or if rows contradict each other.
pub(crate) fn load(reader: &dyn Reader) -> Result<(Published, RowHashes), StoreError> {
    let mut loading = Loading::default();
    for pair in reader.scan(Column::Rows, &KeyRange::all(), Order::Ascending) {
        let (key, value) = pair?;
        loading.found(&key, &value)?;
    }
    loading.finish(load_progress(reader)?)
}

/// Collects rows, from storage or from a snapshot, and builds the state from them.
#[derive(Default)]
pub(crate) struct Loading {
    digest: RowsDigest,
    row_hashes: RowHashes,
    rows: Vec<Row>,
}

impl Loading {
    /// Adds a row.
    ///
    /// # Errors
    /// If it is damaged or under a wrong key.
    pub(crate) fn found(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let row: Row = record::decode(Kind::ROW, value)
            .map_err(|cause| StoreError::corrupt(Column::Rows, key, cause))?;
        known(&row)?;
        if *keys::row(&row.key()) != *key {
            return Err(StoreError::Inconsistent(format!(
                "the row of {:?} is stored under another key",
                row.key()
            )));
        }
        self.row_hashes.found(&mut self.digest, key, value);
        self.rows.push(row);
        Ok(())
    }

    /// The number of rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Builds the state, if the rows are exactly those that were written.
    ///
    /// # Errors
    /// If rows are missing or surplus, or contradict each other.
    pub(crate) fn finish(self, progress: Progress) -> Result<(Published, RowHashes), StoreError> {
        let Self { digest, row_hashes, rows } = self;
        if digest != progress.rows {
            return Err(StoreError::Inconsistent(format!(
                "rows are missing or stale at revision {}: {digest:?} found, {:?} written",
                progress.revision(),
                progress.rows
            )));
        }
        let state = State::from_rows(rows).map_err(|error| StoreError::Inconsistent(error.to_string()))?;
        Ok((Published { state, progress }, row_hashes))
    }
}

/// Checks that this program knows the stored version of the rules, before it reads anything else, which it might not be
/// able to decode.
///
/// # Errors
/// [`StoreError::TooNew`], or if the row is damaged.
pub(crate) fn check_rules(reader: &dyn Reader) -> Result<(), StoreError> {
    let key = keys::row(&RowKey::Rules);
    let Some(value) = reader.get(Column::Rows, &key)? else { return Ok(()) };
    let row =
        record::decode(Kind::ROW, &value).map_err(|cause| StoreError::corrupt(Column::Rows, &key, cause))?;
    known(&row)
}

/// Checks that this program knows the version of the rules in a row.
fn known(row: &Row) -> Result<(), StoreError> {
    match row {
        Row::Rules(cluster) if *cluster > RulesVersion::KNOWN => {
            Err(StoreError::TooNew { cluster: *cluster })
        }
        _ => Ok(()),
    }
}

/// Loads the progress of the state machine.
///
/// # Errors
/// If the record is damaged.
pub(crate) fn load_progress(reader: &dyn Reader) -> Result<Progress, StoreError> {
    match reader.get(Column::Meta, meta::PROGRESS)? {
        None => Ok(Progress::default()),
        Some(value) => record::decode(Kind::PROGRESS, &value)
            .map_err(|cause| StoreError::corrupt(Column::Meta, meta::PROGRESS, cause)),
    }
}
