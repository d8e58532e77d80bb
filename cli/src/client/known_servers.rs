//! The knowledge of earlier commands about the servers: which one kept silent a moment ago, and the addresses of the
//! cluster's members. It is a hint in a small file beside the login file: a file that cannot be read or written is
//! never an error, and of two processes that write at once, one is remembered.

use crate::{
    config::atomic,
    server::{self, Server},
};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The name of the file.
const FILE_NAME: &str = "servers.json";
/// How long a silent server is asked last. Afterwards one command asks it in its turn again, and is delayed by the time
/// after which the next server is asked.
pub(super) const SILENT_FOR: Duration = Duration::from_secs(60);
/// How long the members are known before they are asked for again.
const MEMBERS_FOR: Duration = Duration::from_secs(3600);
/// Entries of each kind: several clusters of nine nodes.
const MAX_ENTRIES: usize = 64;
/// Members of one cluster.
const MAX_MEMBERS: usize = 16;
/// A longer file was not written by this program.
const MAX_FILE_BYTES: u64 = 256 << 10;

/// The knowledge, and the file that it is stored in.
#[derive(Debug, Default)]
pub(crate) struct KnownServers {
    /// The file; `None` if nothing is stored.
    path: Option<PathBuf>,
    content: RefCell<Content>,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Content {
    /// When a server was silent last, in milliseconds since 1970, by its address.
    silent: BTreeMap<String, u64>,
    /// The members of a cluster, by the list of the servers that are configured for it.
    members: BTreeMap<String, Members>,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Members {
    /// The time at which the members were read, in milliseconds since 1970.
    learned_at: u64,
    servers: Vec<String>,
}

impl KnownServers {
    /// Reads the file beside the login file.
    pub(crate) fn beside(login_file: &Path) -> Self {
        let path = login_file.with_file_name(FILE_NAME);
        let content = RefCell::new(read(&path));
        Self { path: Some(path), content }
    }

    /// Whether the server kept silent a moment ago.
    pub(crate) fn is_silent(&self, server: &Server) -> bool {
        let at = self.content.borrow().silent.get(&server.to_string()).copied();
        at.is_some_and(|at| is_within(at, SILENT_FOR))
    }

    /// Remembers which servers kept silent while another one answered, and that this one did.
    pub(crate) fn note(&self, silent: &[&Server], answered: &Server) {
        let is_new = silent.iter().any(|server| !self.is_silent(server));
        if !is_new && !self.content.borrow().silent.contains_key(&answered.to_string()) {
            return;
        }
        self.change(|content| {
            content.silent.remove(&answered.to_string());
            content.silent.extend(silent.iter().map(|server| (server.to_string(), now())));
        });
    }

    /// The members of the cluster for which these servers are configured, as far as they are not configured themselves.
    pub(crate) fn members(&self, configured: &[Server]) -> Vec<Server> {
        let content = self.content.borrow();
        let Some(members) = content.members.get(&key(configured)) else { return Vec::new() };
        let parsed = members.servers.iter().filter_map(|text| server::parse(text).ok());
        parsed.filter(|server| !configured.contains(server)).take(MAX_MEMBERS).collect()
    }

    /// The order in which servers are asked, by their places: those of the region of this machine first, and those that
    /// kept silent a moment ago last.
    pub(crate) fn order<'a>(
        &self,
        configured: &[Server],
        servers: impl Iterator<Item = &'a Server>,
        region: Option<&str>,
    ) -> Vec<usize> {
        let is_far = |server: &Server| {
            let Some(own) = region else { return false };
            let named = server.region().map(str::to_owned).or_else(|| self.region_of(configured, server));
            named.as_deref() != Some(own)
        };
        let mut order: Vec<_> =
            servers.enumerate().map(|(at, server)| (self.is_silent(server), is_far(server), at)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, at)| at).collect()
    }

    /// The region of a configured server, as the cluster named it.
    fn region_of(&self, configured: &[Server], server: &Server) -> Option<String> {
        let content = self.content.borrow();
        let members = content.members.get(&key(configured))?;
        let mut parsed = members.servers.iter().filter_map(|text| server::parse(text).ok());
        parsed.find(|member| member == server)?.region().map(str::to_owned)
    }

    /// Whether it is time to ask the cluster for its members.
    pub(crate) fn is_due(&self, configured: &[Server]) -> bool {
        let content = self.content.borrow();
        content.members.get(&key(configured)).is_none_or(|known| !is_within(known.learned_at, MEMBERS_FOR))
    }

    /// Remembers the members, each with its address for clients, `host:port`, and its region.
    pub(crate) fn learn<'a>(
        &self,
        configured: &[Server],
        members: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    ) {
        let usable = members
            .filter_map(|(address, region)| Some(server::of_member(configured, address)?.in_region(region)));
        let servers: Vec<String> = usable.map(|server| server.setting()).take(MAX_MEMBERS).collect();
        let is_known = |known: &Members| known.servers == servers;
        if !self.is_due(configured)
            && self.content.borrow().members.get(&key(configured)).is_some_and(is_known)
        {
            return;
        }
        self.change(|content| {
            content.members.insert(key(configured), Members { learned_at: now(), servers });
        });
    }

    /// Changes the newest content of the file: another process may have written since it was read.
    fn change(&self, change: impl FnOnce(&mut Content)) {
        let mut content = match &self.path {
            Some(path) => read(path),
            None => self.content.borrow().clone(),
        };
        change(&mut content);
        content.silent.retain(|_, at| is_within(*at, SILENT_FOR));
        while content.silent.len() > MAX_ENTRIES {
            let oldest = content.silent.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone());
            oldest.and_then(|name| content.silent.remove(&name));
        }
        while content.members.len() > MAX_ENTRIES {
            let oldest = content
                .members
                .iter()
                .min_by_key(|(_, known)| known.learned_at)
                .map(|(name, _)| name.clone());
            oldest.and_then(|name| content.members.remove(&name));
        }
        if let (Some(path), Ok(text)) = (&self.path, serde_json::to_vec(&content)) {
            // A hint that is lost is found out again.
            let _ = atomic::write_unsynced(path, &text);
        }
        *self.content.borrow_mut() = content;
    }
}

fn key(configured: &[Server]) -> String {
    configured.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The content of the file; nothing where it is missing or damaged.
fn read(path: &Path) -> Content {
    let mut text = Vec::new();
    let opened = File::open(path).ok().filter(|_| fs::metadata(path).is_ok_and(|data| data.is_file()));
    let read = opened.and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut text).ok());
    read.and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a moment is in the past, and no longer ago than this. One in the future was written by another clock.
fn is_within(at: u64, span: Duration) -> bool {
    now().checked_sub(at).is_some_and(|age| u128::from(age) < span.as_millis())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<Server> {
        server::parse_list(text).unwrap()
    }

    #[test]
    fn a_silent_server_is_remembered_until_it_answers() {
        let folder = tempfile::tempdir().unwrap();
        let login_file = folder.path().join("config.json");
        let two = servers("a:1,b:2");
        KnownServers::beside(&login_file).note(&[&two[0]], &two[1]);
        let later = KnownServers::beside(&login_file);
        assert!(later.is_silent(&two[0]) && !later.is_silent(&two[1]));
        later.note(&[], &two[0]);
        assert!(!KnownServers::beside(&login_file).is_silent(&two[0]));
    }

    #[test]
    fn a_damaged_file_says_nothing_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let login_file = folder.path().join("config.json");
        let two = servers("a:1,b:2");
        for text in ["", "{oops", "[1]", r#"{"silent":{"http://a:1":99999999999999999}}"#] {
            fs::write(folder.path().join(FILE_NAME), text).unwrap();
            let known = KnownServers::beside(&login_file);
            assert!(!known.is_silent(&two[0]), "{text}");
            known.note(&[&two[0]], &two[1]);
            assert!(KnownServers::beside(&login_file).is_silent(&two[0]), "{text}");
        }
    }

    #[test]
    fn many_processes_at_once_leave_a_whole_and_bounded_file() {
        let folder = tempfile::tempdir().unwrap();
        let login_file = folder.path().join("config.json");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let login_file = &login_file;
                scope.spawn(move || {
                    for port in 1..40 {
                        let two = servers(&format!("host-{writer}:{port},b:2"));
                        KnownServers::beside(login_file).note(&[&two[0]], &two[1]);
                    }
                });
            }
        });
        let text = fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
        let content: Content = serde_json::from_str(&text).unwrap();
        assert!(!content.silent.is_empty() && content.silent.len() <= MAX_ENTRIES);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn near_servers_are_asked_first_and_silent_ones_last() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownServers::beside(&folder.path().join("config.json"));
        let three = servers("10.0.0.1:1,10.0.0.2:1#eu,10.0.0.3:1#us");
        let order = |known: &KnownServers, region| known.order(&three, three.iter(), region);
        assert_eq!(order(&known, None), [0, 1, 2]);
        assert_eq!(order(&known, Some("us")), [2, 0, 1]);
        // The cluster knows where the first one is.
        known.learn(&three, [("10.0.0.1:1", Some("us"))].into_iter());
        assert_eq!(order(&known, Some("us")), [0, 2, 1]);
        known.note(&[&three[0]], &three[1]);
        assert_eq!(order(&known, Some("us")), [2, 1, 0]);
    }

    #[test]
    fn members_are_kept_for_the_servers_that_are_configured() {
        let folder = tempfile::tempdir().unwrap();
        let login_file = folder.path().join("config.json");
        let configured = servers("10.0.0.1:7401");
        let known = KnownServers::beside(&login_file);
        assert!(known.is_due(&configured));
        known.learn(
            &configured,
            [
                ("10.0.0.1:7401", Some("eu")),
                ("10.0.0.2:7401", Some("us")),
                ("127.0.0.1:7401", None),
                ("0.0.0.0:1", None),
            ]
            .into_iter(),
        );
        let known = KnownServers::beside(&login_file);
        assert!(!known.is_due(&configured));
        assert_eq!(known.members(&configured), servers("10.0.0.2:7401"));
        assert_eq!(known.members(&configured)[0].region(), Some("us"));
        assert_eq!(known.region_of(&configured, &configured[0]).as_deref(), Some("eu"));
        assert_eq!(known.members(&servers("10.0.0.9:7401")), []);
    }
}
