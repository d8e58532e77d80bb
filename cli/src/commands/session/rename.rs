//! `nexus session rename`: a name for a session, by which people recognise it.

use crate::{client::Request, context::Context, error::Error, text::format};
use clap::Args;
use nexus_api_types::{
    engineer::Me,
    session::{Metadata, Session, SessionOf, StartSession},
};

/// The longest name, in characters: it is shown in every list.
const MAX_NAME: usize = 64;

/// Give the session that acts a name that others see
///
/// Its agent keeps its own name beside it. --session names another one of your sessions.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus session rename build
  nexus --session 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf session rename review")]
pub(crate) struct Rename {
    /// The name; an empty one takes it away
    #[arg(value_parser = name)]
    name: String,
}

fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() > MAX_NAME || text.contains(char::is_control) {
        return Err(format!("must be at most {MAX_NAME} characters, without control characters"));
    }
    Ok(text.to_owned())
}

impl Rename {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let id = context.session_for_work(project).await?;
        let active =
            context.client.send(Request::get(format!("/projects/{project}/sessions/active"))).await?;
        let sessions: Vec<SessionOf> = active.parse()?;
        let own = sessions.into_iter().find(|found| Some(found.session.id) == id).map(|found| found.session);
        let Some((session, agent)) = own.and_then(|own| own.agent.clone().map(|agent| (own, agent))) else {
            let message = "only a session of an agent or of a terminal has a name: you act as the engineer";
            return Err(Error::misused(message)
                .hint("nexus session list shows the sessions; --session ID names one of yours"));
        };
        let name = Some(self.name).filter(|name| !name.is_empty());
        // A server keeps what it knows where nothing at all is said.
        let client_version = Some(concat!("nexus/", env!("CARGO_PKG_VERSION")).to_owned());
        let metadata = Metadata { name, client_version, ..session.metadata };
        let body = StartSession { agent: Some(agent), metadata: Some(metadata), ..StartSession::default() };
        let rename = Request::post(format!("/projects/{project}/sessions")).body(&body);
        let answer = context.client.send(rename).await?;
        context.note_metadata(project, &answer.parse()?)?;
        let me: Me = context.client.send(Request::get("/auth/me")).await?.parse()?;
        context.out.answer(&answer, |session: Session| {
            let who = format::holder(&me.name, session.agent.as_deref(), &session.holder());
            context.out.line(format_args!("Others see {who}"))
        })
    }
}
