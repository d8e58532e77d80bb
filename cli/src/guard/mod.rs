//! Whether a file may be written: the cluster decides, this asks and says what it means.
//!
//! - [`checkout`]: the linked repository that a file is in, and its name there.
//! - [`write_access`]: whose files are, and taking those that are free. [`held_file`]: who holds one, in words.
//! - [`policy`]: what goes when nobody can be asked. [`journal`]: what was let through then.
//! - [`changes`]: what git says was changed. [`snapshot`]: what commands changed. [`brief`]: what an agent is told when it
//!   starts. [`confinement`]: what is to run under `nexus exec`.

pub(crate) mod brief;
pub(crate) mod changes;
pub(crate) mod checkout;
pub(crate) mod confinement;
pub(crate) mod held_file;
pub(crate) mod journal;
pub(crate) mod policy;
pub(crate) mod snapshot;
pub(crate) mod write_access;
