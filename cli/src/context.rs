//! The context of a command: its output, the servers, who acts and in which project. A flag goes before the
//! environment, and the environment before files.

use crate::{
    agent_run::{self, Actor, RunRecord, RunRecords},
    args::Global,
    client::{Client, Deadline, KnownServers, Request, Trust},
    config::{
        link::{self, FoundLink},
        login::{Login, LoginFile},
        stored::StoredPath,
    },
    error::Error,
    output::Output,
    server::{self, Server},
    text::format,
};
use nexus_api_types::{engineer::Me, project::Project};
use std::{cell::OnceCell, ffi::OsStr};
use tokio::runtime::{self, Runtime};
use uuid::Uuid;

/// The surroundings of one command.
pub(crate) struct Context<'a> {
    /// The output of the command.
    pub(crate) out: &'a Output,
    /// Sends requests to the cluster.
    pub(crate) client: Client,
    /// The content of the login file.
    pub(crate) login: Login,
    /// The login file itself.
    pub(crate) login_file: LoginFile,
    /// The servers that are asked.
    pub(crate) servers: Vec<Server>,
    /// The region that this machine is in, if that is known.
    pub(crate) region: Option<String>,
    /// The authorities that they must have their certificates from.
    pub(crate) trust: Trust,
    /// The API key of the command line or the environment, which goes before the saved one.
    pub(crate) given_token: Option<String>,
    /// Whether the servers are those of one command line alone, which are asked without the cluster's other members.
    has_own_servers: bool,
    records: RunRecords,
    actor: OnceCell<Actor>,
    /// Whether `--session` or `NEXUS_SESSION` named who acts.
    is_named: bool,
    project: Option<String>,
}

impl<'a> Context<'a> {
    /// Reads flags, environment and files.
    ///
    /// # Errors
    /// When one of them is not valid.
    pub(crate) fn new(global: Global, out: &'a Output) -> Result<Self, Error> {
        let login_file = LoginFile::locate()?;
        let login = login_file.read()?;
        let servers = servers(global.server.as_deref(), &login, &login_file)?;
        let region = region(global.region, &login)?;
        let trust = trust(global.ca.as_deref(), &login)?;
        let given_token = given(global.token);
        let records = RunRecords::locate()?;
        let named = given(global.session).filter(|text| !agent_run::is_inherited(text));
        let named = named.map(|text| Actor::named(&text, &records)).transpose()?;
        let token = given_token.clone().or_else(|| login.token.clone());
        let has_own_servers =
            global.server.is_some_and(|typed| !typed.trim().is_empty() && !is_in_environment(&typed));
        let client = Client::new(&servers, token, Deadline::after(global.timeout))
            .trusting(trust.clone())
            .knowing(KnownServers::beside(login_file.path()), !has_own_servers)
            .near(region.clone())
            .watched(out.is_watched());
        if let Some(Actor::Session(id)) = named {
            client.act_as(Some(id));
        }
        let is_named = named.is_some();
        let actor = named.map_or_else(OnceCell::new, OnceCell::from);
        let project = given(global.project);
        Ok(Self {
            out,
            client,
            login,
            login_file,
            servers,
            region,
            trust,
            given_token,
            has_own_servers,
            records,
            actor,
            is_named,
            project,
        })
    }

    /// The same context with these servers, and the same deadline.
    ///
    /// # Errors
    /// When what login saved cannot be read.
    pub(crate) fn with_servers(&self, servers: Vec<Server>) -> Result<Self, Error> {
        let login = self.login_file.read()?;
        let token = self.given_token.clone().or_else(|| login.token.clone());
        Ok(Self {
            out: self.out,
            client: Client::new(&servers, token, self.client.deadline().clone())
                .trusting(self.trust.clone())
                .knowing(KnownServers::beside(self.login_file.path()), !self.has_own_servers)
                .near(self.region.clone())
                .watched(self.out.is_watched()),
            login,
            login_file: self.login_file.clone(),
            servers,
            region: self.region.clone(),
            trust: self.trust.clone(),
            given_token: self.given_token.clone(),
            has_own_servers: self.has_own_servers,
            records: self.records.clone(),
            actor: self.actor.clone(),
            is_named: self.is_named,
            project: self.project.clone(),
        })
    }

    /// Lets a person answer a question. Their time is none of the requests that follow.
    pub(crate) fn asking<T>(&self, ask: impl FnOnce() -> T) -> T {
        let answer = ask();
        self.client.restart_timeout();
        answer
    }

    /// The same context with the present content of the login file.
    ///
    /// # Errors
    /// The errors of [`with_servers`](Self::with_servers).
    pub(crate) fn reloaded(&self) -> Result<Self, Error> {
        self.with_servers(self.servers.clone())
    }

    /// The authorities as the login file has them, so that hooks and later commands accept the same certificates.
    pub(crate) fn saved_trust(&self) -> Option<StoredPath> {
        match &self.trust {
            Trust::System => None,
            Trust::File(path) => Some(StoredPath(path.clone())),
        }
    }

    /// The records of agent runs.
    pub(crate) fn records(&self) -> RunRecords {
        self.records.clone()
    }

    /// The actor. It is found at the first call, unless it was named.
    pub(crate) fn actor(&self) -> &Actor {
        self.actor.get_or_init(|| Actor::here(&self.records))
    }

    /// The project of `--project` or `NEXUS_PROJECT`, not the one that the repository is linked to.
    pub(crate) fn named_project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Forgets who acts, so that it is found again. Commands that keep running need this, since one process of a host
    /// has one run after another.
    pub(crate) fn forget_actor(&mut self) {
        if !self.is_named {
            self.actor.take();
        }
    }

    /// Sets the run that the agent host names. Who was named by a flag or the environment stays.
    pub(crate) fn act_as_host(&self, actor: Actor) {
        // It is set already where somebody was named.
        let _ = self.actor.set(actor);
    }

    /// Sends further requests as the session of this run, if it is surely alive, else as the engineer: a request that
    /// only reads needs no session.
    pub(crate) fn act_as_live_session(&self, project: Uuid) {
        let session = match self.actor() {
            Actor::Session(id) => Some(*id),
            Actor::AgentRun { key, .. } => {
                let record = self.records().read(key, project).filter(RunRecord::is_fresh);
                record.map(|record| record.session_id)
            }
            Actor::Engineer => None,
        };
        self.client.act_as(session);
    }

    /// The project that the command is about. Further requests are sent as the live session of this run in it, if there
    /// is one.
    ///
    /// # Errors
    /// When no project is named or linked, or there is none of that name.
    pub(crate) async fn project(&self) -> Result<Uuid, Error> {
        let project = self.find_project().await?;
        self.act_as_live_session(project);
        Ok(project)
    }

    async fn find_project(&self) -> Result<Uuid, Error> {
        let linked = link::find();
        let Some(named) = &self.project else {
            if let Ok(Some(warning)) =
                linked.as_ref().map(|found| found.as_ref().and_then(FoundLink::warning))
            {
                self.out.note(warning);
            }
            return match linked? {
                Some(found) => Ok(found.link.project_id),
                // Whoever has no key yet needs one first.
                None if !self.client.has_key() => Err(Error::NotLoggedIn),
                None => Err(no_project()),
            };
        };
        if let Ok(id) = named.parse() {
            return Ok(id);
        }
        match linked {
            Ok(Some(found)) if found.link.project_slug.as_ref() == Some(named) => Ok(found.link.project_id),
            _ => Ok(self.project_named(named).await?.id),
        }
    }

    /// One of the engineer's projects, by its slug or id.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn project_named(&self, named: &str) -> Result<Project, Error> {
        let projects = self.projects().await?;
        let slugs: Vec<String> = projects.iter().map(|project| project.slug.clone()).collect();
        projects.into_iter().find(|project| is_named(project, named)).ok_or_else(|| {
            let hint = match slugs.as_slice() {
                [] => {
                    "you are in none yet: nexus project create -n NAME -s SLUG makes one, or a lead adds you"
                        .to_owned()
                }
                slugs => format!("you are in {}; a lead of another one can add you", format::list(slugs)),
            };
            Error::local(format!("no project {named} among yours")).hint(hint)
        })
    }

    /// The engineer whose key it is: by the login file, or by the cluster where another key is used.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(crate) async fn me(&self) -> Result<Uuid, Error> {
        match self.login.engineer_id.filter(|_| self.given_token.is_none()) {
            Some(id) => Ok(id),
            None => Ok(self.client.send(Request::get("/auth/me")).await?.parse::<Me>()?.id),
        }
    }

    /// The engineer's projects.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(crate) async fn projects(&self) -> Result<Vec<Project>, Error> {
        self.client.send(Request::get("/projects")).await?.parse()
    }
}

/// Whether a text names this project, by slug or id. A slug that looks like an id is none.
pub(crate) fn is_named(project: &Project, text: &str) -> bool {
    text.parse::<Uuid>().map_or(project.slug == text, |id| project.id == id)
}

/// Whether the servers were set for all commands, and not typed for this one.
fn is_in_environment(servers: &str) -> bool {
    std::env::var("NEXUS_SERVER").is_ok_and(|set| set == servers)
}

/// An empty value counts as none.
fn given(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn servers(given: Option<&str>, login: &Login, file: &LoginFile) -> Result<Vec<Server>, Error> {
    const FORM: &str = "write them as http://host:7401,http://other:7401";
    let typed = server::parse_list(given.unwrap_or_default())
        .map_err(|problem| Error::misused(problem).hint(FORM))?;
    if !typed.is_empty() {
        return Ok(typed);
    }
    let saved = login
        .servers()
        .map_err(|problem| Error::misused(format!("{}: {problem}", file.path().display())).hint(FORM))?;
    Ok(if saved.is_empty() { server::defaults() } else { saved })
}

/// The region of the command line or the environment, else that of the login file.
fn region(typed: Option<String>, login: &Login) -> Result<Option<String>, Error> {
    let region = given(typed).or_else(|| login.region.clone());
    match region.as_deref().filter(|region| !server::is_region(region)) {
        Some(other) => {
            let hint = format!("it has {}, such as eu-west", server::REGION_FORM);
            Err(Error::misused(format!("{other:?} is not the name of a region")).hint(hint))
        }
        None => Ok(region),
    }
}

/// The authorities of the command line or the environment, else those of the login file, else those of this machine.
fn trust(given: Option<&OsStr>, login: &Login) -> Result<Trust, Error> {
    let saved = login.ca.as_ref().map(|path| path.0.as_os_str());
    for name in [given, saved].into_iter().flatten() {
        let trust = Trust::named(name)
            .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
        if let Some(trust) = trust {
            return Ok(trust);
        }
    }
    Ok(Trust::System)
}

fn no_project() -> Error {
    Error::misused(format!("there is no project here: no {} in this folder or above", link::FILE_NAME))
        .hint("nexus project link SLUG links this repository to a project; --project SLUG names one for a single command")
}

/// A runtime in this thread.
///
/// # Errors
/// When the system cannot start one.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::local(format!("cannot start: {error}")))
}
