//! Makes the state anew from its rows, and checks that they are the ones that were written.

use super::{
    ledger::RowLedger,
    progress::{Progress, RowsDigest},
    published::Published,
};
use crate::{
    error::StoreError,
    keys::{self, meta},
    record::{self, Kind},
    storage::{Column, KeyRange, Order, Reader},
};
use nexus_domain::{Row, State};

/// Loads what was applied.
///
/// # Errors
/// When a row is damaged, misplaced, missing or too many, or rows do not fit together.
pub(crate) fn load(reader: &dyn Reader) -> Result<(Published, RowLedger), StoreError> {
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
    ledger: RowLedger,
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
        if *keys::row(&row.key()) != *key {
            return Err(StoreError::Inconsistent(format!(
                "the row of {:?} is stored under another key",
                row.key()
            )));
        }
        self.ledger.found(&mut self.digest, key, value);
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
    pub(crate) fn finish(self, progress: Progress) -> Result<(Published, RowLedger), StoreError> {
        let Self { digest, ledger, rows } = self;
        if digest != progress.rows {
            return Err(StoreError::Inconsistent(format!(
                "rows are missing or stale at revision {}: {digest:?} found, {:?} written",
                progress.revision(),
                progress.rows
            )));
        }
        let state = State::from_rows(rows).map_err(|error| StoreError::Inconsistent(error.to_string()))?;
        Ok((Published { state, progress }, ledger))
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
