//! Servers that are reached through TLS: whose certificates are accepted, and what a wrong one says.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{Ended, ID, KEY, NOBODY, Person, Server, bare, certificates::Authority, data, me, project};
use rustls::ServerConfig;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

const PROJECTS: &str = "GET /projects";

fn server(config: ServerConfig) -> Server {
    Server::start_tls(config)
        .on(PROJECTS, data(json!([project("billing", ID)])))
        .on("GET /auth/me", data(me()))
}

/// A person, and the file of an authority in the repository.
fn person_with(authority: &Authority, servers: &[&str]) -> (Person, PathBuf) {
    let person = Person::at_work(servers);
    let path = person.repository().join("ca.crt");
    fs::write(&path, authority.pem()).unwrap();
    (person, path)
}

/// The line about the only server, without its address.
fn reason(ended: &Ended) -> &str {
    assert_eq!(ended.code, 3, "{ended:#?}");
    let line = ended.stderr.lines().next().unwrap();
    line.split_once(" could not do it: ").unwrap_or_else(|| panic!("{ended:#?}")).1
}

#[test]
fn a_server_is_asked_if_its_certificate_is_of_the_authority_that_is_named() {
    let authority = Authority::named("Nexus CA");
    let server = server(authority.local());
    let (ana, path) = person_with(&authority, &[server.url()]);
    ana.types("project list --ca ca.crt").done();
    ana.types_with(("NEXUS_CA", path.to_str().unwrap()), "project list").done();
    let ended = ana.types("project list");
    assert_eq!(
        reason(&ended),
        "its certificate is from an authority that this machine does not trust: --ca FILE or NEXUS_CA names the \
         cluster's ca.crt"
    );
    assert!(!ended.stderr.contains("is the cluster running"), "{ended:#?}");
    // A flag goes before the environment.
    let ended = ana.types_with(("NEXUS_CA", "/nowhere/ca.crt"), "project list --ca ca.crt");
    assert_eq!(ended.code, 0, "{ended:#?}");
}

#[test]
fn login_keeps_the_authority_for_every_later_command_in_any_folder() {
    let authority = Authority::named("Nexus CA");
    let server = server(authority.local());
    let (ana, path) = person_with(&authority, &[NOBODY]);
    ana.types(&format!("login --token {KEY} --server {} --ca ca.crt", server.url())).done();
    assert_eq!(ana.saved()["ca"], json!(path));
    ana.types_in(&ana.repository().join("src/deep"), "project list", "").done();
    ana.types("logout --forget").done();
    assert_eq!(ana.saved()["ca"], json!(path), "the cluster stays the same");
    // The authorities of this machine do not know the server.
    assert_eq!(ana.types(&format!("login --token {KEY} --ca system")).code, 3);
    let plain = Server::start().on("GET /auth/me", data(me()));
    ana.types(&format!("login --token {KEY} --server {} --ca system", plain.url())).done();
    assert_eq!(ana.saved().get("ca"), None);
}

#[test]
fn each_wrong_certificate_is_explained_in_one_line() {
    let (authority, other) = (Authority::named("Nexus CA"), Authority::named("Other CA"));
    let namesake = Authority::named("Nexus CA");
    let cases = [
        (
            other.local(),
            "its certificate is from no authority in ",
            ": get the cluster's present ca.crt, and name it by --ca FILE",
        ),
        (
            namesake.local(),
            "its certificate has the name of an authority that did not sign it: get the cluster's present ca.crt",
            "and name it by --ca FILE",
        ),
        (
            authority.server(&["a.example.com", "10.0.0.1"], -1..300),
            "its certificate is for a.example.com, 10.0.0.1, and not for 127.0.0.1: ",
            "ask it by such a name, or issue one with --host 127.0.0.1",
        ),
        (
            authority.server(&["127.0.0.1"], -9..-2),
            "its certificate ended ",
            " (2 d ago): issue it again, or is this machine's clock wrong?",
        ),
        (
            authority.server(&["127.0.0.1"], 2..9),
            "its certificate is not valid before ",
            ": wait until then, or is this machine's clock wrong?",
        ),
    ];
    for (config, begin, end) in cases {
        let server = server(config);
        let (ana, _) = person_with(&authority, &[server.url()]);
        let ended = ana.types("project list --ca ca.crt");
        let reason = reason(&ended);
        assert!(reason.starts_with(begin) && reason.ends_with(end), "{reason}");
        assert_eq!(server.requests().len(), 0, "the key was not sent");
    }
}

#[test]
fn a_file_that_is_no_authority_is_named() {
    let authority = Authority::named("Nexus CA");
    let server = server(authority.local());
    let (ana, path) = person_with(&authority, &[server.url()]);
    for (content, why) in [
        (Some("no certificate"), "it holds no certificate in PEM"),
        (Some("-----BEGIN CERTIFICATE-----\nMIIB\n"), "section end"),
        (None, "No such file or directory"),
    ] {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let ended = ana.types("project list --ca ca.crt");
        let reason = reason(&ended);
        let begin = format!("the authorities in {} cannot be read: ", path.display());
        assert!(reason.starts_with(&begin) && reason.contains(why), "{reason}");
        assert!(reason.ends_with("; --ca FILE names the cluster's ca.crt"), "{reason}");
    }
    // Servers in plain text need none.
    let plain = Server::start().on(PROJECTS, data(json!([project("billing", ID)])));
    ana.types(&format!("project list --ca ca.crt --server {}", plain.url())).done();
}

#[test]
fn the_wrong_scheme_is_explained_on_both_sides() {
    let authority = Authority::named("Nexus CA");
    let (encrypted, plain) = (server(authority.local()), Server::start());
    let (ana, _) = person_with(&authority, &[NOBODY]);
    let ask = |url: String| ana.types(&format!("project list --ca ca.crt --server {url}"));
    let ended = ask(encrypted.url().replace("https://", "http://"));
    assert_eq!(reason(&ended), "it speaks TLS alone: write https:// instead of http://");
    let ended = ask(plain.url().replace("http://", "https://"));
    assert_eq!(reason(&ended), "it does not speak TLS: write http:// instead of https://");
    // A node answers plain text in plain text.
    let node = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = node.local_addr().unwrap();
    thread::spawn(move || {
        let body = r#"{"error":{"code":"VALIDATION_ERROR","message":"this node serves https alone: begin","requestId":"r"}}"#;
        for mut stream in node.incoming().flatten() {
            let _ = BufReader::new(&stream).read_line(&mut String::new());
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    let ended = ask(format!("http://{address}"));
    assert_eq!(reason(&ended), "it speaks TLS alone: write https:// instead of http://");
}

#[test]
fn the_port_for_peers_is_recognised() {
    let authority = Authority::named("Nexus CA");
    let mut config = authority.local();
    config.alpn_protocols = vec![b"nexus-peer".to_vec()];
    let peers = server(config);
    let (ana, _) = person_with(&authority, &[peers.url()]);
    assert_eq!(
        reason(&ana.types("project list --ca ca.crt")),
        "it speaks TLS, but no HTTP: is this the port for its peers? name the one for clients"
    );
}

#[test]
fn a_server_with_a_wrong_certificate_leaves_the_others() {
    let (authority, other) = (Authority::named("Nexus CA"), Authority::named("Other CA"));
    let (wrong, right) = (server(other.local()), server(authority.local()));
    let (ana, _) = person_with(&authority, &[wrong.url(), NOBODY, right.url()]);
    ana.types("project list --ca ca.crt").done();
    assert_eq!((wrong.requests().len(), right.requests().len()), (0, 1));
}

#[test]
fn members_that_the_cluster_named_are_asked_through_tls() {
    let authority = Authority::named("Nexus CA");
    let member = server(authority.local());
    let address = member.url().trim_start_matches("https://").to_owned();
    let configured = Server::start_tls(authority.local())
        .on("GET /cluster/status", data(status(&address, &Value::Null)))
        .on(PROJECTS, mock::unavailable("not_applied"));
    let (ana, _) = person_with(&authority, &[configured.url()]);
    ana.types("cluster status --ca ca.crt").done();
    ana.types("project list --ca ca.crt").done();
    assert_eq!(member.requests().len(), 1);
}

#[test]
fn a_backup_comes_through_tls() {
    let authority = Authority::named("Nexus CA");
    let server = server(authority.local());
    let (ana, _) = person_with(&authority, &[server.url()]);
    let ended = ana.types("cluster backup -o monday.backup --ca ca.crt");
    assert!(ended.stderr.contains("the mock knows no GET /cluster/backup"), "{ended:#?}");
}

#[test]
fn an_authority_that_is_replaced_counts_at_once_for_a_process_that_runs() {
    let (old, new) = (Authority::named("Old CA"), Authority::named("New CA"));
    let (first, second) = (server(old.local()), server(new.local()));
    let (ana, path) = person_with(&old, &[first.url(), second.url()]);
    let mut mcp = Command::new(env!("CARGO_BIN_EXE_nexus"))
        .args(["mcp", "--ca", "ca.crt", "--timeout", "3s"])
        .current_dir(ana.repository())
        .env("NEXUS_HOME", ana.config().parent().unwrap())
        .env("NEXUS_SESSION", "none")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = mcp.stdin.take().unwrap();
    let mut output = BufReader::new(mcp.stdout.take().unwrap());
    let mut ask = |message: Value, is_answered: bool| {
        writeln!(input, "{message}").unwrap();
        let mut line = String::new();
        if is_answered {
            output.read_line(&mut line).unwrap();
        }
        line
    };
    let client = json!({ "name": "test", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    ask(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }), true);
    ask(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }), false);
    let mut list = |id: u64| {
        let call = json!({ "name": "available", "arguments": {} });
        ask(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call }), true)
    };
    list(2);
    let before = (first.requests().len(), second.requests().len());
    assert!(before.0 > 0 && before.1 == 0, "{before:?}");
    fs::write(&path, new.pem()).unwrap();
    list(3);
    let after = (first.requests().len(), second.requests().len());
    assert!(after.0 == before.0 && after.1 > 0, "{before:?} {after:?}");
    mcp.kill().unwrap();
    mcp.wait().unwrap();
}

fn status(client_addr: &str, certificates: &Value) -> Value {
    let mut node = json!({ "id": 1, "role": "leader", "peerAddr": "127.0.0.1:1", "clientAddr": client_addr, "lag": 0,
        "lastSeenMs": null, "thisNode": true });
    if !certificates.is_null() {
        node["certificates"] = certificates.clone();
    }
    json!({ "clusterId": ID, "nodeId": 1, "version": env!("CARGO_PKG_VERSION"), "leader": 1, "term": 1, "committed": 1,
        "applied": 1, "stateHash": "0", "healthy": true, "toleratesLosses": 0, "nodes": [node],
        "timestamp": "2026-01-31T12:00:00Z" })
}

/// Doctor's findings about certificates: the state and the message of each check whose name begins so.
fn found_by_doctor(
    config: ServerConfig,
    authority: &Authority,
    certificates: &Value,
) -> Vec<(String, String)> {
    let now = "2026-01-31T12:00:00Z";
    let checks = json!({ "raft": { "status": "healthy", "latencyMs": 0, "role": "leader", "leader": 1, "term": 1, "lag": 0 },
        "storage": { "status": "healthy", "latencyMs": 0 } });
    let server = server(config)
        .on("GET /health/live", bare(200, &json!({ "status": "alive", "timestamp": now })))
        .on("GET /health/ready", bare(200, &json!({ "status": "ready", "checks": checks, "timestamp": now })))
        .on("GET /cluster/status", data(status("127.0.0.1:1", certificates)));
    let (ana, _) = person_with(authority, &[server.url()]);
    let found = ana.types("doctor --json --ca ca.crt").json();
    let checks = found["checks"].as_array().unwrap().clone();
    let text = |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
    checks
        .iter()
        .filter(|check| text(check, "name").starts_with("certificate"))
        .map(|check| (text(check, "status"), text(check, "message")))
        .collect()
}

#[test]
fn doctor_warns_of_certificates_that_end_soon() {
    let authority = Authority::named("Nexus CA");
    for (days, state) in [(300, "ok"), (10, "warning"), (2, "bad")] {
        let config = authority.server(&["127.0.0.1"], -1..days);
        let found = found_by_doctor(config, &authority, &Value::Null);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == state && found[0].1.starts_with("ends "), "{days}: {found:?}");
    }
}

#[test]
fn doctor_looks_at_the_certificates_of_the_members() {
    let authority = Authority::named("Nexus CA");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let certificate = |days: u64, name: String| {
        json!({ "names": [name], "subject": "CN=node 1", "issuer": "CN=Nexus CA", "serial": format!("{days:02x}"),
            "notBefore": 0, "notAfter": now + days * 86_400 + 60 })
    };
    let node = format!("nexus://{ID}/node");
    let well = json!({ "peers": certificate(90, format!("{node}/1")), "authorities": [certificate(900, "ca".to_owned())] });
    let found = found_by_doctor(authority.local(), &authority, &well);
    assert!(found[1].0 == "ok" && found[1].1.starts_with("of the members; the first ends "), "{found:?}");
    let ill = json!({ "peers": certificate(10, node), "authorities": [certificate(1, "ca".to_owned())] });
    let found = found_by_doctor(authority.local(), &authority, &ill);
    let states: Vec<&str> = found.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["ok", "warning", "bad", "warning"], "{found:?}");
    assert!(found[1].1.starts_with("the certificate of node 1 for peers ends "), "{found:?}");
    assert!(found[2].1.starts_with("the authority CN=node 1 of node 1 ends "), "{found:?}");
    assert!(found[3].1.starts_with("that of node 1 for peers names no node"), "{found:?}");
}
