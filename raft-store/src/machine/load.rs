//! Makes the state anew from its rows, and checks that they are the ones that were written.

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

/// Loads what was applied.
///
/// # Errors
/// When a row is damaged, misplaced, missing or too many, or rows do not fit together.
pub(crate) fn load(reader: &dyn Reader) -> Result<(Published, RowHashes), StoreError> {
    let mut loading = Loading::default();
    for pair in reader.scan(Column::Rows, &KeyRange::all(), Order::Ascending) {
        let (key, value) = pair?;
        loading.found(&key, &value)?;
    }
    loading.finish(load_progress(reader)?)
}

/// Rows on their way to be a state, wherever they are found.
#[derive(Default)]
pub(crate) struct Loading {
    digest: RowsDigest,
    row_hashes: RowHashes,
    rows: Vec<Row>,
}

impl Loading {
    /// Takes in a row.
    ///
    /// # Errors
    /// When it is damaged or misplaced.
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

    /// Rows that were found.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The state that they make, if they are all that were written by then.
    ///
    /// # Errors
    /// When rows are missing or too many, or do not fit together.
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

/// Checks that this program knows the rules that were gone by: before anything else is read, which it may not be
/// able to.
///
/// # Errors
/// [`StoreError::TooNew`], or when the row is damaged.
pub(crate) fn check_rules(reader: &dyn Reader) -> Result<(), StoreError> {
    let key = keys::row(&RowKey::Rules);
    let Some(value) = reader.get(Column::Rows, &key)? else { return Ok(()) };
    let row =
        record::decode(Kind::ROW, &value).map_err(|cause| StoreError::corrupt(Column::Rows, &key, cause))?;
    known(&row)
}

/// Whether this program knows the rules that a row tells of.
fn known(row: &Row) -> Result<(), StoreError> {
    match row {
        Row::Rules(cluster) if *cluster > RulesVersion::KNOWN => {
            Err(StoreError::TooNew { cluster: *cluster })
        }
        _ => Ok(()),
    }
}

/// Loads how far it got.
///
/// # Errors
/// When the record is damaged.
pub(crate) fn load_progress(reader: &dyn Reader) -> Result<Progress, StoreError> {
    match reader.get(Column::Meta, meta::PROGRESS)? {
        None => Ok(Progress::default()),
        Some(value) => record::decode(Kind::PROGRESS, &value)
            .map_err(|cause| StoreError::corrupt(Column::Meta, meta::PROGRESS, cause)),
    }
}
