//! The limits of the peer transport, with their units and reasons. They are not configurable, since both ends of a
//! connection must agree on most of them.

use std::time::Duration;

/// Version of the peer protocol. It grows only with changes that an older node cannot decode; new requests at the end
/// of an enum need no new version.
pub const PROTOCOL: u16 = 3;

/// Largest frame payload in bytes. One entry is at most about 1 MiB (the body limit of the API), a
/// batch of them is split to fit; above it, a length is taken for garbage.
pub const MAX_FRAME: usize = 32 * 1024 * 1024;

/// Largest frame payload of a greeting, in bytes. The sender is not authenticated yet, and only two addresses in a
/// greeting have variable lengths.
pub(super) const MAX_GREETING: usize = 4 * 1024;

/// Buffered bytes per connection from which nothing more is taken for sending. Large enough that one
/// system call carries many small frames, small enough to keep a slow peer cheap.
pub(super) const WRITE_BUFFER: usize = 256 * 1024;

/// A handshake, TLS included: a few round trips, even between continents.
pub(super) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(3);

/// Dialing and the handshake together.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(4);

/// First pause after a failed dial; doubles with each one that follows.
pub(super) const MIN_REDIAL_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause between dials: a restarted peer is found within one election timeout or so.
pub(super) const MAX_REDIAL_PAUSE: Duration = Duration::from_millis(500);

/// First pause of replication to a peer that is unreachable; doubles.
pub(super) const MIN_REPLICATION_BACKOFF: Duration = Duration::from_millis(50);

/// Longest pause of replication to a peer that is unreachable.
pub(super) const MAX_REPLICATION_BACKOFF: Duration = Duration::from_secs(1);

/// Raft requests (votes, heartbeats, transfers) in flight per control connection, in each direction.
/// Raft has one or two of each at a time.
pub(super) const RAFT_IN_FLIGHT: usize = 64;

/// Service requests in flight per control connection, in each direction. Forwarded proposals wait for
/// a quorum: at 5 ms each this is some 400,000 a second.
pub const SERVICE_IN_FLIGHT: usize = 2048;

/// Batches of session heartbeats in flight per control connection, in each direction. A node has one batch under way at
/// a time, and earlier ones whose callers gave up.
pub(super) const SESSION_HEARTBEATS_IN_FLIGHT: usize = 16;

/// Calls written in one go before the connection is checked again.
pub(super) const CALLS_PER_WRITE: usize = 128;

/// Longest that a peer works on a request, in milliseconds; a caller may ask for less.
pub(super) const MAX_SERVICE_TTL_MS: u32 = 60_000;

/// How often a control connection checks itself: pings, stalls, forgotten calls.
pub(super) const LINK_CHECK: Duration = Duration::from_secs(1);

/// A peer that sends nothing for this long, although a ping is unanswered, is stalled (stopped,
/// swapped out, cut off without a reset): the connection is closed.
pub(super) const LINK_STALL: Duration = Duration::from_secs(4);

/// A control connection that was idle for this long is closed, and made again when needed.
pub(super) const LINK_IDLE: Duration = Duration::from_secs(120);

/// The time between two log lines about a node that cannot be talked to.
pub(super) const LINK_REMIND: Duration = Duration::from_secs(60);

/// Addresses that one node keeps control connections to: far more than the members of a cluster.
pub(super) const MAX_LINKS: usize = 128;

/// Append requests in flight per follower. openraft's receiving side holds 64 as well.
pub(super) const APPEND_IN_FLIGHT: usize = 64;

/// Bytes of append requests in flight per follower: a follower may have to hold as much in
/// memory, and one frame of the largest size in addition.
pub(super) const APPEND_BYTES_IN_FLIGHT: usize = 16 * 1024 * 1024;

/// A follower that answers no append for this long is stalled. Much longer than a heartbeat, since it
/// answers only after its flush, and resending to a slow disk would make it slower.
pub(super) const APPEND_STALL: Duration = Duration::from_secs(5);

/// Shortest deadline for one snapshot chunk to leave, or for a sign of life while the receiver
/// installs. openraft's `install_snapshot_timeout` may lengthen it.
pub(super) const SNAPSHOT_STALL: Duration = Duration::from_secs(10);

/// How often a receiver reports that it is still installing a snapshot.
pub(super) const SNAPSHOT_PROGRESS: Duration = Duration::from_secs(1);

/// Append connections accepted at once: one per leader of the moment, and those of former ones until
/// they are noticed as dead.
pub(super) const MAX_APPEND_CONNECTIONS: usize = 64;

/// Control connections accepted at once: one per member and joining node.
pub(super) const MAX_CONTROL_CONNECTIONS: usize = 128;

/// Snapshots received at once: the leader's, and a former leader's until it notices.
pub(super) const MAX_SNAPSHOT_CONNECTIONS: usize = 2;

/// Connections before their handshake, at the limit of which the oldest one of the busiest address is evicted. Also the
/// limit of probes, which are over at once.
pub(super) const MAX_UNGREETED_CONNECTIONS: usize = 64;

/// How long control connections may finish what they are serving when the node shuts down.
pub(super) const DRAIN: Duration = Duration::from_millis(500);

/// Pause after a failed `accept`, which mostly means that file descriptors have run out.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time between two log lines about failed `accept` calls.
pub(super) const ACCEPT_REMIND: Duration = Duration::from_secs(30);

/// The time between two log lines about refused connections of one machine for one reason.
pub(super) const REFUSAL_REMIND: Duration = Duration::from_secs(300);

/// Refused connections that are logged in one [`REFUSAL_REMIND`]: each line helps an operator, but thousands would only
/// fill the disk.
pub(super) const MAX_REFUSALS_LOGGED: usize = 64;

/// Idle time before the kernel probes a silent connection, and between its probes.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(5);
