//! nexusd as a library, for its binary and for tests of whole clusters.

pub mod peer;
