//! Whole clusters of real processes, seen from outside. They are one binary, since each one would link
//! the whole workspace; run one story with `tests/run its_name`, one file with `tests/run failover::`.
//!
//! - The contract: [`old_client`] and [`new_client`] go through all of it, [`idempotency`] through every write,
//!   [`references`] through what may be named by more than its id, [`operations_as_commands`] through what the command
//!   line does of it; [`bad_input`], [`people`] and [`key_resets`] through what is refused, and to whom, [`quotas`]
//!   through what may be stored and how it is deleted, [`unknown_fields`] through what new routes refuse; [`browsers`]
//!   through what a page may read and do; [`metrics`] through what is counted, [`traces`] through what is sent to a
//!   collector.
//! - The subjects: [`collisions`] and what they [cost](costs), [`claiming`] and the [`spelling`] of paths,
//!   [`sessions`], [`knowledge`], [`events`] and their [`sockets`], [`backup`] and [`scheduled_backups`], [`runs`] of
//!   agents, also through [`wrappers`], and the [`guards`] that they ask, [`exec`], which asks the kernel;
//!   [`installs`], which wire both; [`transcripts`] of the whole command line.
//! - The faults: [`failover`], [`membership`], its [edges](membership_edges) and [`membership_changes`],
//!   [`cut_network`], [`regions`] and what [distance](far_regions) costs, [`full_disk`], [`damage`] and [`integrity`],
//!   [`restore`] of what is lost, [`crowds`] of connections, strangers on the [`peer_port`]; [`in_process`], where the
//!   disk hangs and the clock is wrong; [`starting`], what a start refuses; [`tls`], and how certificates change while
//!   work goes on; [`upgrades`] from the last landed version, and back, and the [`golden_folders`] of all earlier ones;
//!   [`soak`], where most of them happen at once.

mod backup;
mod bad_input;
mod browsers;
mod claiming;
mod collisions;
mod costs;
mod crowds;
mod cut_network;
mod damage;
mod events;
mod exec;
mod failover;
mod far_regions;
mod full_disk;
mod golden_folders;
mod guards;
mod idempotency;
mod in_process;
mod installs;
mod integrity;
mod key_resets;
mod knowledge;
mod left_work;
mod membership;
mod membership_changes;
mod membership_edges;
mod metrics;
mod new_client;
mod old_client;
mod operations_as_commands;
mod peer_port;
mod people;
mod quotas;
mod references;
mod regions;
mod restore;
mod runs;
mod scheduled_backups;
mod sessions;
mod soak;
mod sockets;
mod spelling;
mod starting;
mod tls;
mod traces;
mod transcripts;
mod unknown_fields;
mod upgrades;
mod wrappers;
