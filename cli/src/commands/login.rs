//! `nexus login`: saves an API key, new or known, and where the cluster is.

use crate::{
    answer::Answer, args::Global, client::Request, config::forgotten_keys, context::Context, error::Error,
    text::plain,
};
use clap::Args;
use nexus_api_types::engineer::{Me, Register, Registered};
use serde_json::{Value, json};
use std::io::Read;
use uuid::Uuid;

/// Register, or log in with an API key
///
/// The key is saved in ~/.nexus/config.json, readable by you alone, with the servers that were asked. It is shown
/// nowhere else, since the cluster keeps only its hash.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus login --register --name Ana --email ana@example.com
  nexus login --register -n Ana -e ana@example.com --server http://a:7401,http://b:7401
  nexus login --register -n Root -e root@example.com --bootstrap-token TOKEN
  nexus login --token nexus_eng_…
  nexus login --token - < key.txt
  nexus login --profile work --token nexus_eng_…   # beside the login that is there")]
pub(crate) struct Login {
    /// Make a new engineer with a key of their own
    #[arg(long, short, requires_all = ["name", "email"])]
    register: bool,
    /// Name that others see
    #[arg(long, short, requires = "register")]
    name: Option<String>,
    /// E-mail address, which no other engineer may have
    #[arg(long, short, requires = "register")]
    email: Option<String>,
    /// Token that makes the first admin; the first node keeps it in its data folder
    #[arg(long, value_name = "TOKEN", requires = "register")]
    bootstrap_token: Option<String>,
    /// API key, as --token
    #[arg(short = 't', value_name = "KEY", conflicts_with = "register")]
    key: Option<String>,
    /// Servers, as --server
    #[arg(short = 's', value_name = "URL,URL…")]
    servers: Option<String>,
}

impl Login {
    /// The flags of all commands, with those that this one has a short form of.
    pub(crate) fn complete(&self, global: Global) -> Global {
        Global {
            token: self.key.clone().or(global.token),
            server: self.servers.clone().or(global.server),
            ..global
        }
    }
}

/// A key read from stdin is cut off here: no key is longer than 100 characters.
const MAX_KEY_BYTES: u64 = 1_000;

impl Login {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match (self.name, self.email) {
            (Some(name), Some(email)) => {
                let who = Register { name, email, bootstrap_token: self.bootstrap_token };
                register(context, &who).await?.print(context)?;
            }
            _ => with_key(context).await?.print(context)?,
        }
        context.out.note("Next: nexus project list, then nexus project link SLUG in your repository");
        Ok(())
    }
}

/// The engineer who is logged in now.
pub(super) struct LoggedIn {
    /// The answers of the cluster.
    answer: Answer,
    id: Uuid,
    name: String,
    email: String,
    /// Whether the engineer registered or logged in, for the message.
    how: &'static str,
}

impl LoggedIn {
    /// The engineer as JSON, for programs.
    pub(super) fn engineer(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "email": self.email })
    }

    /// Prints the engineer's name and e-mail address.
    ///
    /// # Errors
    /// When the output was closed.
    pub(super) fn print(&self, context: &Context<'_>) -> Result<(), Error> {
        context.out.answer(&self.answer, |_: Value| {
            context.out.line(plain(&format!("{} {} <{}>", self.how, self.name, self.email)))
        })?;
        context.out.note(format_args!("The key is in {}", context.login_file.path().display()));
        Ok(())
    }
}

/// Makes an engineer, and saves their key.
///
/// # Errors
/// When an engineer is logged in already, or the cluster refuses it.
pub(super) async fn register(context: &Context<'_>, body: &Register) -> Result<LoggedIn, Error> {
    keep_the_only_key(context).await?;
    let answer = context.client.send(Request::post("/auth/register").body(body).anonymous()).await?;
    let Registered { engineer, api_key } = answer.parse()?;
    let (id, name, email) = (engineer.id, engineer.name, engineer.email);
    save(context, api_key, id, name.clone())?;
    Ok(LoggedIn { answer, id, name, email, how: "Registered" })
}

/// A saved key that still works may be the only copy: it is not overwritten by a new engineer's.
async fn keep_the_only_key(context: &Context<'_>) -> Result<(), Error> {
    let Some(key) = &context.login.token else { return Ok(()) };
    match context.client.send(Request::get("/auth/me").with_key(key)).await {
        Ok(answer) => {
            let me: Me = answer.parse()?;
            Err(Error::local(format!("you are logged in as {} <{}>", me.name, me.email)).hint(format!(
                "nexus logout frees {} and keeps a copy of that key; --profile NAME logs in beside it",
                context.login_file.path().display()
            )))
        }
        Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Logs in with the key that was given.
///
/// # Errors
/// When none was, or it does not work.
pub(super) async fn with_key(context: &Context<'_>) -> Result<LoggedIn, Error> {
    let given = context.given_token.clone().ok_or_else(|| {
        Error::misused("nexus login needs a key, or somebody to register")
            .hint("nexus login --token KEY, or nexus login --register -n NAME -e EMAIL")
    })?;
    let key = if given == "-" { key_from_stdin()? } else { given };
    save_key(context, key).await
}

/// Saves a key that works.
///
/// # Errors
/// When it does not, or cannot be saved.
pub(super) async fn save_key(context: &Context<'_>, key: String) -> Result<LoggedIn, Error> {
    let answer = context.client.send(Request::get("/auth/me").with_key(&key)).await?;
    let Me { id, name, email, .. } = answer.parse()?;
    save(context, key, id, name.clone())?;
    Ok(LoggedIn { answer, id, name, email, how: "Logged in as" })
}

fn key_from_stdin() -> Result<String, Error> {
    let mut text = String::new();
    let read = std::io::stdin().take(MAX_KEY_BYTES).read_to_string(&mut text);
    read.map_err(|error| Error::local(format!("cannot read the key from stdin: {error}")))?;
    let key = text.trim();
    if key.is_empty() {
        return Err(Error::misused("there is no key on stdin"));
    }
    Ok(key.to_owned())
}

fn save(context: &Context<'_>, key: String, id: Uuid, name: String) -> Result<(), Error> {
    // It may be the only copy, of another engineer or of another cluster.
    if let Some(former) = context.login.token.as_deref().filter(|former| *former != key) {
        let whose = context.login.engineer_name.as_deref().unwrap_or_default();
        let kept = forgotten_keys::keep(whose, former)?;
        context.out.note(format_args!("The key that was saved before is kept in {}", kept.display()));
    }
    let mut saved = context.login.clone();
    saved.token = Some(key.clone());
    saved.engineer_id = Some(id);
    saved.engineer_name = Some(name);
    saved.set_servers(&context.servers);
    saved.region.clone_from(&context.region);
    saved.ca = context.saved_trust();
    context.login_file.write(&saved)?;
    forgotten_keys::remove(&key);
    Ok(())
}
