//! A server that gives prepared answers and records its requests, and the binary that sends them.
//! Each test has its own servers, home folder and repository, and shares nothing.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

pub mod certificates;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// Any valid id.
pub const ID: &str = "019a0000-0000-7000-8000-000000000001";
/// An id that is different from [`ID`].
pub const OTHER: &str = "019a0000-0000-7000-8000-000000000002";
/// A key of the right format.
pub const KEY: &str = "nexus_eng_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A request to the server.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method, and the path with its query: `POST /api/projects?limit=1`.
    pub line: String,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The JSON body; null without one.
    pub body: Value,
}

impl RecordedRequest {
    /// A header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer of the server.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<String>,
    body: String,
}

/// An answer of 200 with this `data`.
pub fn data(data: Value) -> Reply {
    Reply {
        status: 200,
        headers: vec!["x-nexus-revision: 42".to_owned()],
        body: json!({ "data": data }).to_string(),
    }
}

/// An answer with an error body of this status, code and message.
pub fn failure(status: u16, code: &str, message: &str, details: Value) -> Reply {
    let error = json!({ "code": code, "message": message, "details": details, "requestId": "req-1" });
    Reply { status, headers: Vec::new(), body: json!({ "error": error }).to_string() }
}

/// An answer without an envelope, as health has.
pub fn bare(status: u16, body: &Value) -> Reply {
    Reply { status, headers: Vec::new(), body: body.to_string() }
}

/// A 503, as without a leader or a quorum.
pub fn unavailable(outcome: &str) -> Reply {
    failure(503, "SERVICE_UNAVAILABLE", "no leader", json!({ "outcome": outcome }))
}

impl Reply {
    /// The same answer with one more header.
    pub fn with(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }
}

type Answers = BTreeMap<String, VecDeque<Reply>>;

/// An HTTP server on a free port that answers from a script.
pub struct Server {
    address: String,
    answers: Arc<Mutex<Answers>>,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl Server {
    /// Starts a server without prepared answers.
    pub fn start() -> Self {
        Self::start_as(None)
    }

    /// Starts a server that speaks TLS alone, with this certificate.
    pub fn start_tls(config: ServerConfig) -> Self {
        Self::start_as(Some(Arc::new(config)))
    }

    fn start_as(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (answers, requests) =
            (Arc::<Mutex<Answers>>::default(), Arc::<Mutex<Vec<RecordedRequest>>>::default());
        let (known, noted) = (answers.clone(), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client may disconnect, or not accept the certificate.
                let _ = match &tls {
                    None => serve(stream, &known, &noted),
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).unwrap();
                        serve(StreamOwned::new(connection, stream), &known, &noted)
                    }
                };
            }
        });
        Self { address, answers, requests }
    }

    /// Prepares an answer to a request such as `POST /path`, after those that were prepared before. The last
    /// one is repeated.
    pub fn on(self, request: &str, reply: Reply) -> Self {
        self.answers.lock().unwrap().entry(request.to_owned()).or_default().push_back(reply);
        self
    }

    /// The address to give to `--server`.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    pub fn only_request(&self) -> RecordedRequest {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests[0].clone()
    }
}

fn serve(
    mut stream: impl Read + Write,
    answers: &Mutex<Answers>,
    noted: &Mutex<Vec<RecordedRequest>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let route = request.split('?').next().unwrap_or_default().replacen(" /api", " ", 1);
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    noted.lock().unwrap().push(RecordedRequest { line: request, headers, body });
    let reply = match answers.lock().unwrap().get_mut(&route) {
        Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
        Some(queue) => queue[0].clone(),
        None => failure(404, "NOT_FOUND", &format!("the mock knows no {route}"), Value::Null),
    };
    let Reply { status, headers, body } = reply;
    let extra: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{extra}\r\n{body}"
    )?;
    stream.flush()
}

/// A server that accepts connections and never answers, as a process that hangs does.
pub struct Hung {
    address: String,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Hung {
    /// Starts a server that accepts connections and reads nothing.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::<Mutex<Vec<TcpStream>>>::default();
        let held = connections.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                held.lock().unwrap().push(stream);
            }
        });
        Self { address, connections }
    }

    /// The address to give to `--server`.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// How many connections it has accepted.
    pub fn requests(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// All bytes that the client sent on the first connection, as text.
    pub fn first_request(&self) -> String {
        let mut stream = self.connections.lock().unwrap()[0].try_clone().unwrap();
        let mut text = Vec::new();
        // The client has closed its end by now.
        let _ = stream.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }
}

/// Addresses without a server: their ports are reserved, so that no other test gets them.
pub const NOBODY: &str = "http://127.0.0.1:1";
pub const NOBODY_ELSE: &str = "http://127.0.0.1:2";

/// A person at a machine, with a home folder, and a repository as the current folder.
pub struct Person {
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Fails unless the command succeeded.
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }
}

impl Person {
    /// A person who has not logged in.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // This makes the folder a repository for `nexus`, but not for Git.
        for part in ["objects", "refs"] {
            fs::create_dir_all(folder.path().join("repository/.git").join(part)).unwrap();
        }
        fs::write(folder.path().join("repository/.git/HEAD"), "").unwrap();
        fs::create_dir_all(folder.path().join("repository/src/deep")).unwrap();
        Self { folder }
    }

    /// A person who is logged in, in a linked repository.
    pub fn at_work(servers: &[&str]) -> Self {
        let person = Self::new();
        fs::create_dir(person.folder.path().join("home")).unwrap();
        fs::write(person.config(), json!({ "token": KEY, "servers": servers }).to_string()).unwrap();
        fs::write(person.link(), json!({ "projectId": ID, "projectSlug": "billing" }).to_string()).unwrap();
        person
    }

    /// The file that login writes.
    pub fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("home/config.json")
    }

    /// The file that names the project.
    pub fn link(&self) -> std::path::PathBuf {
        self.repository().join(".nexus.json")
    }

    /// The root of the repository.
    pub fn repository(&self) -> std::path::PathBuf {
        self.folder.path().join("repository")
    }

    /// The content of the login file.
    pub fn saved(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.config()).unwrap()).unwrap()
    }

    /// Types a command in the root of the repository.
    pub fn types(&self, line: &str) -> Ended {
        self.types_in(&self.repository(), line, "")
    }

    /// Types a command in the root of the repository, with this variable in its environment.
    pub fn types_with(&self, variable: (&str, &str), line: &str) -> Ended {
        self.run(&self.repository(), &[variable], line, "")
    }

    /// Types a command in a folder, with this text as its standard input. `'` keeps words together.
    pub fn types_in(&self, folder: &Path, line: &str, stdin: &str) -> Ended {
        self.run(folder, &[], line, stdin)
    }

    fn run(&self, folder: &Path, variables: &[(&str, &str)], line: &str, stdin: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nexus"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("NEXUS_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(line.split('\'').enumerate().flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            }))
            .current_dir(folder)
            .env("NEXUS_HOME", self.folder.path().join("home"))
            // The tests may be run by an agent, or at a terminal.
            .env("NEXUS_SESSION", "none")
            .env("TZ", "UTC")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A project on the wire.
pub fn project(slug: &str, id: &str) -> Value {
    json!({ "id": id, "name": slug.to_uppercase(), "slug": slug, "repoUrl": null, "repoPath": null, "defaultBranch": "main",
        "createdAt": "2026-01-31T12:00:00.000Z", "updatedAt": "2026-01-31T12:00:00.000Z" })
}

/// A feature on the wire.
pub fn feature(slug: &str, status: &str) -> Value {
    json!({ "id": ID, "projectId": ID, "slug": slug, "title": "The API", "spec": "Line one\nLine two", "status": status,
        "lane": "next", "priority": 3, "touches": ["src/db.rs"], "createdBy": ID, "claimedBy": null, "claimedAt": null,
        "completedAt": null, "createdAt": "2025-01-31T12:00:00.000Z", "updatedAt": "2025-01-31T12:00:00.000Z",
        "sessionId": null, "agent": null, "fence": null, "dependsOn": [], "reads": [], "interruptedAt": null })
}

/// The same feature, held.
pub fn held(slug: &str) -> Value {
    let mut feature = feature(slug, "active");
    feature["claimedBy"] = json!(ID);
    feature["claimedAt"] = json!("2025-01-31T14:02:00.000Z");
    feature["agent"] = json!("build");
    feature["sessionId"] = json!(OTHER);
    feature["fence"] = json!(1234);
    feature
}

/// A claim on the wire.
pub fn claim(path: &str, mode: &str) -> Value {
    json!({ "filePath": path, "projectId": ID, "engineerId": ID, "engineerName": "ana", "featureId": ID,
        "claimedAt": "2025-01-31T14:02:00.000Z", "expiresAt": "2025-01-31T16:02:00.000Z", "sessionId": OTHER, "agent": "build",
        "mode": mode, "fence": 1234 })
}

/// An engineer as they see themselves.
pub fn me() -> Value {
    json!({ "id": ID, "name": "ana", "email": "ana@example.com", "role": "engineer" })
}

/// A page that is the whole list.
pub fn page(items: &[Value]) -> Reply {
    data(json!({ "items": items, "nextCursor": null, "hasMore": false }))
}

/// A learning on the wire.
pub fn learning(content: &str) -> Value {
    json!({ "id": ID, "featureId": ID, "engineerId": ID, "engineerName": "ana", "content": content,
        "createdAt": "2025-01-31T14:02:00.000Z" })
}

/// A decision on the wire.
pub fn decision(title: &str) -> Value {
    json!({ "id": ID, "projectId": ID, "featureId": ID, "featureSlug": "api", "engineerId": ID, "engineerName": "ana",
        "title": title, "decision": "In cents", "rationale": "Floats lie", "alternatives": null, "supersedes": null,
        "createdAt": "2025-01-31T14:02:00.000Z" })
}
