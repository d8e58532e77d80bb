//! `/mcp`: the tools of Nexus for agents, over streamable HTTP. Every tool sends requests to this node's own routes
//! with the key of the agent that called it, so that keys, roles, limits and forwarding are those of the contract. No
//! state is kept between two messages, so any node can answer the next one.

use crate::{
    api::Api,
    brief::Brief,
    failure::ApiError,
    rate_limits::{RemoteAddr, known_engineer},
};
use axum::{
    Router,
    body::{self, Body},
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use nexus_api_types::{
    Code, Failure as Refused, header as names,
    project::Project,
    session::{Session, StartSession},
};
use nexus_domain::ProjectId;
use nexus_mcp::{self as mcp, transport::HttpLimits};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::ServiceExt;
use uuid::Uuid;

/// Bytes of an answer that a tool reads at most. The longest one is that of a pick of 10,000 paths, with 8 MiB; lists
/// are requested without specs.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

const ROUTE: &str = "/mcp";

/// The route, in front of the others. It has neither streams to open by `GET` nor sessions to end by `DELETE`.
pub(crate) fn route(api: Api, routes: Router) -> Router {
    let not_allowed = || async { ApiError::new(Code::MethodNotAllowed, "messages are sent by POST") };
    Router::new().route(ROUTE, post(serve).fallback(not_allowed)).with_state(Mcp { api, routes })
}

/// Whether requests of this route send requests to other routes.
pub(crate) fn is_tools(route: &str) -> bool {
    route == ROUTE
}

#[derive(Clone)]
struct Mcp {
    api: Api,
    routes: Router,
}

/// The query of the address in a host's configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentQuery {
    /// The slug or id of the project. Optional for an engineer with one project.
    project: Option<String>,
    /// The name of the agent, which distinguishes several agents of one engineer.
    agent: Option<String>,
}

async fn serve(
    State(mcp): State<Mcp>,
    who: Result<Query<AgentQuery>, QueryRejection>,
    request: Request,
) -> Response {
    // A misspelt `agent` would give two agents one session.
    let Query(who) = match who {
        Ok(who) => who,
        Err(rejection) => return ApiError::field("query", rejection.body_text()).into_response(),
    };
    match Caller::new(&mcp, who.agent, &request).of_project(who.project.as_deref()).await {
        Ok(caller) => {
            let server = mcp::Server::new(caller, env!("CARGO_PKG_VERSION"));
            let limits = HttpLimits {
                body_bytes: crate::bodies::MAX_BODY,
                allowed_origins: mcp.api.config.allowed_origins.clone(),
            };
            let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
            mcp::transport::answer(server, limits, request).await.into_response()
        }
        Err(response) => response,
    }
}

/// The header with the client's address behind a proxy.
const FORWARDED_FOR: &str = "x-forwarded-for";

fn chosen(named: Option<&str>, projects: &[Project]) -> Result<Uuid, ApiError> {
    let slugs = || projects.iter().map(|project| project.slug.as_str()).collect::<Vec<_>>().join(", ");
    match (named, projects) {
        (Some(named), _) => {
            let is_it = |project: &&Project| project.slug == named || project.id.to_string() == named;
            let found = projects.iter().find(is_it).map(|project| project.id);
            found.ok_or_else(|| {
                ApiError::field("project", format_args!("{named:.100} is not among yours: {}", slugs()))
            })
        }
        (None, [only]) => Ok(only.id),
        (None, []) => {
            Err(ApiError::field("project", "you are in no project yet: ask a lead to add you to one"))
        }
        (None, _) => Err(ApiError::field(
            "project",
            format_args!("name one of yours in the address, as in /mcp?project=SLUG: {}", slugs()),
        )),
    }
}

fn internal_error(failure: &mcp::Failure) -> Response {
    ApiError::internal(&format_args!("{failure:?}")).into_response()
}

/// The agent of one message.
struct Caller {
    api: Api,
    routes: Router,
    headers: HeaderMap,
    remote: Option<RemoteAddr>,
    project: Uuid,
    agent: Option<String>,
    /// The session of the named agent, once it was requested.
    session: OnceCell<Uuid>,
}

impl Caller {
    fn new(mcp: &Mcp, agent: Option<String>, request: &Request) -> Self {
        let kept = |name: HeaderName| request.headers().get(&name).map(|value| (name, value.clone()));
        let ours = [names::SESSION, names::REQUEST_ID, FORWARDED_FOR].map(HeaderName::from_static);
        let headers = [header::AUTHORIZATION].into_iter().chain(ours);
        Self {
            api: mcp.api.clone(),
            routes: mcp.routes.clone(),
            headers: headers.filter_map(kept).collect(),
            remote: request.extensions().get().copied(),
            project: Uuid::nil(),
            agent,
            session: OnceCell::new(),
        }
    }

    /// Sets the project that the agent works in. This verifies the key, too.
    async fn of_project(mut self, named: Option<&str>) -> Result<Self, Response> {
        let projects =
            self.ask(Method::GET, "/api/projects", None).await.map_err(|failure| internal_error(&failure))?;
        if projects.status() != StatusCode::OK {
            return Err(projects);
        }
        let projects: Vec<Project> = data(projects).await.map_err(|failure| internal_error(&failure))?;
        self.project = chosen(named, &projects).map_err(IntoResponse::into_response)?;
        Ok(self)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, mcp::Failure> {
        // Agents choose parts of the path, and none may make this panic.
        let uri = path.parse().map_err(|_| {
            mcp::Failure::Other(format!(
                "{path:.100} cannot be requested\nNext: correct the name, and call the tool again"
            ))
        })?;
        let mut request = Request::new(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
        if method == Method::GET {
            request.extensions_mut().insert(Brief);
        }
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(id) = self.session.get() {
            let id = HeaderValue::from_str(&id.to_string()).expect("a UUID is a header value");
            request.headers_mut().insert(names::SESSION, id);
        }
        if let Some(remote) = self.remote {
            request.extensions_mut().insert(remote);
        }
        let Ok(response) = self.routes.clone().oneshot(request).await;
        Ok(response)
    }

    /// The default session of the engineer, which acts for an agent without a name. This node has it if it exists: each
    /// message begins with a read of the latest state.
    fn default_session(&self) -> Option<Uuid> {
        let local = self.api.cluster.local();
        let engineer = known_engineer(local.state(), &self.headers)?;
        let session = local.state().session_of(ProjectId(self.project), engineer, None)?;
        Some(session.id.0)
    }

    /// Starts or finds the session of the named agent.
    async fn act_as_agent(&self) -> Result<(), mcp::Failure> {
        let Some(agent) = self.agent.clone().filter(|_| !self.headers.contains_key(names::SESSION)) else {
            return Ok(());
        };
        let start = || async {
            let body = StartSession { agent: Some(agent), ..StartSession::default() };
            let body = serde_json::to_value(body).expect("types of the wire are JSON");
            let path = format!("/api/projects/{}/sessions", self.project);
            Ok(data::<Session>(self.ask(Method::POST, &path, Some(&body)).await?).await?.id)
        };
        self.session.get_or_try_init(start).await.map(drop)
    }
}

/// Sends the requests of tools to the node's own routes.
impl mcp::Port for Caller {
    fn send(&self, request: mcp::Request) -> BoxFuture<'_, Result<Value, mcp::Failure>> {
        Box::pin(async move {
            self.act_as_agent().await?;
            let method = match request.method {
                mcp::Method::Get => Method::GET,
                mcp::Method::Post => Method::POST,
                mcp::Method::Delete => Method::DELETE,
            };
            let limit = request.limit.map_or(String::new(), |limit| format!("?limit={limit}"));
            let path = format!("/api/projects/{}{}{limit}", self.project, request.path);
            data(self.ask(method, &path, request.body.as_ref()).await?).await
        })
    }

    fn tool_permit(&self) -> BoxFuture<'_, Result<mcp::ToolPermit, mcp::Failure>> {
        Box::pin(async move {
            let again =
                |why: &str| mcp::Failure::Other(format!("{why} on this node\nNext: call the tool again"));
            // The key was verified before, so this node has it, unless it was revoked since.
            let engineer = known_engineer(self.api.cluster.local().state(), &self.headers);
            let engineer = engineer.ok_or_else(|| again("the API key is no longer known"))?;
            let permit = self.api.concurrency.tool_permit(engineer).await.map_err(again)?;
            Ok(mcp::ToolPermit::new(permit))
        })
    }

    fn session(&self) -> BoxFuture<'_, Result<Option<Uuid>, mcp::Failure>> {
        Box::pin(async move {
            self.act_as_agent().await?;
            let given = self.headers.get(names::SESSION).and_then(|id| id.to_str().ok()?.parse().ok());
            Ok(self.session.get().copied().or(given).or_else(|| self.default_session()))
        })
    }
}

/// The data in an answer's envelope.
async fn data<T: DeserializeOwned>(response: Response) -> Result<T, mcp::Failure> {
    let odd = |what: &str| {
        mcp::Failure::Other(format!("the node's answer {what}\nNext: tell an engineer what this says"))
    };
    let is_good = response.status().is_success();
    // The extensions hold the reservation of the answer, which is given back after it was read.
    let (_parts, body) = response.into_parts();
    let bytes = body::to_bytes(body, MAX_ANSWER).await.map_err(|_| odd("is longer than a tool can read"))?;
    if is_good {
        let envelope: nexus_api_types::Data<T> =
            serde_json::from_slice(&bytes).map_err(|error| odd(&format!("is not understood: {error}")))?;
        return Ok(envelope.data);
    }
    let refused: Refused = serde_json::from_slice(&bytes)
        .map_err(|error| odd(&format!("is an error of unknown form: {error}")))?;
    Err(mcp::Failure::Refused(Box::new(refused.error)))
}

#[cfg(test)]
mod field_names;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        concurrency::MAX_TOOLS_OF_ENGINEER,
        service::router,
        sockets::tests::stage::{ANA, Stage},
    };
    use nexus_domain::EngineerId;
    use serde_json::json;

    fn calls(key: &str, tool: &str, arguments: &Value) -> Request {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        Request::post(ROUTE)
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(Body::from(message.to_string()))
            .unwrap()
    }

    async fn answered(service: Router, request: Request) -> Value {
        let answer = service.oneshot(request).await.unwrap();
        serde_json::from_slice(&body::to_bytes(answer.into_body(), MAX_ANSWER).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn tools_that_list_features_read_no_spec() {
        let stage = Stage::set();
        let key = stage.key(ANA, 1);
        let touches: Vec<String> = (0..100).map(|number| format!("src/{number}.rs")).collect();
        stage.ready_feature(1, "one", &touches);
        stage.ready_feature(1, "two", &["docs/".to_owned()]);
        let service = router(stage.api());
        answered(service.clone(), calls(&key, "pick", &json!({ "featureSlug": "two" }))).await;
        let before = stage.documents();
        let listed = answered(service.clone(), calls(&key, "available", &json!({}))).await;
        let free = &listed["result"]["structuredContent"]["free"];
        assert_eq!(free[0]["slug"], "one", "{listed}");
        assert_eq!(free[0]["touches"].as_array().map(Vec::len), Some(50), "{listed}");
        let status = answered(service, calls(&key, "status", &json!({}))).await;
        let content = &status["result"]["structuredContent"];
        assert_eq!(content["activeFeatures"][0]["slug"], "two", "{status}");
        assert_eq!(content["mine"][0]["filePath"], "docs/", "{status}");
        assert_eq!(stage.documents(), before);
    }

    #[tokio::test]
    async fn a_pick_of_what_is_mine_says_so_and_a_second_one_needs_also() {
        let stage = Stage::set();
        let key = stage.key(ANA, 1);
        for slug in ["one", "two"] {
            stage.ready_feature(1, slug, &[format!("{slug}.rs")]);
        }
        let service = router(stage.api());
        let pick = |arguments: Value| answered(service.clone(), calls(&key, "pick", &arguments));
        let first = pick(json!({ "featureSlug": "one" })).await;
        assert_eq!(first["result"]["structuredContent"]["message"], Value::Null, "{first}");
        // No agent is named, so that the default session of the engineer acts.
        let again = pick(json!({ "featureSlug": "one" })).await;
        let content = &again["result"]["structuredContent"];
        assert_eq!(content["message"], "you already work on one: nothing has changed", "{again}");
        assert_eq!(content["claims"], first["result"]["structuredContent"]["claims"], "{again}");
        assert_eq!(content["spec"], "spec", "{again}");
        for arguments in [json!({}), json!({ "featureSlug": "two" })] {
            let refused = pick(arguments).await;
            let text = refused["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.starts_with("you already work on one") && text.contains("also: true"), "{text}");
        }
        let second = pick(json!({ "also": true })).await;
        assert_eq!(second["result"]["structuredContent"]["slug"], "two", "{second}");
    }

    #[tokio::test]
    async fn a_tool_whose_client_is_gone_keeps_its_permit_until_it_is_done() {
        let stage = Stage::set();
        let key = stage.key(ANA, 1);
        stage.ready_feature(1, "one", &["a".to_owned()]);
        let api = stage.api();
        let tools = api.concurrency.tool_permits_of(EngineerId(Uuid::from_u128(ANA)));
        stage.proposals.close();
        let picks = calls(&key, "pick", &json!({ "featureSlug": "one" }));
        let asking = tokio::spawn(router(api.clone()).oneshot(picks));
        stage.proposals.reached(1).await;
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        assert_eq!(tools.available_permits(), MAX_TOOLS_OF_ENGINEER - 1);
        stage.proposals.open();
        let all = u32::try_from(MAX_TOOLS_OF_ENGINEER).unwrap();
        assert!(tools.acquire_many(all).await.is_ok());
    }

    #[tokio::test]
    async fn a_stream_that_nobody_serves_is_refused_without_a_read() {
        let stage = Stage::set();
        let key = stage.key(ANA, 1);
        let api = stage.api();
        let engineer = EngineerId(Uuid::from_u128(ANA));
        let mut reads = Vec::new();
        for _ in 0..crate::concurrency::MAX_READS_OF_ENGINEER {
            reads.push(api.concurrency.read_permit(engineer).await.unwrap());
        }
        let opens = Request::get(ROUTE).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let refused = router(api).oneshot(opens.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[header::ALLOW], "POST");
    }
}
