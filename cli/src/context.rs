//! What a command is given: where to print, whom to ask, as whom and in which project. A flag goes
//! before the environment, the environment before the files.

use crate::{
    agent_run::{self, Actor, RunRecords},
    args::{
        Global,
        server::{self, Server},
    },
    client::{Client, Request},
    config::{
        link::{self, FoundLink},
        login::{Login, LoginFile},
    },
    error::Error,
    output::{Output, format},
};
use nexus_api_types::{engineer::Me, project::Project};
use std::{cell::OnceCell, time::Duration};
use uuid::Uuid;

/// What a command is given.
pub(crate) struct Context<'a> {
    /// Where to print.
    pub(crate) out: &'a Output,
    /// Whom to ask.
    pub(crate) client: Client,
    /// What login saved.
    pub(crate) login: Login,
    /// Where it saved it.
    pub(crate) login_file: LoginFile,
    /// The servers that are asked.
    pub(crate) servers: Vec<Server>,
    /// The API key that was typed or is in the environment.
    pub(crate) given_token: Option<String>,
    timeout: Duration,
    records: RunRecords,
    actor: OnceCell<Actor>,
    /// Whether a person said who acts.
    is_named: bool,
    project: Option<String>,
}

impl<'a> Context<'a> {
    /// Puts together what was typed, what is in the environment and what was saved.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub(crate) fn new(global: Global, out: &'a Output) -> Result<Self, Error> {
        let login_file = LoginFile::locate()?;
        let login = login_file.read()?;
        let servers = servers(global.server.as_deref(), &login, &login_file)?;
        let given_token = given(global.token);
        let records = RunRecords::locate()?;
        let named = given(global.session).filter(|text| !agent_run::is_inherited(text));
        let named = named.map(|text| Actor::named(&text, &records)).transpose()?;
        let token = given_token.clone().or_else(|| login.token.clone());
        let client = Client::new(&servers, token, global.timeout).watched(out.is_watched());
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
            given_token,
            timeout: global.timeout,
            records,
            actor,
            is_named,
            project,
        })
    }

    /// How long a command tries.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The same, asking these servers.
    ///
    /// # Errors
    /// When TLS cannot be set up, or what login saved cannot be read.
    pub(crate) fn asking(&self, servers: Vec<Server>) -> Result<Self, Error> {
        let login = self.login_file.read()?;
        let token = self.given_token.clone().or_else(|| login.token.clone());
        Ok(Self {
            out: self.out,
            client: Client::new(&servers, token, self.timeout).watched(self.out.is_watched()),
            login,
            login_file: self.login_file.clone(),
            servers,
            given_token: self.given_token.clone(),
            timeout: self.timeout,
            records: self.records.clone(),
            actor: self.actor.clone(),
            is_named: self.is_named,
            project: self.project.clone(),
        })
    }

    /// The same, with what login has saved meanwhile.
    ///
    /// # Errors
    /// As [`asking`](Self::asking).
    pub(crate) fn again(&self) -> Result<Self, Error> {
        self.asking(self.servers.clone())
    }

    /// The project that was named, not one that the repository is linked to.
    pub(crate) const fn named_project(&self) -> Option<&String> {
        self.project.as_ref()
    }

    /// What is kept of runs.
    pub(crate) fn records(&self) -> RunRecords {
        self.records.clone()
    }

    /// Who acts: what was named, else looked for when it is asked first.
    pub(crate) fn actor(&self) -> &Actor {
        self.actor.get_or_init(|| Actor::here(&self.records))
    }

    /// Looks anew who acts, for a command that stays: one process of a host has run after run.
    pub(crate) fn look_again(&mut self) {
        if !self.is_named {
            self.actor.take();
        }
    }

    /// The agent host that started this command says which run it is. What was named by hand goes before it.
    pub(crate) fn act_as_host(&self, actor: Actor) {
        // A command is told once.
        let _ = self.actor.set(actor);
    }

    /// The project that the command is about; what is asked from now on is asked as the session that acts in it, if
    /// there is one.
    ///
    /// # Errors
    /// When none is named, or there is none of that name.
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
            return linked?.map(|found| found.link.project_id).ok_or_else(no_project);
        };
        if let Ok(id) = named.parse() {
            return Ok(id);
        }
        match linked {
            Ok(Some(found)) if found.link.project_slug.as_ref() == Some(named) => Ok(found.link.project_id),
            _ => Ok(self.project_by_slug(named).await?.id),
        }
    }

    /// One of the engineer's projects by its slug.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn project_by_slug(&self, slug: &str) -> Result<Project, Error> {
        let projects = self.projects().await?;
        let slugs: Vec<String> = projects.iter().map(|project| project.slug.clone()).collect();
        projects.into_iter().find(|project| project.slug == slug).ok_or_else(|| {
            let hint = match slugs.as_slice() {
                [] => {
                    "you are in none yet: nexus project create -n NAME -s SLUG makes one, or a lead adds you"
                        .to_owned()
                }
                slugs => format!("you are in {}; a lead of another one can add you", format::list(slugs)),
            };
            Error::local(format!("no project {slug} among yours")).hint(hint)
        })
    }

    /// Whose key it is. What login saved is believed, unless another key is used.
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

/// Set to nothing is as good as not set.
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

fn no_project() -> Error {
    Error::misused(format!("there is no project here: no {} in this folder or above", link::FILE_NAME))
        .hint("nexus project link SLUG links this repository to a project; --project SLUG names one for a single command")
}
