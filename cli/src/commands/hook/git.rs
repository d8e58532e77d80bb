//! `nexus hook git`: refuses a commit or a push of files that another session holds, and says who. Adds the receipt to
//! the message of a commit.

use super::unreachable;
use crate::{
    agent_run::{Actor, TERMINAL},
    args::Global,
    config::{login::LoginFile, policy::Policy},
    context::{self, Context},
    error::Error,
    git::{self, Edge, Git},
    guard::{
        checkout::{self, LinkedCheckout},
        held_file,
        receipt::Receipt,
        write_access,
    },
    hosts::Verdict,
    output::Output,
    repository,
    text::plain,
};
use std::{
    env,
    io::{Read, Write},
    process::ExitCode,
};

/// Refs of one push: git writes a line of some 200 bytes for each.
const MAX_REFS_BYTES: u64 = 4 << 20;

/// Answers git. Exit code 1 refuses; without an opinion it is 0.
pub(super) fn start(event: &str, more: &[String], global: Global, out: &Output) -> ExitCode {
    // Git itself runs this, with its repository in the environment.
    let git = Git::of_hook();
    if event == "commit-msg" {
        return receipted(&git, more, global, out);
    }
    let files = match event {
        "pre-commit" | "pre-merge-commit" => git::staged(&git),
        "pre-push" => pushed(&git, more),
        _ => return ExitCode::SUCCESS,
    };
    let what = if event == "pre-push" { "push" } else { "commit" };
    let checkout = env::current_dir()
        .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))
        .and_then(|here| LinkedCheckout::of(&here));
    let (files, checkout) = match (files, checkout) {
        (_, Ok(None)) => return ExitCode::SUCCESS,
        (Ok(files), Ok(Some(checkout))) => (files, checkout),
        // If git cannot list the changes, it cannot commit or push them either.
        (Err(error), _) => return failed(out, &error),
        (Ok(_), Err(error)) => {
            let login = LoginFile::locate().and_then(|file| file.read()).ok();
            return by_policy(Policy::find(None, login.as_ref()), &error, &[], what, out);
        }
    };
    // A bare repository has no work tree.
    let top = git.top().unwrap_or_else(|_| checkout.root.clone());
    let names: Vec<String> = git::in_tree(&top, files).iter().flat_map(|path| checkout.names(path)).collect();
    if names.is_empty() {
        return ExitCode::SUCCESS;
    }
    let context = context::runtime().and_then(|runtime| Ok((runtime, Context::new(global, out)?)));
    let (refusal, policy) = match context {
        Ok((runtime, context)) => {
            let policy = Policy::find(Some(&checkout.link), Some(&context.login));
            (runtime.block_on(held_files(&context, &checkout, &names, what)), policy)
        }
        Err(error) => (Err(error), Policy::find(Some(&checkout.link), None)),
    };
    match refusal {
        Ok(None) => {
            checkout::explain_unclaimable(&names).into_iter().for_each(|text| print(&text));
            ExitCode::SUCCESS
        }
        Ok(Some(refusal)) => {
            print(&refusal);
            ExitCode::FAILURE
        }
        // A refusal is an answer, though not about the files: the policy is for when there is none.
        Err(error @ Error::Refused(_)) => {
            print(&unreachable::no_answer(&error, &names, out));
            ExitCode::FAILURE
        }
        Err(error) => by_policy(policy, &error, &names, what, out),
    }
}

/// Adds the receipt of the acting session to the message in a file. It never stops the commit, since `nexus verify`
/// names what has no receipt; a person without a session gets none, and no word about it.
fn receipted(git: &Git, more: &[String], global: Global, out: &Output) -> ExitCode {
    let add = || -> Result<(), Error> {
        let Some(message) = more.first() else { return Ok(()) };
        let here = env::current_dir()
            .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
        let Some(checkout) = LinkedCheckout::of(&here)? else { return Ok(()) };
        let top = git.top().unwrap_or_else(|_| checkout.root.clone());
        let (files, replaced) = git::being_made(git)?;
        // A commit that only gets another message keeps its receipts.
        let kept = replaced.map(|commit| Receipt::all_in(&commit.message)).unwrap_or_default();
        kept.iter().try_for_each(|receipt| git::add_trailer(git, message, &receipt.to_string()))?;
        let files = git::in_tree(&top, files);
        let names: Vec<String> = files.iter().flat_map(|path| checkout.names(path)).collect();
        if names.is_empty() {
            return Ok(());
        }
        let (runtime, context) = (context::runtime()?, Context::new(global, out)?);
        let receipt = Receipt::for_files(&context, checkout.project(), &names);
        match runtime.block_on(receipt)? {
            Some(receipt) => git::add_trailer(git, message, &receipt.to_string()),
            None => Ok(()),
        }
    };
    if let Err(error) = add() {
        let why = unreachable::reason(&error, out);
        print(&format!("Nexus: this commit gets no receipt: {why}. nexus verify may name it."));
    }
    ExitCode::SUCCESS
}

/// Prints that the hook failed. The exit code stops nothing.
fn failed(out: &Output, error: &Error) -> ExitCode {
    out.error(error);
    ExitCode::FAILURE
}

/// The answer of the policy when no server says who holds the files.
fn by_policy(policy: Policy, error: &Error, names: &[String], what: &str, out: &Output) -> ExitCode {
    let why = unreachable::reason(error, out);
    match unreachable::verdict(policy, &why, names, None) {
        Verdict::Refuse(text) => {
            print(&text);
            ExitCode::FAILURE
        }
        Verdict::Inform(_) | Verdict::Silent => {
            print(&format!(
                "Nexus cannot tell whose these files are: {why}.\nPolicy {}: the {what} is let through unchecked; nexus verify checks it later.",
                policy.word()
            ));
            ExitCode::SUCCESS
        }
    }
}

fn print(text: &str) {
    // If nobody reads it, the exit code says the same.
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}

/// A refusal, if there is a reason for one.
async fn held_files(
    context: &Context<'_>,
    checkout: &LinkedCheckout,
    names: &[String],
    what: &str,
) -> Result<Option<String>, Error> {
    let project = checkout.project();
    let held = match context.actor() {
        // A person at a terminal who commits what an agent of theirs wrote needs no session.
        Actor::AgentRun { key, .. }
            if key.kind() == TERMINAL && context.records().read(key, project).is_none() =>
        {
            write_access::held_by_other_engineers(context, project, names).await?
        }
        _ => write_access::held_by_others(context, project, names).await?,
    };
    let Some(first) = held.first() else { return Ok(None) };
    Ok(Some(format!(
        "Nexus refuses this {what}:\n{}\nNext: leave these files out, or nexus why {} says how to get it.",
        held_file::lines(&held, context.out.clock()),
        repository::as_typed(&first.wanted)
    )))
}

/// The files of the commits that no other repository has yet. Git lists on stdin what it pushes where. Commits that any
/// other repository is known to have do not count: a fork is pushed with what was merged upstream, and a URL has no
/// name here.
fn pushed(git: &Git, more: &[String]) -> Result<Vec<String>, Error> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_REFS_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Error::local(format!("cannot read from git: {error}")))?;
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let words = lines.iter().filter_map(|words| words.get(3)).filter(|commit| !is_nothing(commit));
    let mut there: Vec<String> = words.map(|commit| (*commit).to_owned()).collect();
    there.extend(git::fetched(git));
    if there.is_empty() && !git::has_remotes(git) {
        // No remote branch is known here, so the other side is asked what it has.
        match more.get(1).map(|url| git::listed_by(git, url)) {
            Some(Ok(commits)) => there.extend(commits),
            Some(Err(git::Elapsed)) => print(&format!(
                "Nexus: the other side does not say within {} s what it has; every commit of this push is looked at, \
                 also what others merged.",
                git::LONGEST_LISTING.as_secs()
            )),
            None => {}
        }
    }
    // If another push came first, git refuses by itself.
    let there = git::known(git, there);
    let mut files = Vec::new();
    for words in &lines {
        let [_, local, _, _] = words[..] else { continue };
        if is_nothing(local) {
            continue;
        }
        let mut chosen = vec![local.to_owned(), "--not".to_owned(), "--remotes".to_owned()];
        chosen.extend(there.iter().cloned());
        files.extend(git::committed(git, &chosen, Edge::LeftOut)?);
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whether it stands for no commit: the branch is created or deleted by this push.
fn is_nothing(commit: &str) -> bool {
    commit.bytes().all(|digit| digit == b'0')
}
