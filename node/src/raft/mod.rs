//! How openraft is used.
//!
//! - [`setup`]: its types, settings and timing. [`clock`]: cluster time, which the leader stamps on entries.

pub mod clock;
pub mod setup;
