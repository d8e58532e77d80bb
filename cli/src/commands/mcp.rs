//! `nexus mcp`: the tools of Nexus for one agent, over stdin and stdout. Acts as the agent that started it,
//! whichever server answers.

use crate::{
    answer::Answer,
    client,
    commands::feature::{pick, step},
    context::Context,
    error::{Error, Report},
};
use clap::Args;
use futures::future::BoxFuture;
use nexus_api_types::{feature::Feature, session::SessionOf};
use nexus_mcp::{Failure, Method, Port, Request, Server, SessionUse, transport};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Serve the tools of Nexus to an agent, over the Model Context Protocol
///
/// The agent's host starts it and talks to it on stdin and stdout; nexus install writes the configuration for that. It
/// acts as the agent that started it, in the project of the folder that it runs in.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus mcp
  claude mcp add nexus -- nexus mcp
  codex mcp add nexus -- nexus mcp")]
pub(crate) struct Mcp {}

/// Requests that wait at most: hosts send few at once.
const WAITING: usize = 16;

/// A request of a tool, with a channel for the answer.
enum PortRequest {
    Send(Request, oneshot::Sender<Result<Value, Failure>>),
    Session(oneshot::Sender<Result<Option<Uuid>, Failure>>),
}

/// Passes the requests of tools on to the loop that has the context.
struct RequestPort(mpsc::Sender<PortRequest>);

impl RequestPort {
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> PortRequest,
    ) -> Result<T, Failure> {
        let gone =
            || Failure::Other("nexus mcp is about to end, since its host closed the connection".to_owned());
        let (sender, receiver) = oneshot::channel();
        self.0.send(request(sender)).await.map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }
}

impl Port for RequestPort {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(self.ask(|sender| PortRequest::Send(request, sender)))
    }

    fn session(&self) -> BoxFuture<'_, Result<Option<Uuid>, Failure>> {
        Box::pin(self.ask(PortRequest::Session))
    }
}

impl Mcp {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let (requests, mut waiting) = mpsc::channel(WAITING);
        let mut serving =
            transport::serve_stdio(Server::new(RequestPort(requests), env!("CARGO_PKG_VERSION")));
        let mut context = context.reloaded()?;
        loop {
            tokio::select! {
                ended = &mut serving => return ended.map_err(Error::local),
                Some(request) = waiting.recv() => answer(&mut context, request).await,
            }
        }
    }
}

/// Answers one request. If its tool is gone, the answer is dropped.
async fn answer(context: &mut Context<'_>, request: PortRequest) {
    // Each request has the whole time, and belongs to the present run of the host: a host that resumes another run
    // keeps this process.
    context.client.restart_timeout();
    context.forget_actor();
    let context = &*context;
    match request {
        PortRequest::Send(request, sender) => {
            let _ = sender.send(send(context, request).await.map_err(|error| failure(context, error)));
        }
        PortRequest::Session(sender) => {
            let _ = sender.send(acting_session(context).await.map_err(|error| failure(context, error)));
        }
    }
}

/// The session that acts: that of the run, or else the default session of the engineer, if there is one.
async fn acting_session(context: &Context<'_>) -> Result<Option<Uuid>, Error> {
    let project = context.project().await?;
    if let Some(id) = context.session_for_work(project).await? {
        return Ok(Some(id));
    }
    let active = client::Request::get(format!("/projects/{project}/sessions/active"));
    let active: Vec<SessionOf> = context.client.send(active).await?.parse()?;
    let me = context.me().await?;
    let is_default = |found: &&SessionOf| found.engineer.id == me && found.session.agent.is_none();
    Ok(active.iter().find(is_default).map(|found| found.session.id))
}

async fn send(context: &Context<'_>, request: Request) -> Result<Value, Error> {
    let project = context.project().await?;
    match request.session {
        SessionUse::IfAny => context.previous_session(project).await?,
        SessionUse::Required => context.session_for_work(project).await?,
    };
    let path = format!("/projects/{project}{}", request.path);
    let sent = match request.method {
        Method::Get => client::Request::get(path),
        Method::Post => client::Request::post(path),
        Method::Delete => client::Request::delete(path),
    };
    let sent = sent.query("limit", request.limit);
    let sent = match &request.body {
        Some(body) => sent.body(body),
        None => sent,
    };
    let answer = match request.session {
        SessionUse::IfAny => context.client.send(sent).await?,
        SessionUse::Required => context.send_in_session(project, sent).await?,
    };
    if request.session == SessionUse::Required {
        context.keep_session_alive(project);
    }
    if request.method == Method::Post {
        lay_out(context, project, &request.path, &answer).await;
    }
    Ok(answer.data().clone())
}

/// Does in the repository what the command of the same name does: a feature that is picked is laid out, and one that
/// is over is cleared away. A failure is not reported, since the step is taken in any case.
async fn lay_out(context: &Context<'_>, project: Uuid, path: &str, answer: &Answer) {
    let words: Vec<&str> = path.split('/').collect();
    match words[..] {
        ["", "features", "pick-next"] | ["", "features", _, "pick"] => {
            let _ = pick::lay_out(context, project, answer).await;
        }
        ["", "features", _, "done" | "release"] => {
            if let Ok(feature) = answer.parse::<Feature>() {
                let _ = step::clear_away(project, &feature.slug);
            }
        }
        _ => {}
    }
}

fn failure(context: &Context<'_>, error: Error) -> Failure {
    match error {
        Error::Refused(refused) => Failure::Refused(Box::new(refused.body)),
        other => {
            let Report { message, lines, hints } = Report::new(&other, context.out.clock());
            let hints = hints.into_iter().map(|hint| format!("Next: {hint}"));
            Failure::Other([message].into_iter().chain(lines).chain(hints).collect::<Vec<_>>().join("\n"))
        }
    }
}
