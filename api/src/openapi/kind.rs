//! The kinds of routes.

/// Whether a route needs a key, and whether it changes something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Needs no key, and answers without an envelope.
    Bare,
    /// Changes something, and needs no key.
    Open,
    /// Needs a key, but neither reads the state nor makes a log entry of its own.
    Local,
    /// Reads the state.
    Read,
    /// Changes something, and needs a key.
    Write,
}
