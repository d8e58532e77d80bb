//! Whether a file may be written. The cluster decides; this asks it and explains the answer.
//!
//! - [`checkout`]: the linked repository that a file is in, and its name there.
//! - [`write_access`]: asks who holds files, and claims those that are free. [`held_file`]: describes who holds one.
//! - [`receipt`]: the line of a commit that says under which claims it was made. [`claim_history`]: who held files
//!   when. [`commit_check`]: whether a commit may have changed a file.
//! - [`journal`]: the writes that were let through while no server answered.
//! - [`changes`]: what git reports as changed. [`snapshot`]: what commands changed. [`brief`]: the text that an agent
//!   gets when it starts. [`confinement`]: what is to run under `nexus exec`.

pub(crate) mod brief;
pub(crate) mod changes;
pub(crate) mod checkout;
pub(crate) mod claim_history;
pub(crate) mod commit_check;
pub(crate) mod confinement;
pub(crate) mod held_file;
pub(crate) mod journal;
pub(crate) mod receipt;
pub(crate) mod snapshot;
pub(crate) mod write_access;
