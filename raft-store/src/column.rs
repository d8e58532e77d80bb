//! The columns of a storage.

use std::fmt;

/// A sorted space of keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// The entries of the Raft log, by index.
    Log,
    /// Single records: the vote, the progress, the identity.
    Meta,
    /// The rows of the state.
    Rows,
    /// The documents: long texts.
    Documents,
    /// The events of the history, by revision.
    Events,
}

impl Column {
    /// All columns, in a fixed order.
    pub const ALL: [Self; 5] = [Self::Log, Self::Meta, Self::Rows, Self::Documents, Self::Events];

    /// The column's name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Meta => "meta",
            Self::Rows => "rows",
            Self::Documents => "documents",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
