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
    let progress = load_progress(reader)?;
    let (mut digest, mut ledger) = (RowsDigest::default(), RowLedger::default());
    let mut rows = Vec::new();
    for pair in reader.scan(Column::Rows, &KeyRange::all(), Order::Ascending) {
        let (key, value) = pair?;
        let row: Row = record::decode(Kind::ROW, &value)
            .map_err(|cause| StoreError::corrupt(Column::Rows, &key, cause))?;
        if *keys::row(&row.key()) != *key {
            return Err(StoreError::Inconsistent(format!(
                "the row of {:?} is stored under another key",
                row.key()
            )));
        }
        ledger.found(&mut digest, &key, &value);
        rows.push(row);
    }
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
