//! The fuzz targets of this crate, for tests/fuzz and for the unit tests beside them. Each stands within the module
//! that it is about, so that nothing of that has to be public.

pub use crate::{
    peer::fuzzing::{hello, peer_frame},
    settings::fuzzing::{address, settings},
};
