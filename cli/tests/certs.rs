//! The certificates that `nexus cluster certs` makes, and the files that it leaves alone.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, Person, Server, certificates, data, project};
use serde_json::{Value, json};
use std::{fs, path::Path};

const CLUSTER: &str = "0198c0de-0000-7000-8000-000000000001";

/// Somebody without a login, with an authority in `certs`.
fn operator() -> Person {
    let ana = Person::new();
    ana.types(&format!("cluster certs init --cluster-id {CLUSTER}")).done();
    ana
}

/// Shows the content of a file or a folder.
fn shown(ana: &Person, path: &str) -> Vec<Value> {
    let shown = ana.types(&format!("cluster certs show {path} --json")).done().json();
    shown["certificates"].as_array().unwrap().clone()
}

/// Whether a certificate that was issued a moment ago is valid for so many days.
fn lasts(shown: &Value, days: i64) -> bool {
    // The day that has begun does not count.
    [days, days - 1].contains(&shown["daysLeft"].as_i64().unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_authority_and_the_certificates_of_its_nodes() {
    let ana = operator();
    let ended = ana.types("cluster certs issue --node 1 --host A.example.com,10.0.0.1").done();
    assert_eq!(ended.stdout, "certs/node-1\n");
    assert!(ended.stderr.contains("For node 1 at a.example.com, 10.0.0.1, by CN=Nexus CA "), "{ended:#?}");
    ana.types("cluster certs issue --joining --days 30").done();
    let certs = ana.repository().join("certs");
    assert_eq!(names(&certs), ["ca.crt", "ca.key", "joining", "node-1"]);
    assert_eq!(names(&certs.join("node-1")), ["ca.crt", "node.crt", "node.key"]);
    let all = shown(&ana, "certs");
    assert_eq!(all.len(), 3, "{all:#?}");
    assert_eq!(all[0]["names"], json!([format!("nexus://{CLUSTER}/ca/1")]));
    assert_eq!(all[0]["isAuthority"], json!(true));
    assert!(lasts(&all[0], 3650) && lasts(&all[2], 30), "{all:#?}");
    assert_eq!(all[1]["names"], json!([format!("nexus://{CLUSTER}/node/1"), "a.example.com", "10.0.0.1"]));
    assert_eq!((&all[1]["subject"], &all[1]["issuer"]), (&json!("CN=node 1"), &all[0]["subject"]));
    assert_eq!(all[2]["names"], json!([format!("nexus://{CLUSTER}/node"), "localhost", "127.0.0.1", "::1"]));
    assert!(all.iter().all(|shown| shown["keyFits"] == json!(true)), "{all:#?}");
    let text = ana.types("cluster certs show certs/node-1/node.crt").done().stdout;
    assert!(text.contains("Key         fits") && text.contains("Serial      "), "{text}");
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let ana = operator();
    ana.types("cluster certs issue --node 1").done();
    for (name, mode) in [
        ("certs", 0o700),
        ("certs/ca.key", 0o600),
        ("certs/ca.crt", 0o644),
        ("certs/node-1", 0o700),
        ("certs/node-1/node.key", 0o600),
        ("certs/node-1/node.crt", 0o644),
        ("certs/node-1/ca.crt", 0o644),
    ] {
        let data = fs::metadata(ana.repository().join(name)).unwrap();
        assert_eq!(data.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn clients_accept_the_certificate_of_a_node() {
    let ana = operator();
    ana.types("cluster certs issue --node 1").done();
    let config = certificates::of_folder(&ana.repository().join("certs/node-1"));
    let server = Server::start_tls(config).on("GET /projects", data(json!([project("billing", ID)])));
    for url in [server.url().to_owned(), server.url().replace("127.0.0.1", "localhost")] {
        let token = mock::KEY;
        ana.types(&format!("project list --token {token} --server {url} --ca certs/ca.crt")).done();
    }
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let ana = operator();
    ana.types("cluster certs issue --node 1 --out elsewhere/one").done();
    ana.types("cluster certs issue --node 2").done();
    fs::create_dir(ana.repository().join("of-others")).unwrap();
    let before = |path: &str| fs::read(ana.repository().join(path)).unwrap();
    let kept = ["certs/ca.key", "certs/ca.crt", "elsewhere/one/node.key", "certs/node-2/node.key"];
    let contents = kept.map(before);
    for (line, message) in [
        ("init", "certs/ca.crt is there already"),
        ("issue --node 2", "certs/node-2 is there already"),
        ("issue --node 1 --out elsewhere/one", "elsewhere/one is there already"),
        ("issue --node 1 --out of-others", "of-others is there already"),
        ("issue --node 3 --renew", "there is no node.crt in certs/node-3"),
        ("issue --node 3 --renew --out certs/node-2", "and not for nexus://"),
        ("issue --node 1 --dir nowhere", "there is no folder nowhere"),
        ("issue --node 1 --dir of-others", "there is no of-others/ca.crt"),
        ("issue --node 1 --out ..", "is there already"),
        ("rotate --finish", "which is not being replaced"),
        ("show of-others", "there is no ca.crt and no node.crt in of-others"),
    ] {
        let ended = ana.types(&format!("cluster certs {line}"));
        assert_eq!(ended.code, 2, "{line}: {ended:#?}");
        assert!(ended.stderr.contains(message) && ended.stderr.contains("Hint: "), "{line}: {ended:#?}");
    }
    assert_eq!(kept.map(before), contents);
}

#[test]
fn what_is_mistyped_is_refused() {
    let ana = operator();
    for line in [
        "issue",
        "issue --node 0",
        "issue --node -1",
        "issue --node 1 --joining",
        "issue --node 1 --days 0",
        "issue --node 1 --days 4000",
        "issue --node 1 --host https://a",
        "issue --node 1 --host a:7401",
        "issue --node 1 --host 'a b'",
        "issue --node 1 --host 10.0.0.1,",
        "init --days 99999 --dir other",
        "init --cluster-id 7 --dir other",
    ] {
        let ended = ana.types(&format!("cluster certs {line}"));
        assert_eq!(ended.code, 2, "{line}: {ended:#?}");
    }
    assert_eq!(names(&ana.repository().join("certs")), ["ca.crt", "ca.key"]);
}

#[test]
fn a_certificate_is_renewed_with_its_hosts() {
    let ana = operator();
    ana.types("cluster certs issue --node 1 --host a.example.com").done();
    let folder = ana.repository().join("certs/node-1");
    let before = shown(&ana, "certs/node-1")[1].clone();
    ana.types("cluster certs issue --node 1 --renew").done();
    let after = shown(&ana, "certs/node-1")[1].clone();
    assert_eq!((&after["names"], &after["keyFits"]), (&before["names"], &json!(true)));
    assert_ne!(after["serial"], before["serial"]);
    assert_eq!(names(&folder), ["ca.crt", "node.crt", "node.key"]);
    ana.types("cluster certs issue --node 1 --renew --host b.example.com").done();
    assert_eq!(shown(&ana, "certs/node-1")[1]["names"][1], "b.example.com");
    // Half of a pair was copied.
    fs::copy(ana.repository().join("certs/ca.key"), folder.join("node.key")).unwrap();
    assert_eq!(shown(&ana, "certs/node-1/node.crt")[0]["keyFits"], json!(false));
}

#[test]
fn damaged_files_are_named() {
    let ana = operator();
    let certs = ana.repository().join("certs");
    let certificate = fs::read_to_string(certs.join("ca.crt")).unwrap();
    for (content, message) in [
        (String::new(), "holds no certificate in PEM"),
        (certificate[..certificate.len() / 2].to_owned(), "ends within a certificate"),
        (certificate.replacen("MI", "AA", 1), "is damaged"),
        (fs::read_to_string(certs.join("ca.key")).unwrap(), "holds a key"),
        ("\u{1b}[2J".repeat(500_000), "longer than 1 MiB"),
    ] {
        fs::write(certs.join("ca.crt"), content).unwrap();
        for line in ["issue --node 9", "show certs/ca.crt", "rotate --offline"] {
            let ended = ana.types(&format!("cluster certs {line}"));
            assert_eq!(ended.code, 1, "{line}: {ended:#?}");
            assert!(
                ended.stderr.contains("certs/ca.crt") && ended.stderr.contains(message),
                "{line}: {ended:#?}"
            );
        }
    }
    fs::write(certs.join("ca.crt"), &certificate).unwrap();
    ana.types("cluster certs init --dir other").done();
    fs::copy(ana.repository().join("other/ca.key"), certs.join("ca.key")).unwrap();
    let ended = ana.types("cluster certs issue --node 9");
    assert!(ended.stderr.contains("certs/ca.key does not hold the key of CN=Nexus CA"), "{ended:#?}");
    assert_eq!(names(&certs), ["ca.crt", "ca.key"]);
}

/// A cluster of two nodes that show these certificates.
fn cluster(nodes: &[Value]) -> Server {
    let nodes: Vec<Value> = nodes
        .iter()
        .enumerate()
        .map(|(at, certificates)| {
            json!({ "id": at + 1, "role": if at == 0 { "leader" } else { "voter" }, "peerAddr": "p:1", "clientAddr": "c:1",
                "lag": 0, "lastSeenMs": null, "thisNode": at == 0, "certificates": certificates })
        })
        .collect();
    let status = json!({ "clusterId": CLUSTER, "nodeId": 1, "version": "1", "leader": 1, "term": 1, "committed": 1,
        "applied": 1, "stateHash": "0", "healthy": true, "toleratesLosses": 0, "nodes": nodes,
        "timestamp": "2026-01-31T12:00:00Z" });
    Server::start().on("GET /cluster/status", data(status))
}

fn rotate(ana: &Person, flags: &str, nodes: &[Value]) -> mock::Ended {
    let server = cluster(nodes);
    let token = mock::KEY;
    ana.types(&format!("cluster certs rotate {flags} --token {token} --server {}", server.url()))
}

#[test]
fn an_authority_is_replaced_in_three_steps_that_follow_the_members() {
    let ana = operator();
    for node in [1, 2] {
        ana.types(&format!("cluster certs issue --node {node} --days 90")).done();
    }
    let bundle = |path: &str| {
        let shown = shown(&ana, path);
        shown.iter().filter(|shown| shown["isAuthority"] == json!(true)).cloned().collect::<Vec<_>>()
    };
    let leaf = |node: u64| shown(&ana, &format!("certs/node-{node}/node.crt"))[0].clone();
    let old = bundle("certs/ca.crt")[0].clone();

    // Step 1 needs nobody: whatever it says is new.
    let ended = rotate(&ana, "", &[]).done();
    assert!(ended.stdout.starts_with("Step 1 of 3: CN=Nexus CA "), "{ended:#?}");
    assert!(ended.stdout.contains("certs/node-2/ca.crt  to node 2"), "{ended:#?}");
    assert!(ended.stdout.ends_with("Next: nexus cluster certs rotate\n"), "{ended:#?}");
    let both = bundle("certs/ca.crt");
    let new = both[1].clone();
    assert_eq!(both[0]["serial"], old["serial"]);
    assert_eq!(bundle("certs/node-2/ca.crt").len(), 2);
    assert_eq!(new["names"], json!([format!("nexus://{CLUSTER}/ca/2")]));
    // A node that is added now is known to those that have not got the new one.
    ana.types("cluster certs issue --node 3").done();
    assert_eq!(leaf(3)["issuer"], old["subject"]);

    // Step 2 waits for both members.
    let at_step =
        |authorities: &[&Value], peers: &Value| json!({ "peers": peers, "authorities": authorities });
    let (one, two) = (leaf(1), leaf(2));
    for (second, why) in [
        (at_step(&[&old], &two), "node 2 trusts the old one alone"),
        (Value::Null, "node 2 does not say: is it running, and with certificates?"),
    ] {
        let ended = rotate(&ana, "", &[at_step(&[&old, &new], &one), second]);
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(ended.stderr.contains(why) && ended.stderr.contains("Hint: copy certs/ca.crt"), "{ended:#?}");
        assert_eq!(leaf(1)["serial"], one["serial"]);
    }
    let ended = rotate(&ana, "--finish", &[]);
    assert!(ended.code == 2 && ended.stderr.contains("still from the old authority"), "{ended:#?}");
    let trusting = [at_step(&[&old, &new], &one), at_step(&[&old, &new], &two)];
    let ended = rotate(&ana, "", &trusting).done();
    assert!(ended.stdout.starts_with("Step 2 of 3: "), "{ended:#?}");
    assert!(ended.stdout.contains("certs/node-1/node.key  to node 1"), "{ended:#?}");
    assert!(ended.stdout.ends_with("Next: nexus cluster certs rotate --finish\n"), "{ended:#?}");
    for node in [1, 2, 3] {
        let leaf = leaf(node);
        assert_eq!((&leaf["issuer"], &leaf["keyFits"]), (&new["subject"], &json!(true)));
    }
    assert_eq!(leaf(1)["names"], one["names"]);
    assert!(lasts(&leaf(1), 90), "as long as the one before");
    assert_eq!(bundle("certs/node-1/ca.crt").len(), 2);
    // Once more changes nothing.
    let serial = leaf(1)["serial"].clone();
    rotate(&ana, "", &trusting).done();
    assert_eq!(leaf(1)["serial"], serial);

    // Step 3 waits until no member uses the old one.
    let ended = rotate(&ana, "--finish", &[at_step(&[&old, &new], &leaf(1)), at_step(&[&old, &new], &two)]);
    assert!(ended.code == 1 && ended.stderr.contains("node 2 still uses one of the old one"), "{ended:#?}");
    let issuing = [at_step(&[&old, &new], &leaf(1)), at_step(&[&old, &new], &leaf(2))];
    let ended = rotate(&ana, "--finish", &issuing).done();
    assert!(ended.stdout.starts_with("Step 3 of 3: "), "{ended:#?}");
    for path in ["certs/ca.crt", "certs/node-1/ca.crt", "certs/node-3/ca.crt"] {
        let only = bundle(path);
        assert_eq!((only.len(), &only[0]["serial"]), (1, &new["serial"]));
    }
    let keys = fs::read_to_string(ana.repository().join("certs/ca.key")).unwrap();
    assert_eq!(keys.matches("BEGIN PRIVATE KEY").count(), 1);
    ana.types("cluster certs issue --node 4").done();
    assert_eq!(leaf(4)["issuer"], new["subject"]);
}

#[test]
fn another_cluster_is_not_asked_about_this_one() {
    let ana = Person::new();
    ana.types("cluster certs init").done();
    rotate(&ana, "", &[]).done();
    let ended = rotate(&ana, "", &[]);
    assert!(ended.code == 2 && ended.stderr.contains(&format!("is of cluster {CLUSTER}")), "{ended:#?}");
}

#[test]
fn a_cluster_that_is_down_is_rotated_without_asking() {
    let ana = operator();
    ana.types("cluster certs issue --node 1").done();
    for (flags, phase) in [("", "trusting"), ("", "issuing"), ("--finish", "finished")] {
        let printed = ana.types(&format!("cluster certs rotate --offline --json {flags}")).done().json();
        assert_eq!(printed["phase"], phase);
        assert_eq!(printed["authority"]["names"], json!([format!("nexus://{CLUSTER}/ca/2")]));
    }
    assert_eq!(ana.types("cluster certs rotate --offline").code, 0, "another one, after that");
}

#[test]
fn a_command_that_is_killed_leaves_whole_folders_alone() {
    let ana = operator();
    let certs = ana.repository().join("certs");
    for node in 1..=20_u64 {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_nexus"))
            .args(["cluster", "certs", "issue", "--node", &node.to_string()])
            .current_dir(ana.repository())
            .env("NEXUS_HOME", ana.config().parent().unwrap())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(node));
        let _ = child.kill();
        child.wait().unwrap();
        let folder = certs.join(format!("node-{node}"));
        if folder.exists() {
            assert_eq!(names(&folder), ["ca.crt", "node.crt", "node.key"]);
        }
    }
    let shown = shown(&ana, "certs");
    assert!(shown.iter().all(|shown| shown["keyFits"] == json!(true)), "{shown:#?}");
}
