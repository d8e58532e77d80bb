//! `nexus setup`: from nothing to a linked repository, by asking.

use super::{
    install::{self, InstallReport},
    login::{self, LoggedIn},
    project,
};
use crate::{
    answer::Answer,
    args::values,
    config::link,
    context::{Context, is_named},
    error::Error,
    git::Git,
    server,
    spec::editor,
    text::plain,
};
use clap::Args;
use dialoguer::{Confirm, Input, Password, Select};
use nexus_api_types::{
    engineer::{Me, Register},
    project::Project,
};
use serde_json::{Value, json};
use std::{env, fmt::Display};
use uuid::Uuid;

/// Set up everything, step by step: the servers, your key, the project of this repository, its agents
///
/// Everything that exists already is kept. With --yes, nothing is asked: all answers come from flags and the
/// environment.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus setup
  nexus setup --yes -n Ana -e ana@example.com --server http://a:7401,http://b:7401
  nexus setup --yes --project billing --install
  NEXUS_TOKEN=nexus_eng_… nexus setup --yes --project billing")]
pub(crate) struct Setup {
    /// Ask no questions
    #[arg(long, short)]
    yes: bool,
    /// Name that others see, to register
    #[arg(long, short, env = "NEXUS_NAME")]
    name: Option<String>,
    /// E-mail address, to register
    #[arg(long, short, env = "NEXUS_EMAIL")]
    email: Option<String>,
    /// Name of the project, if it has to be made
    #[arg(long, value_name = "NAME")]
    project_name: Option<String>,
    /// Set up the agents and the git that are found, as nexus install does
    #[arg(long)]
    install: bool,
}

impl Setup {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        if !self.yes && !editor::has_person() {
            return Err(Error::misused("there is nobody to ask").hint(
                "nexus setup --yes takes everything from flags and the environment: nexus setup --help",
            ));
        }
        let context = &self.servers(context)?;
        let engineer = self.key(context).await?;
        // With the key that was saved.
        let context = &context.reloaded()?;
        let project = self.project(context).await?;
        let is_wanted = self.install
            || (!self.yes
                && Confirm::new()
                    .with_prompt("Wire the agents and the git of this repository to Nexus")
                    .default(true)
                    .interact()
                    .map_err(broken_off)?);
        let installed = is_wanted.then(|| install::all_that_is_found(context)).transpose()?;
        if let Some(installed) = installed.as_ref().filter(|_| !context.out.is_json()) {
            installed.print(context)?;
            installed.offer(context);
        }
        let answer = Answer::new(json!({ "engineer": engineer, "project": project,
            "install": installed.map(InstallReport::into_answer) }));
        // For people each step has printed its result.
        context.out.answer(&answer, |_: Value| Ok(()))?;
        context.out.note(
            "Next: nexus doctor looks whether everything works; nexus next takes the best free feature",
        );
        Ok(())
    }

    fn servers<'a>(&self, context: &Context<'a>) -> Result<Context<'a>, Error> {
        let known: Vec<String> = context.servers.iter().map(ToString::to_string).collect();
        if self.yes {
            return context.with_servers(context.servers.clone());
        }
        let typed: String = Input::new()
            .with_prompt("Servers, separated by commas")
            .default(known.join(","))
            .validate_with(|text: &String| server::parse_list(text).map(drop))
            .interact_text()
            .map_err(broken_off)?;
        context.with_servers(server::parse_list(&typed).map_err(Error::misused)?)
    }

    /// Makes sure that there is a working key, and returns its engineer as JSON. Without one, it asks the user to log
    /// in or register.
    async fn key(&self, context: &Context<'_>) -> Result<Value, Error> {
        if context.given_token.is_none() && context.login.token.is_some() {
            match context.client.send(crate::client::Request::get("/auth/me")).await {
                Ok(answer) => {
                    let me: Me = answer.parse()?;
                    context.out.note(format_args!("You are {} <{}>", me.name, me.email));
                    let mut saved = context.login.clone();
                    saved.set_servers(&context.servers);
                    saved.region.clone_from(&context.region);
                    saved.ca = context.saved_trust();
                    context.login_file.write(&saved)?;
                    return Ok(json!({ "id": me.id, "name": me.name, "email": me.email }));
                }
                // The key is of no use any more.
                Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if context.given_token.is_some() {
            return entered(context, &login::with_key(context).await?);
        }
        let who = match (&self.name, &self.email) {
            (Some(name), Some(email)) => {
                Register { name: name.clone(), email: email.clone(), bootstrap_token: None }
            }
            _ if self.yes => {
                return Err(Error::misused("nothing says who you are").hint(
                    "-n NAME -e EMAIL registers you; --token KEY or NEXUS_TOKEN uses a key that you have",
                ));
            }
            _ => {
                let choice = Select::new()
                    .with_prompt("Your key")
                    .items(["Register: make a new engineer", "I have a key"])
                    .default(0);
                let choice = context.asking(|| choice.interact()).map_err(broken_off)?;
                if choice == 1 {
                    let key = Password::new().with_prompt("API key");
                    let key = context.asking(|| key.interact()).map_err(broken_off)?;
                    return entered(context, &login::save_key(context, key.trim().to_owned()).await?);
                }
                let given = |given: &Option<String>, prompt, setting| {
                    given.clone().map_or_else(|| context.asking(|| ask(prompt, git_says(setting))), Ok)
                };
                let name = given(&self.name, "Name that others see", "user.name")?;
                let email = given(&self.email, "E-mail address", "user.email")?;
                Register { name, email, bootstrap_token: None }
            }
        };
        entered(context, &login::register(context, &who).await?)
    }

    /// The project of this repository, if it has one now.
    async fn project(&self, context: &Context<'_>) -> Result<Value, Error> {
        if let Some(found) = link::find()? {
            context.out.note(format_args!("This repository is project {}", found.link.name()));
            // Another engineer linked it, in another checkout.
            let projects = context.projects().await?;
            if let Some(project) = projects.iter().find(|project| project.id == found.link.project_id) {
                project::case::agree(context, project).await;
            }
            return Ok(json!({ "id": found.link.project_id, "slug": found.link.project_slug }));
        }
        let projects = context.projects().await?;
        if self.yes {
            let Some(named) = context.named_project() else {
                context.out.note("No project was named: --project SLUG links this repository to one");
                return Ok(Value::Null);
            };
            return match projects.iter().find(|project| is_named(project, named)) {
                Some(project) => linked(context, project).await,
                // An id names a project that is there, or none.
                None if named.parse::<Uuid>().is_ok() => {
                    linked(context, &context.project_named(named).await?).await
                }
                None => self.make(context, named).await,
            };
        }
        let mut choices: Vec<String> =
            projects.iter().map(|project| plain(&format!("{}: {}", project.slug, project.name))).collect();
        choices.push("Make a new one".to_owned());
        choices.push("None, for now".to_owned());
        let choice = Select::new().with_prompt("The project of this repository").items(&choices).default(0);
        let choice = context.asking(|| choice.interact()).map_err(broken_off)?;
        match projects.get(choice) {
            Some(project) => linked(context, project).await,
            None if choice == projects.len() => {
                let slug = Input::new()
                    .with_prompt("Short name, of a-z, 0-9 and -")
                    .with_initial_text(folder_slug())
                    .validate_with(|text: &String| values::slug(text).map(drop));
                let slug: String = context.asking(|| slug.interact_text()).map_err(broken_off)?;
                self.make(context, &slug).await
            }
            None => Ok(Value::Null),
        }
    }

    async fn make(&self, context: &Context<'_>, slug: &str) -> Result<Value, Error> {
        let name = self.project_name.clone().unwrap_or_else(|| slug.to_owned());
        let made = project::create::make(context, name, slug.to_owned()).await?;
        if !context.out.is_json() {
            made.print(context)?;
        }
        let project = made.project()?;
        Ok(json!({ "id": project.id, "slug": project.slug }))
    }
}

async fn linked(context: &Context<'_>, project: &Project) -> Result<Value, Error> {
    let path = link::write(project)?;
    context.out.note(format_args!("Linked to {} by {}: commit it", project.slug, path.display()));
    project::case::agree(context, project).await;
    Ok(json!({ "id": project.id, "slug": project.slug }))
}

/// Returns the engineer who logged in, and prints who it is for people. With `--json`, everything is printed at the
/// end, as one document.
fn entered(context: &Context<'_>, entered: &LoggedIn) -> Result<Value, Error> {
    if !context.out.is_json() {
        entered.print(context)?;
    }
    Ok(entered.engineer())
}

fn ask(prompt: &str, default: Option<String>) -> Result<String, Error> {
    let input = Input::new().with_prompt(prompt);
    let input = match default {
        Some(default) => input.default(default),
        None => input,
    };
    input.interact_text().map_err(broken_off)
}

fn broken_off(error: impl Display) -> Error {
    Error::local(format!("set-up was broken off: {error}")).hint("nexus setup goes on where it was")
}

/// The name and the address of the user, by git's settings.
fn git_says(name: &str) -> Option<String> {
    Git::here().text(&["config", "--get", name]).ok().filter(|text| !text.is_empty())
}

/// The name of the folder, as a slug.
fn folder_slug() -> String {
    let here = env::current_dir().unwrap_or_default();
    let name = here.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.chars()
        .map(|letter| if values::slug(&letter.to_string()).is_ok() { letter } else { '-' })
        .take(50)
        .collect()
}
