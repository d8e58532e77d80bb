//! What is said about an event. Asks the cluster only about files of a linked repository.

use super::unreachable;
use crate::{
    args::Global,
    client::Request,
    config::login::LoginFile,
    context::Context,
    error::Error,
    guard::{
        brief,
        changes::{self, Mark},
        decision::{self, Decision},
        holding::{self, Holding},
        journal::{Journal, Reconciled},
        place::Place,
        policy::Policy,
    },
    hosts::{EventKind, HookEvent, Tool, Verdict, shell},
    output::{Output, words},
    repository,
    run::{Actor, Key, Records},
};
use nexus_api_types::{
    checkpoint::{CheckpointType, SaveCheckpoint},
    claim::Claim,
};
use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

/// A host may kill the hook of a run that ends after one and a half seconds.
const LONGEST_AT_END: Duration = Duration::from_secs(1);

/// What is said about an event.
pub(super) fn consider(event: &HookEvent, mut global: Global, out: &Output) -> Verdict {
    let folder = event.folder.clone().or_else(|| env::current_dir().ok()).unwrap_or_default();
    // Hosts start hooks anywhere; git and the session's own description mean where the agent is.
    let _ = env::set_current_dir(&folder);
    let asked = match event.kind {
        EventKind::BeforeTool | EventKind::AfterTool => asked_about(event, &folder),
        _ => Place::of(&folder).map(|place| place.map(Asked::of).into_iter().collect()),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            return Verdict::Tell(format!("Nexus checks nothing here: {}", unreachable::reason(&error, out)));
        }
    };
    if asked.is_empty() {
        return Verdict::Silent;
    }
    if event.kind == EventKind::SessionEnd {
        global.timeout = global.timeout.min(LONGEST_AT_END);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let context = runtime
        .map_err(|error| Error::local(format!("cannot start: {error}")))
        .and_then(|runtime| Ok((runtime, Context::new(global, out)?)));
    match context {
        Ok((runtime, context)) => runtime.block_on(said(event, &asked, &context)),
        Err(error) => without_context(event, &asked, &error, out),
    }
}

/// What an event is about, in one repository.
struct Asked {
    place: Place,
    /// Files that are written.
    names: Vec<String>,
    /// Files whose changes are thrown away.
    discarded: Vec<String>,
}

impl Asked {
    const fn of(place: Place) -> Self {
        Self { place, names: Vec::new(), discarded: Vec::new() }
    }

    fn all(&self) -> Vec<String> {
        self.names.iter().chain(&self.discarded).cloned().collect()
    }
}

/// The files of a tool, by the repositories they are in.
fn asked_about(event: &HookEvent, folder: &Path) -> Result<Vec<Asked>, Error> {
    let mut asked: Vec<Asked> = Vec::new();
    match (&event.tool, event.kind) {
        (Tool::Other, _) => {}
        (Tool::Edit(paths), _) => {
            for path in paths {
                sort(&mut asked, &shell_path(folder, path), false)?;
            }
        }
        (Tool::Shell { command, folder: own }, EventKind::BeforeTool) => {
            let folder = own.as_ref().map_or_else(|| folder.to_owned(), |own| folder.join(own));
            if Place::of(&folder)?.is_some() {
                mark(event).iter().for_each(Mark::set);
            }
            let writes = shell::writes(command, &folder);
            if writes.is_nothing() {
                return Ok(asked);
            }
            for path in &writes.paths {
                sort(&mut asked, path, false)?;
            }
            for folder in &writes.discards {
                if Place::of(folder)?.is_some() {
                    for path in changes::uncommitted(folder) {
                        sort(&mut asked, &path, true)?;
                    }
                }
            }
        }
        (Tool::Shell { folder: own, .. }, _) => {
            let folder = own.as_ref().map_or_else(|| folder.to_owned(), |own| folder.join(own));
            let started = mark(event).and_then(|mark| mark.take());
            if let (Some(started), Some(place)) = (started, Place::of(&folder)?) {
                for path in changes::changed_since(changes::uncommitted(&place.root), started) {
                    sort(&mut asked, &path, false)?;
                }
            }
        }
    }
    asked.retain(|asked| !asked.names.is_empty() || !asked.discarded.is_empty());
    Ok(asked)
}

fn shell_path(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path)
}

fn sort(asked: &mut Vec<Asked>, path: &Path, is_discarded: bool) -> Result<(), Error> {
    let known = asked.iter().position(|asked| !asked.place.names(path).is_empty());
    let at = match known {
        Some(at) => at,
        None => match Place::of(path)? {
            Some(place) => {
                asked.push(Asked::of(place));
                asked.len() - 1
            }
            None => return Ok(()),
        },
    };
    let names = asked[at].place.names(path);
    let list = if is_discarded { &mut asked[at].discarded } else { &mut asked[at].names };
    for name in names {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    Ok(())
}

/// Marks when a command starts, in the folder of its run.
fn mark(event: &HookEvent) -> Option<Mark> {
    let key = key(event)?;
    let folder = Records::locate().ok()?.folder_of(&key);
    let call = event.call.clone().unwrap_or_else(|| changes::unnamed(&key));
    Some(Mark::new(&folder, &call))
}

fn key(event: &HookEvent) -> Option<Key> {
    Key::of_host(event.host.word(), event.session.as_deref()?)
}

/// The settings are broken: nobody can be asked, and nothing be noted.
fn without_context(event: &HookEvent, asked: &[Asked], error: &Error, out: &Output) -> Verdict {
    let why = unreachable::reason(error, out);
    let login = LoginFile::locate().and_then(|file| file.read()).ok();
    match (event.kind, asked.first()) {
        (EventKind::BeforeTool, Some(asked)) => {
            let policy = Policy::find(&asked.place.link, login.as_ref());
            unreachable::verdict(policy, &why, &asked.all(), None)
        }
        (EventKind::SessionStart, _) => Verdict::Tell(format!("Nexus checks nothing: {why}")),
        _ => Verdict::Silent,
    }
}

async fn said(event: &HookEvent, asked: &[Asked], context: &Context<'_>) -> Verdict {
    if event.kind == EventKind::SessionStart && event.is_cleared {
        asked.iter().for_each(|asked| take_over(event, context, &asked.place));
    }
    if let Some(actor) = event.session.as_deref().and_then(|id| Actor::of_host(event.host.word(), id)) {
        context.act_as_host(actor);
    }
    match event.kind {
        EventKind::SessionStart => starts(event, context, &asked[0].place).await,
        EventKind::BeforeTool => before(context, asked).await,
        EventKind::AfterTool => after(context, asked).await,
        EventKind::BeforeCompact | EventKind::SubagentStop => {
            checkpoint(event, context, &asked[0].place).await;
            Verdict::Silent
        }
        EventKind::Stop => stops(event, context, &asked[0].place).await,
        EventKind::SessionEnd => {
            ends(context, &asked[0].place).await;
            Verdict::Silent
        }
        EventKind::Unknown => Verdict::Silent,
    }
}

/// A host that forgets all it said begins a run of another name in the same process: it is the same agent, and
/// keeps what it holds.
fn take_over(event: &HookEvent, context: &Context<'_>, place: &Place) {
    let records = context.records();
    let (Some(key), Actor::Run { key: before, .. }) = (key(event), Actor::here(&records)) else { return };
    if before == key || before.kind() != key.kind() || records.read(&key, place.project()).is_some() {
        return;
    }
    // Not taken over, it is a new agent: no more than an inconvenience.
    let _ = records.hand_over(&before, &key, place.project());
}

async fn starts(event: &HookEvent, context: &Context<'_>, place: &Place) -> Verdict {
    let project = place.project();
    let told = async {
        context.session_for_work(project).await?;
        context.bind_anew(project);
        let mut text = brief::brief(context, project, &run_name(event)).await?;
        text += &news(context, project).await?;
        Ok::<_, Error>(text)
    };
    match told.await {
        Ok(text) => Verdict::Tell(text),
        Err(error) => {
            let policy = Policy::find(&place.link, Some(&context.login));
            Verdict::Tell(format!(
                "Nexus coordinates the agents in this repository, but cannot be asked now: {}. Policy {}: edits are {}.",
                unreachable::reason(&error, context.out),
                policy.word(),
                if policy == Policy::FailOpen {
                    "let through and checked later"
                } else {
                    "refused until it answers"
                }
            ))
        }
    }
}

fn run_name(event: &HookEvent) -> String {
    key(event).map_or_else(|| "an agent".to_owned(), |key| format!("run {key}"))
}

/// What happened while nobody was told: files that were lost, and what became of the journal.
async fn news(context: &Context<'_>, project: uuid::Uuid) -> Result<String, Error> {
    let reconciled = Journal::of(context, project).reconcile(context).await?;
    let mut text = reconciled_words(context, &reconciled);
    for lost in context.take_lost(project) {
        let holder = lost.by.map(|by| words::holder(&by.engineer_name, by.agent.as_deref()));
        let whose = holder.map_or(lost.why, |holder| format!("{holder} holds it now"));
        text += &format!("\nLOST while this machine slept: {}: {whose}. Do not edit it any more.", lost.what);
    }
    Ok(text)
}

fn reconciled_words(context: &Context<'_>, reconciled: &Reconciled) -> String {
    let mut text = String::new();
    if !reconciled.held.is_empty() {
        text += &format!(
            "\nWARNING: while no server answered, you wrote files that somebody else holds:\n{}\nDo not commit them; \
             take your changes back, or settle it with the holder.",
            holding::lines(&reconciled.held, context.out.clock())
        );
    }
    if !reconciled.taken.is_empty() {
        text += &format!(
            "\nWritten while no server answered, and yours now: {}.",
            words::list(&reconciled.taken)
        );
    }
    text
}

async fn before(context: &Context<'_>, asked: &[Asked]) -> Verdict {
    let mut told = String::new();
    for asked in asked {
        match before_in(context, asked).await {
            Ok(Verdict::Tell(text)) => told += &text,
            Ok(Verdict::Silent) => {}
            Ok(refused @ Verdict::Refuse(_)) => return refused,
            Err(error) => {
                let policy = Policy::find(&asked.place.link, Some(&context.login));
                let why = unreachable::reason(&error, context.out);
                match unreachable::verdict(policy, &why, &asked.all(), Some((context, &asked.place))) {
                    Verdict::Tell(text) => told += &text,
                    other => return other,
                }
            }
        }
    }
    if told.is_empty() { Verdict::Silent } else { Verdict::Tell(told.trim_start().to_owned()) }
}

async fn before_in(context: &Context<'_>, asked: &Asked) -> Result<Verdict, Error> {
    let project = asked.place.project();
    let mut told = String::new();
    if !asked.names.is_empty() {
        match decision::decide(context, &asked.place, &asked.names).await? {
            Decision::Mine => {}
            Decision::Taken(paths) => {
                told += &format!("Nexus: {} was free and is yours alone now.", words::list(&paths));
            }
            Decision::Held(held) => return Ok(Verdict::Refuse(denial(context, &held, asked))),
        }
    }
    let discarded = decision::look(context, project, &asked.discarded).await?;
    if !discarded.is_empty() {
        return Ok(Verdict::Refuse(format!(
            "Nexus: this throws away changes of others that are not committed.\n{}\nName the files that are yours \
             instead.",
            holding::lines(&discarded, context.out.clock())
        )));
    }
    told += &news(context, project).await.unwrap_or_default();
    Ok(if told.is_empty() { Verdict::Silent } else { Verdict::Tell(told) })
}

fn denial(context: &Context<'_>, held: &[Holding], asked: &Asked) -> String {
    let file = held.first().map_or("FILE", |holding| holding.wanted.as_str());
    let others =
        asked.names.iter().filter(|name| !held.iter().any(|holding| holding.wanted == **name)).count();
    let rest =
        if others > 0 { " Nothing was written; the other files can be edited on their own." } else { "" };
    format!(
        "Nexus: {}\nDo not write it by other means either.{rest}\nNext: nexus why {file} says what for and how to get \
         it; nexus feature available shows work that is free of it.",
        holding::lines(held, context.out.clock())
    )
}

/// The fact is there: who holds what was written is said loudly, and what could not be asked is remembered.
async fn after(context: &Context<'_>, asked: &[Asked]) -> Verdict {
    let mut told = String::new();
    for asked in asked {
        match decision::look(context, asked.place.project(), &asked.names).await {
            Ok(held) if held.is_empty() => {}
            Ok(held) => {
                told += &format!(
                    "WARNING: files that somebody else holds changed while your command ran:\n{}\nIf it was your \
                     command, take the changes back (git diff shows them): they cannot be committed by you. \
                     nexus why FILE says how to get a file.\n",
                    holding::lines(&held, context.out.clock())
                );
            }
            Err(_) if Policy::find(&asked.place.link, Some(&context.login)) == Policy::FailOpen => {
                // Whoever cannot write it down here said so before the tool was used.
                let _ = Journal::of(context, asked.place.project()).add(
                    &asked.place,
                    &asked.names,
                    "after a command",
                );
            }
            Err(_) => {}
        }
    }
    if told.is_empty() { Verdict::Silent } else { Verdict::Refuse(told.trim_end().to_owned()) }
}

/// How far the work is, for whoever takes it up. Nobody waits for it, and nothing is lost with it but that.
async fn checkpoint(event: &HookEvent, context: &Context<'_>, place: &Place) {
    let project = place.project();
    let saved = async {
        let Some(session_id) = context.session_of_before(project).await? else { return Ok(()) };
        context.client.act_as(Some(session_id));
        let Some(feature_id) = decision::feature(context, project).await? else { return Ok(()) };
        let mut state = repository::git_state();
        state.insert("event".to_owned(), event.name.clone().into());
        let body = SaveCheckpoint {
            session_id,
            feature_id,
            context: Some(state),
            kind: Some(CheckpointType::AutoPeriodic),
            notes: None,
        };
        let path = format!("/projects/{project}/sessions/checkpoints");
        context.client.send(Request::post(path).body(&body)).await?;
        Ok::<_, Error>(())
    };
    let _ = saved.await;
}

/// Goes on only for what must not wait: files that are somebody else's by now.
async fn stops(event: &HookEvent, context: &Context<'_>, place: &Place) -> Verdict {
    checkpoint(event, context, place).await;
    if event.is_again {
        return Verdict::Silent;
    }
    let project = place.project();
    let reconciled = Journal::of(context, project).reconcile(context).await.unwrap_or_default();
    let must_know = Reconciled { taken: Vec::new(), ..reconciled };
    if must_know.is_nothing() {
        return Verdict::Silent;
    }
    Verdict::Refuse(reconciled_words(context, &must_know).trim_start().to_owned())
}

/// A run that holds nothing is over at once. One that holds something is ended with its process, by whoever
/// looks after it: a host that only forgets what it said goes on.
async fn ends(context: &Context<'_>, place: &Place) {
    let project = place.project();
    context.act_in(project);
    let Some(session) = context.client.session() else { return };
    let mine = context.client.send(Request::get(format!("/projects/{project}/claims/mine"))).await;
    let holds_nothing =
        mine.and_then(|answer| answer.parse::<Vec<Claim>>()).is_ok_and(|claims| claims.is_empty());
    let works_on = decision::feature(context, project).await.ok().flatten();
    if holds_nothing && works_on.is_none() {
        // Its lease ends it otherwise.
        let _ = context.client.send(Request::delete(format!("/projects/{project}/sessions/{session}"))).await;
    }
}
