//! The verdicts before and after a tool writes files.

use super::{affected_files::AffectedFiles, news, unreachable, unrooted};
use crate::{
    config::policy::Policy,
    context::Context,
    error::Error,
    guard::{
        checkout,
        held_file::{self, HeldFile},
        journal::Journal,
        snapshot::{FileChange, PriorContent},
        write_access::{self, WriteAccess},
    },
    hosts::Verdict,
    repository,
    text::format::{self, quoted},
};
use nexus_api_types::Moment;

/// The verdict before a tool is used. Files that are free are claimed for the run.
pub(super) async fn before(context: &Context<'_>, files: &[AffectedFiles]) -> Verdict {
    let mut message = String::new();
    for files in files {
        match before_in(context, files).await {
            Ok(Verdict::Inform(text)) => message += &format!("\n{text}"),
            Ok(Verdict::Silent) => {}
            Ok(refused @ Verdict::Refuse(_)) => return refused,
            // A refusal is an answer, though not about the files: the policy is for when there is none.
            Err(error @ Error::Refused(_)) => {
                return Verdict::Refuse(unreachable::no_answer(&error, &files.all(), context.out));
            }
            Err(error) => {
                let policy = Policy::find(Some(&files.checkout.link), Some(&context.login));
                let why = unreachable::reason(&error, context.out);
                let journal = Journal::of(context, files.checkout.project());
                match unreachable::verdict(policy, &why, &files.all(), Some((&journal, &files.checkout))) {
                    Verdict::Inform(text) => message += &format!("\n{text}"),
                    other => return other,
                }
            }
        }
    }
    if message.is_empty() { Verdict::Silent } else { Verdict::Inform(message.trim_start().to_owned()) }
}

async fn before_in(context: &Context<'_>, files: &AffectedFiles) -> Result<Verdict, Error> {
    let project = files.checkout.project();
    // First the session: if it ended while the machine slept, the run claims again what it held.
    match context.previous_session(project).await {
        // The event is about no file: the policy does not apply.
        Err(_) if files.is_nothing() => return Ok(Verdict::Silent),
        other => drop(other?),
    }
    // Then the checks that can only refuse, so that a refused tool claims nothing.
    for (names, what) in [
        (&files.discarded, "this throws away changes of others that are not committed"),
        (&files.possible, "this may write files of others, as far as can be seen before it runs"),
        (&files.mentioned, "the text of this program names files of others, and it writes"),
    ] {
        let held = write_access::held_by_others(context, project, names).await?;
        if !held.is_empty() {
            return Ok(refused(context, what, &held));
        }
    }
    let held = unrooted::held(context, project, &files.unrooted).await?;
    if !held.is_empty() {
        return Ok(refused(
            context,
            "this may write files of others, as far as can be seen before it runs",
            &held,
        ));
    }
    let mut message = String::new();
    if let Some(why) = files.unreadable {
        let policy = Policy::find(Some(&files.checkout.link), Some(&context.login));
        match unreachable::unreadable_command(policy, why) {
            Verdict::Inform(text) => message += &format!("\n{text}"),
            other => return Ok(other),
        }
    }
    if !files.written.is_empty() {
        match write_access::acquire(context, &files.checkout, &files.written).await? {
            WriteAccess::AlreadyHeld => {}
            WriteAccess::Claimed { paths, lease } => {
                let (were, are) = if paths.len() == 1 { ("was", "is") } else { ("were", "are") };
                let files = format::list(&paths);
                message += &format!("\nNexus: {files} {were} free and {are} yours alone now.");
                message += &lease.map(|until| unattended(context, until)).unwrap_or_default();
            }
            WriteAccess::HeldByOthers(held) => {
                let news = news::news(context, project).await;
                return Ok(Verdict::Refuse(denial(context, &held, files) + &news));
            }
        }
        message += &checkout::explain_unclaimable(&files.written)
            .map(|text| format!("\n{text}"))
            .unwrap_or_default();
    }
    message += &news::news(context, project).await;
    let message = message.trim_start();
    Ok(if message.is_empty() { Verdict::Silent } else { Verdict::Inform(message.to_owned()) })
}

/// How long claims are held that no process keeps alive.
fn unattended(context: &Context<'_>, until: Moment) -> String {
    format!(
        " It is not known which process you run in, so nothing keeps this alive: it is yours until {}, renewed by every \
         request. nexus unclaim gives it back.",
        context.out.clock().until(until)
    )
}

fn refused(context: &Context<'_>, what: &str, held: &[HeldFile]) -> Verdict {
    let lines = held_file::lines(held, context.out.clock());
    Verdict::Refuse(format!("Nexus: {what}.\n{lines}\nName the files that are yours instead."))
}

fn denial(context: &Context<'_>, held: &[HeldFile], files: &AffectedFiles) -> String {
    let file = held.first().map_or("FILE", |held_file| held_file.wanted.as_str());
    let others =
        files.written.iter().filter(|name| !held.iter().any(|held_file| held_file.wanted == **name)).count();
    let rest =
        if others > 0 { " Nothing was written; the other files can be edited on their own." } else { "" };
    format!(
        "Nexus: {}\nDo not write it by other means either.{rest}\nNext: nexus why {} says what for and how to get \
         it; nexus feature available shows work that is free of it.",
        held_file::lines(held, context.out.clock()),
        repository::as_typed(file)
    )
}

/// The verdict after a tool was used. It says who holds what was written and how to restore it, and notes in the
/// journal what could not be asked. Files that the tool does not name may have been written by somebody else in the
/// same folder.
pub(super) async fn after(context: &Context<'_>, files: &[AffectedFiles]) -> Verdict {
    let (mut own, mut others, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    let mut undo = Vec::new();
    for files in files {
        let changed: Vec<String> = files.written.iter().chain(&files.possible).cloned().collect();
        match write_access::held_by_others(context, files.checkout.project(), &changed).await {
            Ok(held) => {
                for held_file in held {
                    let before = files.before.get(&held_file.wanted);
                    undo.extend(before.map(|change| undone(&held_file.wanted, change)));
                    let is_from_other_commit = before.is_some_and(|change| change.is_from_other_commit);
                    match (files.declared.contains(&held_file.wanted), is_from_other_commit) {
                        (true, _) => own.push(held_file),
                        (false, true) => moved.push(held_file),
                        (false, false) => others.push(held_file),
                    }
                }
            }
            Err(error) => {
                // If it cannot be written, the verdict before the tool said so.
                let _ = Journal::of(context, files.checkout.project()).add(
                    &files.checkout,
                    &files.written,
                    &unreachable::reason(&error, context.out),
                );
            }
        }
    }
    let lines = |held: &[HeldFile]| held_file::lines(held, context.out.clock());
    let mut text = String::new();
    if !own.is_empty() {
        text += &format!(
            "WARNING: you wrote files that somebody else holds:\n{}\nTake the changes back (git diff shows them): \
             they cannot be committed by you. nexus why FILE says how to get a file.\n",
            lines(&own)
        );
    }
    if !others.is_empty() {
        text += &format!(
            "Nexus: files that somebody else holds changed while your command ran:\n{}\nTheir holder may have changed \
             them, if you share this folder; then leave them alone. If it was your command, take its changes back \
             (git diff shows them): they cannot be committed by you.\n",
            lines(&others)
        );
    }
    if !moved.is_empty() {
        text += &format!(
            "Nexus: your checkout went to another commit, and files that somebody else holds are others with it:\n{}\n\
             What others committed is in order; if it was not meant, go back.\n",
            lines(&moved)
        );
    }
    if !text.is_empty() && !undo.is_empty() {
        let more = undo.len().saturating_sub(MOST_UNDONE);
        undo.truncate(MOST_UNDONE);
        undo.extend((more > 0).then(|| format!("and {more} more")));
        text += &format!("What was there before:\n{}\n", undo.join("\n"));
    }
    let text = text.trim_end().to_owned();
    match (own.is_empty(), text.is_empty()) {
        (_, true) => Verdict::Silent,
        (true, false) => Verdict::Inform(text),
        (false, false) => Verdict::Refuse(text),
    }
}

/// Files for which one message says how to restore them.
const MOST_UNDONE: usize = 8;

/// The command that restores a file, or why none can.
fn undone(name: &str, change: &FileChange) -> String {
    let target = quoted(&change.path.to_string_lossy());
    match &change.prior {
        was if !was.is_there() => {
            format!("{name} differed from HEAD, and the copy that was kept of it is gone")
        }
        PriorContent::Committed(commit) => {
            let own = change.path.strip_prefix(&change.top).unwrap_or(&change.path);
            let object = format!("{commit}:./{}", own.display());
            format!("git -C {} show {} > {target}", quoted(&change.top.to_string_lossy()), quoted(&object))
        }
        PriorContent::Kept(copy) => format!("cp {} {target}", quoted(&copy.to_string_lossy())),
        PriorContent::Missing => format!("{name} was not there"),
        PriorContent::Unknown => {
            format!(
                "{name} differed from HEAD, and no copy of it was kept: it is too long, or no plain file, or there were too many"
            )
        }
    }
}
