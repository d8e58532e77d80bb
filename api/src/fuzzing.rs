//! The fuzz targets of this crate, for tests/fuzz and for the unit tests below: everything that a client sends.

use crate::{
    page, router,
    sockets::{
        message,
        tests::stage::{ANA, Stage},
    },
};
use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use http_body_util::{BodyExt, Limited};
use nexus_api_types::{
    ErrorBody, Failure,
    body::{Body as Fields, Fields as Read},
    change_plan, checkpoint, claim, cluster, engineer, feature, knowledge, project, roadmap, session,
};
use nexus_domain::{ProjectId, State};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use uuid::Uuid;

/// Reads a body as one type.
type ReadBody = fn(Read) -> Result<(), nexus_api_types::body::Problems>;

/// Every body of a request. The first byte of an input of [`body`] chooses one.
const BODIES: [ReadBody; 28] = [
    read::<change_plan::PlanChange>,
    read::<checkpoint::SaveCheckpoint>,
    read::<claim::ClaimPaths>,
    read::<claim::RefreshClaims>,
    read::<claim::ReleasePaths>,
    read::<claim::ForceRelease>,
    read::<claim::CheckPaths>,
    read::<claim::ClaimHistory>,
    read::<cluster::JoinRequest>,
    read::<cluster::CreateJoinToken>,
    read::<cluster::TransferLeader>,
    read::<cluster::ReplaceMember>,
    read::<cluster::Rebuild>,
    read::<cluster::Settings>,
    read::<engineer::Register>,
    read::<engineer::MintKey>,
    read::<engineer::ResetKey>,
    read::<engineer::ChangeRole>,
    read::<feature::CreateFeature>,
    read::<feature::UpdateFeature>,
    read::<feature::PickNext>,
    read::<knowledge::AddLearning>,
    read::<knowledge::AddDecision>,
    read::<project::UpdateProject>,
    read::<project::CreateProject>,
    read::<project::AddMember>,
    read::<roadmap::MoveFeature>,
    read::<session::StartSession>,
];

fn read<B: Fields>(fields: Read) -> Result<(), nexus_api_types::body::Problems> {
    fields.checked::<B>().map(drop)
}

/// The body of a request: it is read, or its problems are described, on one line and for programs.
///
/// # Panics
/// If a body is refused without a reason.
pub fn body(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let read = BODIES[usize::from(*choice) % BODIES.len()];
    if let Err(problems) = Read::parse(text).and_then(read) {
        let described = problems.to_string();
        assert!(!described.is_empty() && !described.contains(['\n', '\r']), "{described:?}");
        assert!(problems.details().as_object().is_some_and(|fields| !fields.is_empty()), "{described}");
    }
    let text = String::from_utf8_lossy(text).into_owned();
    let project = ProjectId(Uuid::nil());
    let query = HashMap::from([("cursor".to_owned(), text.clone()), ("limit".to_owned(), text)]);
    if let Ok(Some(place)) = page::board_place(project, &query) {
        let again = HashMap::from([("cursor".to_owned(), page::board_cursor(&place))]);
        assert!(page::board_place(project, &again).is_ok_and(|again| again == Some(place)));
    }
    if let Ok(Some(engineer)) = page::engineer_place(&query) {
        let again = HashMap::from([("cursor".to_owned(), page::engineer_cursor(engineer.0))]);
        assert!(page::engineer_place(&again).is_ok_and(|again| again == Some(engineer)));
    }
    assert!(
        page::limit(&query).is_ok_and(|limit| (1..=100).contains(&limit)) || page::limit(&query).is_err()
    );
}

/// A message of a WebSocket: it is refused with a reason, or written and read as the same one.
///
/// # Panics
/// If one of these properties does not hold.
pub fn socket(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match message::parse(&text) {
        Ok(request) => {
            let written = serde_json::to_string(&request).expect("a request is JSON");
            assert_eq!(message::parse(&written), Ok(request));
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
}

/// Requests, one after another, to a node without Raft and disk: each is answered, the errors in their form, and the
/// state keeps its invariants.
///
/// The requests are separated by a line `%%`. The first line of each has the method and the path, headers follow, and
/// after an empty line the body. They have Ana's key, unless one has another `authorization`.
///
/// # Panics
/// If a request is answered by 500, an error has another form, or an invariant is broken.
pub fn request(data: &[u8]) {
    /// Requests of one input.
    const MAX_REQUESTS: usize = 12;
    static NODE: OnceLock<Node> = OnceLock::new();
    let node = NODE.get_or_init(Node::new);
    let text = String::from_utf8_lossy(data);
    let requests: Vec<Request<Body>> =
        text.split("\n%%\n").take(MAX_REQUESTS).filter_map(|text| node.request(text)).collect();
    if requests.is_empty() {
        return;
    }
    node.stage.restore(node.begin.clone());
    for request in requests {
        let line = format!("{} {}", request.method(), request.uri());
        node.runtime.block_on(node.answer(request, &line));
        let kept = node.stage.state().check_invariants();
        assert!(kept.is_ok(), "{line}: {kept:?}");
    }
}

/// The node that gets all requests. Its state is made anew for each input; only the key stays verified.
struct Node {
    stage: Arc<Stage>,
    router: Router,
    runtime: Runtime,
    begin: State,
    key: String,
}

impl Node {
    fn new() -> Self {
        let stage = Stage::set();
        let key = stage.key(ANA, 1);
        stage.ready_feature(1, "first", &["src/a/".to_owned(), "src/*.rs".to_owned()]);
        stage.ready_feature(1, "second", &["src/a/db.rs".to_owned()]);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        Self { router: router(stage.api()), begin: stage.state(), stage, runtime, key }
    }

    /// A request from its text; none if it is no request, or one that a node without Raft cannot answer.
    fn request(&self, text: &str) -> Option<Request<Body>> {
        /// Routes about the node itself, which this one is too simple for, and those that hash keys for 20 ms.
        const LEFT_OUT: [&str; 5] = ["cluster", "health", "metrics", "register", "keys"];
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, path) = lines.next()?.split_once(' ')?;
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase();
        let is_home = !decoded.contains("/api/") && !decoded.contains("/mcp");
        if is_home || LEFT_OUT.iter().any(|part| decoded.contains(part)) {
            return None;
        }
        let mut request = Request::builder().method(method.parse::<Method>().ok()?).uri(path);
        let mut has_key = false;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            has_key |= name.eq_ignore_ascii_case("authorization");
            request = request.header(name, value.trim());
        }
        if !has_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        }
        request.body(Body::from(body.to_owned())).ok()
    }

    async fn answer(&self, request: Request<Body>, line: &str) {
        /// A long poll is left after this time.
        const LONGEST: Duration = Duration::from_millis(200);
        /// The longest answer that is looked at, in bytes.
        const MAX_ANSWER: usize = 1 << 20;
        let answering = async {
            let response = self.router.clone().oneshot(request).await.expect("the router answers everything");
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            (status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default())
        };
        let Ok((status, body)) = tokio::time::timeout(LONGEST, answering).await else { return };
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{line}: {}", body.escape_ascii());
        let is_api = line.split(' ').nth(1).is_some_and(|path| path.starts_with("/api"));
        let has_body = !line.starts_with("HEAD ");
        if is_api && has_body && (status.is_client_error() || status.is_server_error()) {
            let failure = serde_json::from_slice::<Failure>(&body);
            let is_described =
                failure.is_ok_and(|Failure { error: ErrorBody { message, .. }, .. }| !message.is_empty());
            assert!(is_described, "{line}: {status}: {}", body.escape_ascii());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BODIES;

    fn named<const N: usize>(seeds: [(&str, &str); N]) -> Vec<(String, Vec<u8>)> {
        seeds.map(|(name, text)| (name.to_owned(), text.into())).into()
    }

    #[test]
    fn bodies_pass_their_corpus() {
        let fields = [
            r#"{"change":"remove","node":3,"to":2,"old":1,"new":4,"replaces":2,"dryRun":true}"#,
            r#"{"slug":"billing-api","title":"The API","name":"Ana","email":"ana@example.com","spec":"text","lane":"now","priority":3,"touches":["src/api/","src/**/*.rs"],"reads":["docs/"],"dependsOn":["a"]}"#,
            r#"{"paths":["src/a.rs","src/[id]/*"],"mode":"shared","featureId":"0198c0de-0000-7000-8000-000000000001","reason":"why","withinSeconds":60,"at":"2026-01-31T12:00:00.000Z"}"#,
            r#"{"label":"ci","expiresInDays":30,"projectId":"0198c0de-0000-7000-8000-000000000001","readonly":true,"role":"lead","engineerId":"0198c0de-0000-7000-8000-000000000002"}"#,
            r#"{"context":{"b":1,"a":[null,true,{"c":"d"}]},"summary":"s","kind":"manual","content":"text","decision":"d","rationale":"r","alternatives":"a","tags":["x"]}"#,
            r#"{"agent":"build","metadata":{"hostname":"h","branch":"main","pid":7,"cwd":"/x"},"sessionTimeoutSeconds":300,"eventsKept":1000,"caseSensitive":false}"#,
        ];
        let mut seeds = Vec::new();
        for choice in 0..u8::try_from(BODIES.len()).expect("a choice is a byte") {
            let text = fields[usize::from(choice) % fields.len()];
            seeds.push((format!("body-{choice:02}"), [&[choice], text.as_bytes()].concat()));
        }
        seeds.push(("empty".to_owned(), vec![0]));
        seeds.push((
            "cursor".to_owned(),
            [&[0], hex::encode("b1.1.3.1764000000123.0198c0de-0000-7000-8000-000000000001").as_bytes()]
                .concat(),
        ));
        seeds.push(("limit".to_owned(), b"\x0050".to_vec()));
        nexus_corpora::pass("body", super::body, seeds);
    }

    #[test]
    fn messages_of_sockets_pass_their_corpus() {
        let seeds = named([
            ("join", r#"{"type":"join","projectId":"0198c0de-0000-7000-8000-000000000001","since":7}"#),
            ("join-slug", r#"{"type":"join","projectId":"billing-api","since":null}"#),
            ("heartbeat", r#"{"type":"heartbeat"}"#),
            ("leave", r#" {"more":[1.5e3,"\u00e9\ud83d\ude00"],"type":"leave"} "#),
        ]);
        nexus_corpora::pass("socket", super::socket, seeds);
    }

    #[test]
    fn requests_pass_their_corpus() {
        let seeds = named([
            ("me", "GET /api/auth/me\nx-nexus-session: none"),
            (
                "list",
                "GET /api/projects/project-1/features?limit=1&lane=now\n%%\nGET /api/projects/project-1/roadmap",
            ),
            (
                "create",
                "POST /api/projects/project-1/features\ncontent-type: application/json\nidempotency-key: k1\n\n\
                 {\"slug\":\"x\",\"title\":\"X\",\"touches\":[\"docs/\"],\"dependsOn\":[\"first\"]}\n%%\n\
                 PATCH /api/projects/project-1/features/x\n\n{\"priority\":2,\"lane\":\"now\"}\n%%\n\
                 GET /api/projects/project-1/features/x",
            ),
            (
                "work",
                "POST /api/projects/project-1/sessions\n\n{\"agent\":\"build\"}\n%%\n\
                 POST /api/projects/project-1/features/first/pick\n\n{}\n%%\n\
                 POST /api/projects/project-1/features/second/pick\n\n{}\n%%\n\
                 POST /api/projects/project-1/sessions/checkpoints\n\n{\"context\":{\"a\":1},\"summary\":\"s\"}\n%%\n\
                 POST /api/projects/project-1/features/first/done\n\n",
            ),
            (
                "claims",
                "POST /api/projects/project-1/claims\n\n{\"paths\":[\"src/b.rs\",\"src/[x]/*\"]}\n%%\n\
                 GET /api/projects/project-1/claims?path=src/b.rs\n%%\n\
                 POST /api/projects/project-1/claims/check\n\n{\"paths\":[\"src/b.rs\"]}\n%%\n\
                 DELETE /api/projects/project-1/claims\n\n{\"paths\":[\"src/b.rs\"]}",
            ),
            (
                "knowledge",
                "POST /api/projects/project-1/features/first/learnings\n\n{\"content\":\"text\"}\n%%\n\
                 POST /api/projects/project-1/decisions\n\n{\"title\":\"t\",\"decision\":\"d\"}\n%%\n\
                 GET /api/projects/project-1/decisions?limit=2\n%%\nGET /api/projects/project-1/events?since=1&limit=3",
            ),
            (
                "roadmap",
                "PATCH /api/projects/project-1/roadmap/second/lane\n\n{\"lane\":\"later\",\"priority\":1}\n%%\n\
                 DELETE /api/projects/project-1/features/second\n%%\nGET /api/projects/project-1/roadmap",
            ),
            (
                "tools",
                "POST /mcp?project=project-1&agent=a\ncontent-type: application/json\naccept: application/json, text/event-stream\n\n\
                 {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"nexus_status\",\"arguments\":{}}}",
            ),
            ("stranger", "GET /api/projects\nauthorization: Bearer nexus_eng_00"),
            ("nowhere", "OPTIONS /api/%ff/..%2f?consistency=stale\norigin: https://x.example"),
        ]);
        nexus_corpora::pass("request", super::request, seeds);
    }
}
