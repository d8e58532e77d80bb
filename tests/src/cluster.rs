//! A cluster of real processes on loopback, in a folder of its own. The processes end when it is dropped.

use crate::{certs::Certs, client::Client, patience::eventually, programs::binary, usage};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};
use tempfile::TempDir;

/// One node: its settings for as long as the cluster lives, its process while it runs.
pub struct Node {
    /// Its number in the cluster, from 1; not always its node id.
    pub number: u64,
    folder: PathBuf,
    listen: String,
    peer_listen: String,
    scheme: &'static str,
    origin: Vec<String>,
    /// Arguments in front of nexusd, such as those that run it in another network.
    wrapper: Vec<String>,
    /// Another nexusd than the present one.
    program: Option<PathBuf>,
    child: Option<Child>,
}

impl Node {
    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.listen)
    }

    /// Lets it use the certificates of a folder from its next start on.
    pub fn use_certs(&mut self, dir: &Path) {
        self.scheme = "https";
        if let Some(former) = self.origin.iter().position(|flag| flag == "--certs-dir") {
            self.origin.drain(former..former + 2);
        }
        self.add_flags(&["--certs-dir", &dir.display().to_string()]);
    }

    /// Its address for nodes.
    pub fn peer_addr(&self) -> &str {
        &self.peer_listen
    }

    /// Its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The text of its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Whether its process is running.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Starts its process.
    ///
    /// # Panics
    /// When it runs already or cannot be started.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "node {} runs already", self.number);
        fs::create_dir_all(&self.folder).expect("the test folder can be written");
        let log = File::options().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("the log can be written");
        let nexusd = self.program.clone().unwrap_or_else(|| binary("nexusd")).into_os_string();
        let mut words = self.wrapper.iter().map(Into::into).chain([nexusd]);
        let child = Command::new(words.next().expect("nexusd is there"))
            .args(words)
            .arg("start")
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(["--listen", &self.listen, "--peer-listen", &self.peer_listen])
            .args(&self.origin)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NEXUS_LOG", "info,openraft=error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("nexusd can be started"));
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let pid = Pid::from_child(child);
            // The process may have ended by itself.
            let _ = kill_process(pid, signal);
        }
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        self.child.take()?.wait().ok()
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.reap();
    }

    /// Sends `SIGTERM` and does not wait for the end.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for the end of its process after a `SIGTERM`. Returns its exit status if it ran.
    pub fn stopped(&mut self) -> Option<ExitStatus> {
        self.reap()
    }

    /// Sends `SIGTERM` and waits for the end. Returns its exit status if it ran.
    pub fn terminate(&mut self) -> Option<ExitStatus> {
        self.ask_to_stop();
        self.reap()
    }

    /// Sends `SIGSTOP`: the process hangs, and its connections with it.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Sends `SIGCONT`, which lets a stopped process go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets it run another nexusd from its next start on; none for the present one.
    pub fn run_program(&mut self, program: Option<&Path>) {
        self.program = program.map(Path::to_owned);
    }

    /// Adds a flag for its next start.
    pub fn add_flags(&mut self, flags: &[&str]) {
        self.origin.extend(flags.iter().map(|flag| (*flag).to_owned()));
    }

    /// Takes a flag without a value away for its next start.
    pub fn drop_flag(&mut self, flag: &str) {
        self.origin.retain(|given| given != flag);
    }

    /// Sends `SIGHUP`, which lets it read its certificates.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// Waits until its process ends by itself.
    pub async fn ended(&mut self) {
        let number = self.number;
        for _ in 0..3_000 {
            if !self.is_running() {
                self.reap();
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("node {number} goes on");
    }

    /// Deletes all its data, like a lost disk.
    ///
    /// # Panics
    /// While it runs.
    pub fn wipe(&mut self) {
        assert!(self.child.is_none(), "a node that runs is not wiped");
        let _ = fs::remove_dir_all(self.data_dir());
    }

    /// The files that its process has open, by their names in `/proc`.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let Some(pid) = self.child.as_ref().map(Child::id) else { return Vec::new() };
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
        entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
    }

    /// Peak resident memory of its process so far, in KiB.
    pub fn peak_kib(&self) -> Option<u64> {
        usage::peak_kib(self.child.as_ref()?.id())
    }

    /// Resident memory of its process in KiB, and processor time in clock ticks.
    pub fn usage(&self) -> Option<(u64, u64)> {
        let pid = self.child.as_ref()?.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident = resident.trim().trim_end_matches(" kB").parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some((resident, ticks))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            eprintln!("--- the end of node {}'s log", self.number);
            for line in tail.into_iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

/// A cluster of processes.
pub struct Cluster {
    /// Its nodes in the order in which they were made.
    pub nodes: Vec<Node>,
    made: u64,
    flags: Vec<String>,
    folder: TempDir,
}

impl Cluster {
    /// Starts this many nodes and waits until they are ready.
    pub async fn start(nodes: usize) -> Self {
        Self::start_with(nodes, &[]).await
    }

    /// Starts this many nodes with further flags and waits until they are ready.
    ///
    /// # Panics
    /// When they do not become ready.
    pub async fn start_with(nodes: usize, flags: &[&str]) -> Self {
        let mut cluster = Self::prepare(nodes, flags);
        for node in &mut cluster.nodes {
            node.start();
        }
        cluster.all_ready().await;
        cluster
    }

    /// Makes this many nodes on loopback, not started yet.
    pub fn prepare(nodes: usize, flags: &[&str]) -> Self {
        let addrs = free_addrs(nodes * 2);
        let (clients, peers) = addrs.split_at(nodes);
        Self::at(clients, peers, &[], flags)
    }

    /// Starts this many nodes that talk by TLS, and waits until they are ready. Their authority is in `certs`.
    pub async fn start_encrypted(nodes: usize) -> (Self, Certs) {
        let mut cluster = Self::prepare(nodes, &[]);
        let certs = Certs::init(&cluster.folder().join("certs"), None);
        for node in &mut cluster.nodes {
            certs.run(&["issue", "--node", &node.number.to_string()]);
            node.use_certs(&certs.of(node.number));
            node.start();
        }
        cluster.all_ready().await;
        (cluster, certs)
    }

    /// Makes nodes at these addresses for clients and for nodes, each with its arguments in front; not started yet.
    ///
    /// # Panics
    /// When their folders cannot be made.
    pub fn at(clients: &[String], peers: &[String], wrappers: &[Vec<String>], flags: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("nexus-test-").tempdir().expect("a folder for the test");
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut cluster = Self { nodes: Vec::new(), made: 0, flags, folder };
        let initial: Vec<String> =
            peers.iter().enumerate().map(|(at, addr)| format!("{}={addr}", at + 1)).collect();
        let initial = initial.join(",");
        // A joining node gets the secret from a member.
        let secret = cluster.folder.path().join("secret");
        fs::write(&secret, uuid::Uuid::now_v7().simple().to_string())
            .expect("the test folder can be written");
        let secret = secret.display().to_string();
        for (at, (listen, peer_listen)) in clients.iter().zip(peers).enumerate() {
            let number = at as u64 + 1;
            let node_id = number.to_string();
            let flags =
                ["--node-id", &node_id, "--initial-cluster", &initial, "--cluster-secret-file", &secret];
            let origin = flags.map(str::to_owned);
            cluster.add(number, listen, peer_listen, origin.to_vec());
            if let Some(wrapper) = wrappers.get(at) {
                cluster.node(number).wrapper.clone_from(wrapper);
            }
        }
        cluster
    }

    fn add(&mut self, number: u64, listen: &str, peer_listen: &str, mut origin: Vec<String>) {
        self.made = self.made.max(number);
        origin.extend(self.flags.iter().cloned());
        self.nodes.push(Node {
            number,
            folder: self.folder.path().join(number.to_string()),
            listen: listen.to_owned(),
            peer_listen: peer_listen.to_owned(),
            scheme: "http",
            origin,
            wrapper: Vec::new(),
            program: None,
            child: None,
        });
    }

    /// Starts a further node that joins through the others. Returns its number.
    pub fn join(&mut self, token: &str) -> u64 {
        let servers: Vec<String> = self.nodes.iter().map(Node::url).collect();
        self.join_through(token, &servers)
    }

    /// Starts a further node that joins through these. Returns its number.
    pub fn join_through(&mut self, token: &str, servers: &[String]) -> u64 {
        let number = self.prepare_join(token, servers);
        self.node(number).start();
        number
    }

    /// Starts a further node that joins through the others as a replica. Returns its number.
    pub fn join_as_replica(&mut self, token: &str) -> u64 {
        let servers: Vec<String> = self.nodes.iter().map(Node::url).collect();
        let number = self.prepare_join(token, &servers);
        self.node(number).origin.push("--replica".to_owned());
        self.node(number).start();
        number
    }

    /// Makes a further node that joins through these, not started yet. Returns its number.
    pub fn prepare_join(&mut self, token: &str, servers: &[String]) -> u64 {
        // The number is never used again, also after others were forgotten: a new node has a new folder.
        let number = self.made + 1;
        let addrs = free_addrs(2);
        let origin = ["--join".to_owned(), servers.join(","), "--join-token".to_owned(), token.to_owned()];
        self.add(number, &addrs[0], &addrs[1], origin.to_vec());
        number
    }

    /// The node with a number.
    ///
    /// # Panics
    /// When no node has this number.
    pub fn node(&mut self, number: u64) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.number == number).expect("there is a node with this number")
    }

    /// Forgets a node and ends its process.
    pub fn forget(&mut self, number: u64) {
        self.nodes.retain(|node| node.number != number);
    }

    /// The tokens that may register the first admin. If the leader changed while the cluster was formed, an invalid one
    /// may still be there for a moment.
    pub fn bootstrap_tokens(&self) -> Vec<String> {
        let files = self.nodes.iter().map(|node| node.data_dir().join("bootstrap-token"));
        files.filter_map(|file| Some(fs::read_to_string(file).ok()?.trim().to_owned())).collect()
    }

    /// URLs of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Node::url).collect()
    }

    /// A client without a key, through the first node.
    pub fn client(&self) -> Client {
        Client::new(self.nodes[0].url())
    }

    /// Waits until each node that runs can answer linearizable reads.
    pub async fn all_ready(&mut self) {
        for node in &mut self.nodes {
            if !node.is_running() {
                continue;
            }
            ready(&node.url(), node.number).await;
        }
    }

    /// Waits until a node can answer linearizable reads.
    pub async fn ready(&mut self, number: u64) {
        let url = self.node(number).url();
        ready(&url, number).await;
    }

    /// The number of the leader, once all running nodes agree on one.
    pub async fn leader(&mut self) -> u64 {
        let running: Vec<(u64, String)> = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.is_running().then(|| (node.number, node.url())))
            .collect();
        eventually("somebody leads", || async {
            for (number, url) in &running {
                let answer = Client::new(url.clone()).get("/health").await;
                let raft = &answer.body["checks"]["raft"];
                if answer.status.is_success() && raft["role"] == "leader" {
                    return Some(*number);
                }
            }
            None
        })
        .await
    }

    /// Waits until all running nodes are at the same revision, and checks that they have the same state there.
    ///
    /// # Panics
    /// When the states differ.
    pub async fn same_state(&mut self, client: &Client) {
        let urls: Vec<String> =
            self.nodes.iter_mut().filter_map(|node| node.is_running().then(|| node.url())).collect();
        let seen = eventually("all nodes are at one revision", || async {
            let mut seen = Vec::new();
            for url in &urls {
                let answer =
                    client.via(url).send(reqwest::Method::GET, "/cluster/status", None).await.ok()?;
                let status = &answer.body["data"];
                seen.push((status["applied"].as_u64()?, status["stateHash"].as_str()?.to_owned()));
            }
            seen.iter().all(|(applied, _)| *applied == seen[0].0).then_some(seen)
        })
        .await;
        assert!(seen.iter().all(|(_, hash)| *hash == seen[0].1), "the nodes have drifted apart: {seen:?}");
    }

    /// The folder with all files of the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn ready(url: &str, number: u64) {
    eventually(&format!("node {number} is ready"), || async {
        let answer = Client::new(url).send(reqwest::Method::GET, "/health/ready", None).await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await;
}

/// Free addresses on loopback, which no other test of this process gets.
///
/// # Panics
/// When no port is free.
pub fn free_addrs(count: usize) -> Vec<String> {
    /// The first port: below the ports of outgoing connections, which could take one before its node does.
    const PORTS: std::ops::Range<u32> = 10_000..32_000;
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(rand::random()));
    let mut tried = 0..PORTS.len();
    let mut free = || loop {
        tried.next().expect("there is a free port");
        let port = PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
        let addr = format!("127.0.0.1:{port}");
        if TcpListener::bind(&addr).is_ok() {
            return addr;
        }
    };
    (0..count).map(|_| free()).collect()
}
