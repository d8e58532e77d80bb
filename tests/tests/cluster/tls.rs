//! TLS between nodes and with clients, with certificates that the command line makes: who is refused and why, and how
//! certificates and authorities change while work goes on.

use nexus_tests::{Certs, Client, Cluster, Team, eventually, patience::within, programs::binary};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

/// Runs `nexus` as a person whose files are in `home`.
fn nexus(home: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(binary("nexus"))
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .expect("nexus can be started");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// The members in the status that a node gives.
async fn members(client: &Client) -> Option<Vec<Value>> {
    let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
    answer.body["data"]["nodes"].as_array().cloned()
}

#[tokio::test]
async fn three_nodes_and_their_clients_talk_by_tls_alone() {
    let (mut cluster, certs) = Cluster::start_encrypted(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("login", &["src/login.rs"]).await;

    // The certificates name the cluster before there is one.
    let status = team.admin.get("/cluster/status").await;
    let id = status.data()["clusterId"].as_str().expect("an id").to_owned();
    assert!(certs.run(&["show", &certs.ca().display().to_string()]).contains(&id));

    // Every node knows what each shows.
    let url = cluster.node(2).url();
    let shown = eventually("a node knows the certificates of all", || async {
        let members = members(&team.admin.via(&url)).await?;
        members.iter().all(|member| member["certificates"]["peers"].is_object()).then_some(members)
    })
    .await;
    for member in shown {
        let names = member["certificates"]["peers"]["names"].to_string();
        assert!(names.contains(&format!("nexus://{id}/node/{}", member["id"])), "{names}");
        assert_eq!(member["certificates"]["authorities"].as_array().map(Vec::len), Some(1));
        assert_eq!(member["version"], env!("CARGO_PKG_VERSION"));
    }

    // The command line checks them.
    let home = cluster.folder().join("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let key = team.admin.key().expect("a key").to_owned();
    let servers = cluster.urls().join(",");
    let (ok, said) = nexus(&home, &["--server", &servers, "login", "--token", &key]);
    assert!(!ok && said.contains("--ca"), "{said}");
    let ca = certs.ca().display().to_string();
    let (ok, said) = nexus(&home, &["--ca", &ca, "--server", &servers, "login", "--token", &key]);
    assert!(ok, "{said}");
    let leader = cluster.leader().await;
    cluster.node(leader).kill();
    let (ok, said) = nexus(&home, &["cluster", "status"]);
    assert!(ok && said.contains("answers"), "with the leader gone: {said}");
    cluster.node(leader).start();
    cluster.all_ready().await;

    // Plain HTTP is told what to do.
    let addr = cluster.node(1).url().trim_start_matches("https://").to_owned();
    let mut plain = TcpStream::connect(&addr).await.expect("it listens");
    plain.write_all(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it reads");
    let mut said = String::new();
    plain.read_to_string(&mut said).await.expect("it answers");
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("https://"), "{said}");

    // A node joins by https, and one that lost its data comes back with its old certificate.
    certs.run(&["issue", "--joining"]);
    let (token, servers) = (team.join_token().await, cluster.urls());
    let fourth = cluster.prepare_join(&token, &servers);
    cluster.node(fourth).use_certs(&certs.joining());
    cluster.node(fourth).start();
    cluster.ready(fourth).await;
    cluster.node(2).kill();
    cluster.node(2).wipe();
    cluster.node(2).start();
    cluster.ready(2).await;
    let voters = within(Duration::from_secs(60), "the node that was wiped votes again", || async {
        let members = members(&team.admin).await?;
        let voters = members.iter().filter(|member| member["role"] != "learner").count();
        (voters == 4 && members.iter().any(|member| member["id"] == 5)).then_some(voters)
    });
    assert_eq!(voters.await, 4);
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn certificates_of_another_authority_cluster_or_node_are_refused_on_both_sides() {
    let mut cluster = Cluster::prepare(3, &[]);
    let own = Certs::init(&cluster.folder().join("certs"), None);
    let foreign = Certs::init(&cluster.folder().join("foreign"), None);
    for node in [1, 2] {
        own.run(&["issue", "--node", &node.to_string()]);
        cluster.node(node).use_certs(&own.of(node));
        cluster.node(node).start();
    }
    // With an authority that the others do not know.
    foreign.run(&["issue", "--node", "3"]);
    let stranger = foreign.of(3);
    cluster.node(3).use_certs(&stranger);
    cluster.node(3).start();
    let says = async |cluster: &mut Cluster, node: u64, what: &str| {
        let node = cluster.node(node);
        eventually(&format!("node {} says {what:?}", node.number), || async {
            node.log().contains(what).then_some(())
        })
        .await;
    };
    says(&mut cluster, 3, "of an authority that this node does not know").await;
    says(&mut cluster, 1, "does not know the authority of this node's certificate").await;

    // It trusts them now, and they do not trust it.
    let bundle = [foreign.ca(), own.ca()].map(|ca| std::fs::read_to_string(ca).expect("a file")).concat();
    std::fs::write(stranger.join("ca.crt"), bundle).expect("the test folder can be written");
    cluster.node(3).reload();
    says(&mut cluster, 3, "does not know the authority of this node's certificate").await;
    says(&mut cluster, 1, "of an authority that this node does not know").await;

    // Of the right authority, for another node: such a node does not start, and a copy of its folder helps nobody.
    cluster.node(3).terminate();
    own.run(&["issue", "--node", "7"]);
    cluster.node(3).use_certs(&own.of(7));
    cluster.node(3).start();
    cluster.node(3).ended().await;
    assert!(cluster.node(3).log().contains("the certificate is for node 7, and this is node 3"));
}

/// Clients that write through all nodes for as long as they may, and expect every request to succeed.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<usize>>,
}

impl Load {
    fn start(team: &Team, urls: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writer = |at: usize, url: &String| {
            let (stop, team, client) = (stop.clone(), team.clone(), team.admin.via(url));
            tokio::spawn(async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    let body = json!({ "slug": format!("f-{at}-{written}"), "title": "t", "spec": "s" });
                    let answer = client.send(Method::POST, &team.path("/features"), Some(&body)).await;
                    let answer = answer.expect("no connection is cut");
                    assert_eq!(answer.status, 201, "{}", answer.body);
                    written += 1;
                }
                written
            })
        };
        let tasks = urls.iter().enumerate().map(|(at, url)| writer(at, url)).collect();
        Self { stop, tasks }
    }

    /// Stops it. Returns the number of requests, of which none has failed.
    async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut written = 0;
        for task in self.tasks {
            written += task.await.expect("no request fails");
        }
        written
    }
}

/// Waits until all members show something in their certificates.
async fn all_show(team: &Team, what: &str, is_shown: impl Fn(&Value) -> bool) {
    eventually(what, || async {
        let members = members(&team.admin).await?;
        members.iter().all(|member| is_shown(&member["certificates"])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_authority_and_all_certificates_change_under_load_without_a_failed_request() {
    let (mut cluster, certs) = Cluster::start_encrypted(3).await;
    let team = Team::of(&cluster).await;
    let home = cluster.folder().join("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let old = cluster.folder().join("old");
    certs.run(&["issue", "--joining", "--out", &old.display().to_string()]);
    let load = Load::start(&team, &cluster.urls());
    let first = members(&team.admin).await.expect("a status");
    let issuer = |member: &Value| member["certificates"]["peers"]["issuer"].clone();

    // Another certificate of the same authority: noticed without a signal.
    certs.run(&["issue", "--node", "1", "--renew"]);
    all_show(&team, "the renewed certificate is in use", |shown| {
        shown["peers"]["serial"] != first[0]["certificates"]["peers"]["serial"]
    })
    .await;

    let reload = |cluster: &Cluster| cluster.nodes.iter().for_each(nexus_tests::Node::reload);
    certs.run(&["rotate", "--offline"]);
    reload(&cluster);
    all_show(&team, "all trust both authorities", |shown| {
        shown["authorities"].as_array().map(Vec::len) == Some(2)
    })
    .await;
    certs.run(&["rotate", "--offline"]);
    reload(&cluster);
    let former =
        first.iter().find_map(|member| issuer(member).as_str().map(str::to_owned)).expect("an issuer");
    all_show(&team, "all have certificates of the new authority", |shown| {
        shown["peers"]["issuer"].as_str().is_some_and(|issuer| issuer != former)
    })
    .await;
    certs.run(&["rotate", "--offline", "--finish"]);
    reload(&cluster);
    all_show(&team, "all trust the new authority alone", |shown| {
        shown["authorities"].as_array().map(Vec::len) == Some(1)
    })
    .await;
    assert!(load.finish().await > 100);

    // Who still has the old one is out: both ends say why.
    let (token, servers) = (team.join_token().await, cluster.urls());
    let late = cluster.prepare_join(&token, &servers);
    cluster.node(late).use_certs(&old);
    let ca = certs.ca().display().to_string();
    cluster.node(late).add_flags(&["--join-ca", &ca]);
    cluster.node(late).start();
    cluster.node(late).ended().await;
    let log = cluster.node(late).log();
    assert!(log.contains("this node is not let in") && log.contains("does not know the authority"), "{log}");
    assert!(log.contains("its certificate is of an authority that this node does not know"), "{log}");
    cluster.forget(late);
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn a_cluster_in_plain_text_is_changed_over_node_by_node() {
    let mut cluster = Cluster::start_with(3, &["--insecure-peers"]).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("login", &["src/login.rs"]).await;
    let id = team.admin.get("/cluster/status").await.data()["clusterId"].as_str().expect("an id").to_owned();
    let certs = Certs::init(&cluster.folder().join("certs"), Some(&id));
    let read = async |cluster: &mut Cluster, without: u64| {
        // A quorum of nodes that talk both ways goes on while one is away.
        let other = cluster.nodes.iter().find(|node| node.number != without).expect("three nodes").url();
        let answer = team.admin.via(other).get(&team.path("/features/login")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    for node in 1..=3 {
        certs.run(&["issue", "--node", &node.to_string()]);
        cluster.node(node).terminate();
        read(&mut cluster, node).await;
        cluster.node(node).use_certs(&certs.of(node));
        cluster.node(node).add_flags(&["--plain-clients"]);
        cluster.node(node).start();
        cluster.ready(node).await;
        // Clients that do not know yet are served too.
        let plain = cluster.node(node).url().replace("https:", "http:");
        assert_eq!(team.admin.via(plain).get(&team.path("/features/login")).await.status, 200);
    }
    for node in 1..=3 {
        cluster.node(node).terminate();
        let other = cluster.nodes.iter().find(|other| other.number != node).expect("three nodes").url();
        let encrypted = Client::new(other).with_key(team.admin.key().expect("a key"));
        assert_eq!(encrypted.get(&team.path("/features/login")).await.status, 200);
        cluster.node(node).drop_flag("--insecure-peers");
        cluster.node(node).drop_flag("--plain-clients");
        cluster.node(node).start();
        cluster.ready(node).await;
    }
    let client = cluster.client().with_key(team.admin.key().expect("a key"));
    all_show(&Team { admin: client.clone(), project: team.project.clone() }, "all talk by TLS", |shown| {
        shown["peers"].is_object()
    })
    .await;
    cluster.same_state(&client).await;
}
