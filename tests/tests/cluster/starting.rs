//! A failed start prints a helpful error, and leaves nothing behind.

use nexus_tests::{Client, Cluster, cluster::free_addrs, eventually, programs::binary};
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::{
    io::Write,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Mutex,
};

fn nexusd(words: &[&str]) -> Output {
    Command::new(binary("nexusd")).args(words).env_clear().output().expect("nexusd can be started")
}

fn refused(words: &[&str]) -> String {
    let output = nexusd(words);
    assert!(!output.status.success(), "{words:?} should be refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_second_node_on_the_same_folder_is_refused() {
    let mut cluster = Cluster::start(1).await;
    let folder = cluster.node(1).data_dir();
    let mode = folder.metadata().expect("there is a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "only the owner can read the folder");
    let folder = folder.to_str().expect("a path of text").to_owned();
    let words = ["start", "--data-dir", &folder, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
    let said = refused(&words);
    assert!(said.contains("another process has this data folder open"), "{said}");
    assert!(!said.contains("LOCK"), "{said}");
    cluster.ready(1).await;
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_folder_behind() {
    let mut cluster = Cluster::start(1).await;
    let taken = cluster.node(1).peer_addr().to_owned();
    let folder = cluster.folder().join("new");
    let new = folder.to_str().expect("a path of text").to_owned();
    let initial = format!("1={taken}");
    let words =
        ["start", "--data-dir", &new, "--listen", "127.0.0.1:0", "--peer-listen", &taken, "--node-id", "1"];
    let said = refused(&[&words[..], &["--initial-cluster", &initial]].concat());
    assert!(said.contains("cannot listen for nodes on"), "{said}");
    assert!(!folder.exists());
    let said =
        refused(&["start", "--data-dir", &new, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"]);
    assert!(said.contains("is new and nothing says where this node belongs"), "{said}");
    assert!(!folder.exists());
    let made = String::from_utf8(nexusd(&["new-secret"]).stdout).expect("text");
    assert_eq!(made.trim().len(), 64, "256 bits in hexadecimal");
    let said = refused(&["start", "--data-dir", &new, "--check-config", "--log", "bogus"]);
    assert!(said.contains("--log bogus is no level"), "{said}");
}

/// A process that ends with its test.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }

    async fn ended(&mut self) -> ExitStatus {
        let child = Mutex::new(&mut self.0);
        eventually("the process ends", || {
            let ended = child.lock().expect("nobody panics").try_wait().expect("it is a child");
            async move { ended }
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn dev(words: &[&str], temp: &Path) -> Running {
    let mut command = Command::new(binary("nexusd"));
    command.arg("dev").args(words).env_clear().env("TMPDIR", temp);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("nexusd can be started"))
}

/// The folders of nodes in a temporary folder.
fn folders(temp: &Path) -> Vec<PathBuf> {
    temp.read_dir().expect("it is there").map(|entry| entry.expect("it can be read").path()).collect()
}

/// Registers the first admin.
async fn register(url: &str, data: &Path) -> Client {
    let token = data.join("bootstrap-token");
    let answer = eventually("the first admin is registered", || async {
        let token = std::fs::read_to_string(&token).ok()?;
        let body = json!({ "name": "Root", "email": "root@example.com", "bootstrapToken": token.trim() });
        let answer = Client::new(url).send(Method::POST, "/auth/register", Some(&body)).await.ok()?;
        answer.status.is_success().then_some(answer)
    })
    .await;
    Client::new(url).with_key(answer.data()["apiKey"].as_str().expect("a key"))
}

#[tokio::test]
async fn three_nodes_on_one_machine_form_a_cluster_without_a_configured_secret() {
    let (temp, addrs) = (tempfile::tempdir().expect("a folder"), free_addrs(6));
    let (clients, peers) = addrs.split_at(3);
    let initial = format!("1={},2={},3={}", peers[0], peers[1], peers[2]);
    let start = |number: usize| {
        let mut command = Command::new(binary("nexusd"));
        command.args(["start", "--node-id", &(number + 1).to_string(), "--initial-cluster", &initial]);
        command.args(["--listen", &clients[number], "--peer-listen", &peers[number], "--data-dir"]);
        command.arg(temp.path().join(number.to_string())).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("nexusd can be started"))
    };
    let _nodes: Vec<Running> = (0..3).map(start).collect();
    for addr in clients {
        let url = format!("http://{addr}");
        eventually("a node of three is ready", || async {
            let answer = Client::new(&url).send(Method::GET, "/health/ready", None).await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await;
    }
    let kept =
        |number: usize| std::fs::read_to_string(temp.path().join(number.to_string()).join("cluster-secret"));
    let secrets: Vec<String> = (0..3).map(|number| kept(number).expect("each keeps it")).collect();
    assert!(secrets.iter().all(|secret| *secret == secrets[0] && secret.trim().len() == 64));
}

#[tokio::test]
async fn a_development_node_needs_no_flags_and_leaves_nothing_behind() {
    let (temp, addr) = (tempfile::tempdir().expect("a folder"), &free_addrs(1)[0]);
    let mut node = dev(&["--listen", addr], temp.path());
    let url = format!("http://{addr}");
    eventually("it is ready", || async {
        let answer = Client::new(&url).send(Method::GET, "/health/ready", None).await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await;
    let data = folders(temp.path());
    assert_eq!(data.len(), 1, "{data:?}");
    let admin = register(&url, &data[0]).await;
    let made = admin.post("/projects", json!({ "name": "Demo", "slug": "demo" })).await;
    assert_eq!(made.data()["slug"], "demo");
    node.signal(Signal::TERM);
    assert!(node.ended().await.success());
    assert!(folders(temp.path()).is_empty(), "it leaves nothing behind");
}

#[tokio::test]
async fn a_development_node_with_a_folder_keeps_its_data() {
    let (temp, addr) = (tempfile::tempdir().expect("a folder"), &free_addrs(1)[0]);
    let data = temp.path().join("data");
    let words = ["--listen", addr.as_str(), "--data-dir", data.to_str().expect("a path of text")];
    let url = format!("http://{addr}");
    let mut node = dev(&words, temp.path());
    let admin = register(&url, &data).await;
    let id = admin.post("/projects", json!({ "name": "Demo", "slug": "demo" })).await.data()["id"].clone();
    node.signal(Signal::INT);
    assert!(node.ended().await.success());
    let _node = dev(&words, temp.path());
    let path = format!("/projects/{}", id.as_str().expect("an id"));
    eventually("the project is there again", || async {
        let answer = admin.send(Method::GET, &path, None).await.ok()?;
        (answer.body["data"]["slug"] == "demo").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_a_stopping_node_at_once() {
    /// A client may take this long for its request, and a stopping node waits for it.
    const UNFINISHED: &[u8] =
        b"POST /api/auth/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 1000\r\n\r\n{";
    let (temp, addr) = (tempfile::tempdir().expect("a folder"), &free_addrs(1)[0]);
    let mut node = dev(&["--listen", addr], temp.path());
    let url = format!("http://{addr}");
    eventually("it is ready", || async {
        let answer = Client::new(&url).send(Method::GET, "/health/ready", None).await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await;
    let mut slow = TcpStream::connect(addr).expect("it listens");
    slow.write_all(UNFINISHED).expect("it reads");
    // The request is in flight once it is counted.
    eventually("the request is in flight", || async {
        let metrics = Client::new(url.replace("/api", "")).open("/metrics").await.ok()?.text().await.ok()?;
        metrics.contains("nexus_http_requests_in_flight 2").then_some(())
    })
    .await;
    node.signal(Signal::TERM);
    eventually("it takes no more clients", || async { TcpStream::connect(addr).is_err().then_some(()) })
        .await;
    assert!(node.0.try_wait().expect("it is a child").is_none(), "it waits for its client");
    node.signal(Signal::TERM);
    assert!(!node.ended().await.success());
    assert!(folders(temp.path()).is_empty(), "it leaves nothing behind");
}
