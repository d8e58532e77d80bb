//! Three network namespaces on one bridge, for tests of broken networks. Each node is in one namespace. The test is at
//! the bridge and reaches all nodes, whatever path between them is cut. The namespaces are deleted when the value is
//! dropped.
//!
//! A path from one node to another is cut by a neighbour entry that leads nowhere: packets leave and are lost, in that
//! direction alone, as silently as on a broken switch.

use std::{
    process::{Command, id},
    sync::atomic::{AtomicU32, Ordering},
};

/// A hardware address that no device has.
const NOWHERE: &str = "02:00:00:00:00:99";

/// The number of networks that this process made so far.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A bridge, and the namespaces that are connected to it.
pub struct Networks {
    name: String,
    subnet: String,
    count: usize,
}

impl Networks {
    /// Makes this many namespaces, numbered from 1. Prints a line and returns none if this process may not make them.
    pub fn new(count: usize) -> Option<Self> {
        // The range is reserved for benchmarks of networks, and never routed.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let place = (id().wrapping_mul(31).wrapping_add(number)) % 250;
        let name = format!("nx{:x}{number}", id() % 0xf_ffff);
        // From here on everything is removed again, whatever fails.
        let networks = Self { subnet: format!("198.18.{place}"), name, count };
        match networks.build() {
            Ok(()) => Some(networks),
            Err(why) => {
                crate::patience::skipped(format_args!("cannot make networks: {why}"));
                None
            }
        }
    }

    fn build(&self) -> Result<(), String> {
        let bridge = format!("{}b", self.name);
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}.254/24", self.subnet), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for number in 1..=self.count {
            let (namespace, link) = (self.namespace(number), self.link(number));
            ip(&["netns", "add", &namespace])?;
            ip(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
            ip(&["link", "set", &link, "master", &bridge, "up"])?;
            let inside = |words: &[&str]| ip(&[&["-n", &namespace], words].concat());
            inside(&["addr", "add", &format!("{}/24", self.host(number)), "dev", "eth0"])?;
            inside(&["link", "set", "eth0", "up"])?;
            inside(&["link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    fn namespace(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    fn link(&self, number: usize) -> String {
        format!("{}v{number}", self.name)
    }

    /// The address of a node, without a port.
    pub fn host(&self, number: usize) -> String {
        format!("{}.{number}", self.subnet)
    }

    /// The arguments that run a program in a node's network.
    pub fn wrapper(&self, number: usize) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace(number)].map(str::to_owned).to_vec()
    }

    /// Cuts the path from one node to the other. The way back stays open.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn cut_one_way(&self, from: usize, to: usize) {
        let words =
            ["neigh", "replace", &self.host(to), "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent"];
        self.inside(from, &words);
    }

    /// Restores the path from one node to the other.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn heal_one_way(&self, from: usize, to: usize) {
        self.inside(from, &["neigh", "del", &self.host(to), "dev", "eth0"]);
    }

    /// Cuts a node off from all others. The test still reaches it.
    pub fn isolate(&self, number: usize) {
        self.others(number).for_each(|other| {
            self.cut_one_way(number, other);
            self.cut_one_way(other, number);
        });
    }

    /// Restores all paths of a node that was cut off.
    pub fn heal(&self, number: usize) {
        self.others(number).for_each(|other| {
            self.heal_one_way(number, other);
            self.heal_one_way(other, number);
        });
    }

    /// Takes the link of a node down or up again: without it, not even the test reaches the node.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn plug(&self, number: usize, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        ip(&["link", "set", &self.link(number), state]).expect("a link that was made can be set");
    }

    fn others(&self, number: usize) -> impl Iterator<Item = usize> {
        (1..=self.count).filter(move |other| *other != number)
    }

    fn inside(&self, number: usize, words: &[&str]) {
        let namespace = self.namespace(number);
        ip(&[&["-n", &namespace], words].concat()).expect("a namespace that was made can be changed");
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for number in 1..=self.count {
            // The link is deleted with its namespace, once the last process in it has ended.
            let _ = ip(&["link", "del", &self.link(number)]);
            let _ = ip(&["netns", "del", &self.namespace(number)]);
        }
        let _ = ip(&["link", "del", &format!("{}b", self.name)]);
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(words).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
