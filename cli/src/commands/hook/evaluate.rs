//! The verdict on an event. It asks the cluster only about files of a linked repository.

use super::{
    affected_files::{
        AffectedFiles, EventScope, call_id, event_scope, own_folder, project_folders, run_key, snapshot_of,
        stop_scope,
    },
    news,
    progress::EventProgress,
    tool, unreachable,
};
use crate::{
    agent_run::{self, Actor, RunRecords},
    args::Global,
    client::Request,
    config::{login::LoginFile, policy::Policy},
    context::{self, Context},
    error::Error,
    guard::{
        brief,
        checkout::LinkedCheckout,
        journal::{Journal, Reconciled},
        write_access,
    },
    hosts::{EventKind, HookEvent, Tool, Verdict},
    output::Output,
    repository,
};
use nexus_api_types::{
    checkpoint::{CheckpointType, SaveCheckpoint},
    claim::Claim,
};
use std::{env, path::Path, time::Duration};

/// A host may kill the hook of a run that ends after one and a half seconds.
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(1);

/// The verdict on an event. `progress` gets what is found out on the way, for an answer at the deadline.
pub(super) fn evaluate(event: &HookEvent, global: Global, out: &Output, progress: &EventProgress) -> Verdict {
    let folder = own_folder(&env::current_dir().unwrap_or_default(), event.folder.as_deref());
    // Hosts start hooks in any folder; git and the session's metadata need that of the agent.
    let _ = env::set_current_dir(&folder);
    let scope = match event.kind {
        EventKind::BeforeTool | EventKind::AfterTool if event.tool == Tool::Other => return Verdict::Silent,
        EventKind::BeforeTool | EventKind::AfterTool => {
            progress.find_policy(&folder);
            if let Tool::Unreadable(why) = event.tool {
                return unreadable(event, why, &folder, out);
            }
            event_scope(event, &folder)
        }
        EventKind::Stop => LinkedCheckout::of(&folder).and_then(|checkout| {
            checkout.map_or_else(|| Ok(EventScope::default()), |checkout| stop_scope(event, checkout))
        }),
        _ => LinkedCheckout::of(&folder).map(|checkout| EventScope {
            files: checkout.map(AffectedFiles::of).into_iter().collect(),
            ..EventScope::default()
        }),
    };
    let mut scope = match scope {
        Ok(scope) => scope,
        Err(error) => return without_link(event, &error, out),
    };
    if event.kind == EventKind::BeforeTool && scope.files.is_empty() {
        scope.files.extend(checkout_with_news(event, &folder).map(AffectedFiles::of));
    }
    if scope.is_nothing() {
        return Verdict::Silent;
    }
    progress.note(&scope);
    let verdict = evaluate_scope(event, &scope, global, out);
    unreachable::with_unchecked(verdict, event.kind, &scope.unchecked, progress.policy())
}

fn evaluate_scope(event: &HookEvent, scope: &EventScope, mut global: Global, out: &Output) -> Verdict {
    if scope.files.is_empty() && scope.left_over.is_empty() {
        return Verdict::Silent;
    }
    if event.kind == EventKind::SessionEnd {
        global.timeout = global.timeout.min(SESSION_END_TIMEOUT);
    }
    let context = context::runtime().and_then(|runtime| Ok((runtime, Context::new(global, out)?)));
    match context {
        Ok((runtime, context)) => runtime.block_on(evaluate_in_context(event, scope, &context)),
        Err(error) => without_context(event, scope, &error, out),
    }
}

/// The checkout that an agent works in, if its run may have lost something there while the machine slept.
fn checkout_with_news(event: &HookEvent, folder: &Path) -> Option<LinkedCheckout> {
    let (key, records) = (run_key(event)?, RunRecords::locate().ok()?);
    let checkout = LinkedCheckout::of(folder).ok()??;
    let record = records.read(&key, checkout.project())?;
    (!record.is_fresh() || !record.lost.is_empty()).then_some(checkout)
}

/// The host does not say what its tool writes: the policy decides, where the agent works in a linked repository.
fn unreadable(event: &HookEvent, why: &str, folder: &Path, out: &Output) -> Verdict {
    for folder in std::iter::once(folder.to_owned()).chain(project_folders()) {
        let checkout = match LinkedCheckout::of(&folder) {
            Ok(Some(checkout)) => checkout,
            Ok(None) => continue,
            Err(error) => return without_link(event, &error, out),
        };
        let login = LoginFile::locate().and_then(|file| file.read()).ok();
        let policy = Policy::find(Some(&checkout.link), login.as_ref());
        return match event.kind {
            EventKind::BeforeTool => unreachable::unreadable(policy, why),
            // The tool has been used already.
            _ => Verdict::Inform(format!(
                "Nexus cannot read what the host says of this tool: {why}. Nothing was checked."
            )),
        };
    }
    Verdict::Silent
}

/// The link of the repository cannot be read, so that its project and its policy are not known.
fn without_link(event: &HookEvent, error: &Error, out: &Output) -> Verdict {
    let why = unreachable::reason(error, out);
    let login = LoginFile::locate().and_then(|file| file.read()).ok();
    match event.kind {
        EventKind::BeforeTool => unreachable::verdict(Policy::find(None, login.as_ref()), &why, &[], None),
        EventKind::SessionStart => Verdict::Inform(format!("Nexus checks nothing here: {why}")),
        EventKind::AfterTool => unreachable::with_unchecked(
            Verdict::Silent,
            event.kind,
            &[why],
            Policy::find(None, login.as_ref()),
        ),
        _ => Verdict::Silent,
    }
}

/// The settings are broken: no server can be asked, but the writes can be noted.
fn without_context(event: &HookEvent, scope: &EventScope, error: &Error, out: &Output) -> Verdict {
    let why = unreachable::reason(error, out);
    let login = LoginFile::locate().and_then(|file| file.read()).ok();
    let files = scope.files.as_slice();
    for files in &scope.left_over {
        let journal = journal_without_context(event, &files.checkout);
        // If it cannot be written, it is lost.
        let _ = journal.map(|journal| journal.add(&files.checkout, &files.written, &why));
    }
    match (event.kind, files.first()) {
        (EventKind::BeforeTool, Some(first)) => {
            let policy = Policy::find(Some(&first.checkout.link), login.as_ref());
            let mut messages = Vec::new();
            for files in files {
                let journal = journal_without_context(event, &files.checkout);
                let kept = journal.as_ref().map(|journal| (journal, &files.checkout));
                match unreachable::verdict(policy, &why, &files.all(), kept) {
                    Verdict::Inform(text) => messages.push(text),
                    other => return other,
                }
            }
            Verdict::Inform(messages.join("\n"))
        }
        (EventKind::AfterTool, _) => {
            for files in files {
                let journal = journal_without_context(event, &files.checkout);
                // If it cannot be written, the verdict before the tool said so.
                let _ = journal.map(|journal| journal.add(&files.checkout, &files.written, &why));
            }
            Verdict::Silent
        }
        (EventKind::SessionStart, _) => Verdict::Inform(format!("Nexus checks nothing: {why}")),
        _ => Verdict::Silent,
    }
}

/// The journal of the event's run. The record of the run is stored first: another run takes over the journal of a run
/// without a record.
fn journal_without_context(event: &HookEvent, checkout: &LinkedCheckout) -> Option<Journal> {
    let (key, records) = (run_key(event)?, RunRecords::locate().ok()?);
    let actor = Actor::of_host(event.host, event.session.as_deref()?, &records);
    let Some(Actor::AgentRun { owner, .. }) = actor else { return None };
    agent_run::bind(&records, &key, checkout.project(), owner).ok()?;
    Some(Journal::of_run(&records, &key, checkout.project()))
}

async fn evaluate_in_context(event: &HookEvent, scope: &EventScope, context: &Context<'_>) -> Verdict {
    let files = scope.files.as_slice();
    let records = context.records();
    if let Some(actor) = event.session.as_deref().and_then(|id| Actor::of_host(event.host, id, &records)) {
        if event.kind == EventKind::SessionStart && event.is_continuation && actor.lives_in_host() {
            // If it fails, the run gets a new session, and the old one ends with its lease.
            let _ = agent_run::continue_as(&records, &actor);
        }
        context.act_as_host(actor);
    }
    match event.kind {
        EventKind::SessionStart => session_starts(event, context, &files[0].checkout).await,
        EventKind::BeforeTool => {
            let verdict = tool::before(context, files).await;
            if matches!(verdict, Verdict::Refuse(_))
                && matches!(event.tool, Tool::Shell { .. })
                && let Some((snapshot, call_id)) = snapshot_of(event).zip(call_id(event))
            {
                // The command does not run.
                snapshot.cancel(&call_id);
            }
            match tool::after(context, &scope.left_over).await {
                Verdict::Silent => verdict,
                Verdict::Inform(text) | Verdict::Refuse(text) => verdict.with(&text),
            }
        }
        EventKind::AfterTool => tool::after(context, files).await,
        EventKind::BeforeCompact | EventKind::SubagentStop => {
            checkpoint(event, context, &files[0].checkout).await;
            Verdict::Silent
        }
        EventKind::Stop => agent_stops(event, context, scope).await,
        EventKind::SessionEnd => {
            session_ends(context, &files[0].checkout).await;
            Verdict::Silent
        }
        EventKind::Unknown => Verdict::Silent,
    }
}

async fn session_starts(event: &HookEvent, context: &Context<'_>, checkout: &LinkedCheckout) -> Verdict {
    let project = checkout.project();
    let message = async {
        context.session_for_work(project).await?;
        context.bind_to_own_process(project);
        Journal::of(context, project).adopt(&context.records());
        let mut news = news::news(context, project).await;
        news.extend(checkout.warning.iter().map(|warning| format!("\n{warning}.")));
        brief::brief(context, project, &run_name(event), &news).await
    };
    match message.await {
        Ok(text) => Verdict::Inform(text),
        Err(error @ Error::Refused(_)) => Verdict::Inform(unreachable::no_answer(&error, &[], context.out)),
        Err(error) => {
            let policy = Policy::find(Some(&checkout.link), Some(&context.login));
            Verdict::Inform(format!(
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
    run_key(event).map_or_else(|| "an agent".to_owned(), |key| format!("run {key}"))
}

/// Saves a checkpoint of the work. If that fails, nothing else depends on it.
async fn checkpoint(event: &HookEvent, context: &Context<'_>, checkout: &LinkedCheckout) {
    let project = checkout.project();
    let saved = async {
        let Some(session_id) = context.previous_session(project).await? else { return Ok(()) };
        context.client.act_as(Some(session_id));
        let Some(feature_id) = write_access::current_feature(context, project).await? else { return Ok(()) };
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

/// The agent wants to stop. It has to go on for urgent reports: files that another session holds by now, or that a
/// command changed whose end was not reported.
async fn agent_stops(event: &HookEvent, context: &Context<'_>, scope: &EventScope) -> Verdict {
    let checkout = &scope.files[0].checkout;
    checkpoint(event, context, checkout).await;
    let left_over = tool::after(context, &scope.left_over).await;
    let verdict = unresolved_writes(event, context, checkout).await;
    match left_over {
        Verdict::Silent => verdict,
        // It is found only once, so it is reported even if this hook has made the agent go on before.
        Verdict::Inform(text) | Verdict::Refuse(text) => match verdict {
            Verdict::Silent => Verdict::Refuse(text),
            other => other.with(&text),
        },
    }
}

async fn unresolved_writes(event: &HookEvent, context: &Context<'_>, checkout: &LinkedCheckout) -> Verdict {
    if event.is_again {
        return Verdict::Silent;
    }
    let project = checkout.project();
    let mut reconciled = Reconciled::default();
    // If it fails, the next event tries again.
    let _ = Journal::of(context, project).reconcile(context, &mut reconciled).await;
    let must_know = Reconciled { taken: Vec::new(), ..reconciled };
    if must_know.is_nothing() {
        return Verdict::Silent;
    }
    Verdict::Refuse(news::describe(context, &must_know).trim_start().to_owned())
}

/// Ends the session of a run that holds nothing. One that holds something ends with its process, by its keep-alive
/// process: a host that only clears a conversation goes on.
async fn session_ends(context: &Context<'_>, checkout: &LinkedCheckout) {
    let project = checkout.project();
    context.act_as_live_session(project);
    let Some(session) = context.client.session() else { return };
    let mine = context.client.send(Request::get(format!("/projects/{project}/claims/mine"))).await;
    let holds_nothing =
        mine.and_then(|answer| answer.parse::<Vec<Claim>>()).is_ok_and(|claims| claims.is_empty());
    let works_on = write_access::current_feature(context, project).await.ok().flatten();
    if holds_nothing && works_on.is_none() {
        // First the record: a run that goes on under the same key must not act as a session that is over.
        if context.mark_session_stale(project).is_err() {
            return;
        }
        // If the request fails, the lease ends the session.
        let _ = context.client.send(Request::delete(format!("/projects/{project}/sessions/{session}"))).await;
    }
}
