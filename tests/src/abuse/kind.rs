//! The kinds of abuse, by name. How each is sent is in [`attack`](super::attack).

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A kind of requests that are sent while the team works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nothing, for comparison with the others
    Nothing,
    /// Wildcards that are dear to compare: created, claimed, checked, picked
    Patterns,
    /// Features of 9,990 paths each; then changes of them, and pages of their events
    Features,
    /// Chains of features of which each depends on 100 others
    Dependencies,
    /// Bodies that come slowly, stop, never end, or share one connection
    Bodies,
    /// Requests that are reset right after they were sent: new keys, long pages, dear writes, tools
    Aborts,
    /// Thousands of connections: idle, answering pings, half a request, opened and closed
    Connections,
    /// Clients that ask for the longest answers and never read them
    Unread,
    /// The longest answers, many at once
    Pages,
    /// Projects, until they are refused
    Projects,
    /// Engineers without a key from one address, and keys that nobody has
    Registrations,
    /// Thousands of WebSockets that join and never read, and others that join and leave
    Sockets,
    /// Tickets without end
    Tickets,
    /// Thousands of long polls of one key
    Polls,
    /// Sessions with claims, until they are refused, ended all at once; heartbeats for those of others
    Sessions,
    /// Idempotency keys without end, each with the longest answer
    Replies,
    /// Connections to the ports of the nodes that never greet
    Peers,
    /// Megabytes, deep JSON and broken text into the hook of an agent
    Hook,
}

impl Kind {
    /// The name of the kind on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no kind is skipped");
        value.get_name().to_owned()
    }
}
