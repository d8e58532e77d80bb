//! `nexus hook git`: refuses a commit or a push of files that another session holds, and says who.

use super::{failed, unreachable};
use crate::{
    args::Global,
    context::Context,
    error::Error,
    guard::{changes, decision, holding, place::Place, policy::Policy},
    hosts::Verdict,
    output::Output,
    run::Actor,
};
use std::{
    env,
    io::{Read, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Refs of one push: git writes a line of some 200 bytes for each.
const MAX_REFS_BYTES: u64 = 4 << 20;

/// Paths of one question to the cluster.
const MOST_AT_ONCE: usize = 2_000;

/// Answers git. Exit code 1 refuses; without an opinion it is 0.
pub(super) fn start(event: &str, more: &[String], global: Global, out: &Output) -> ExitCode {
    let files = match event {
        "pre-commit" | "pre-merge-commit" => changes::staged(),
        "pre-push" => pushed(more),
        _ => return ExitCode::SUCCESS,
    };
    let place = env::current_dir()
        .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))
        .and_then(|here| Place::of(&here));
    let (files, place) = match (files, place) {
        (_, Ok(None)) => return ExitCode::SUCCESS,
        (Ok(files), Ok(Some(place))) => (files, place),
        // Git itself cannot tell: it will not get far either.
        (Err(error), _) | (_, Err(error)) => return failed(out, &error),
    };
    let names: Vec<String> = files.iter().flat_map(|path| place.names(path)).collect();
    if names.is_empty() {
        return ExitCode::SUCCESS;
    }
    let what = if event == "pre-push" { "push" } else { "commit" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let context = runtime
        .map_err(|error| Error::local(format!("cannot start: {error}")))
        .and_then(|runtime| Ok((runtime, Context::new(global, out)?)));
    let (verdict, policy) = match context {
        Ok((runtime, context)) => {
            let policy = Policy::find(&place.link, Some(&context.login));
            (
                runtime
                    .block_on(looked_at(&context, &place, &names, what))
                    .map_err(|error| unreachable::reason(&error, out)),
                policy,
            )
        }
        Err(error) => (Err(unreachable::reason(&error, out)), Policy::find(&place.link, None)),
    };
    let (text, code) = match verdict {
        Ok(None) => return ExitCode::SUCCESS,
        Ok(Some(refusal)) => (refusal, ExitCode::FAILURE),
        Err(why) => match unreachable::verdict(policy, &why, &names, None) {
            Verdict::Refuse(text) => (text, ExitCode::FAILURE),
            Verdict::Tell(_) | Verdict::Silent => (
                format!(
                    "Nexus cannot tell whose these files are: {why}.\nPolicy {}: the {what} is let through unchecked; nexus verify checks it later.",
                    policy.word()
                ),
                ExitCode::SUCCESS,
            ),
        },
    };
    let _ = writeln!(std::io::stderr().lock(), "{text}");
    code
}

/// A refusal, if there is a reason for one.
async fn looked_at(
    context: &Context<'_>,
    place: &Place,
    names: &[String],
    what: &str,
) -> Result<Option<String>, Error> {
    let project = place.project();
    let mut held = Vec::new();
    for names in names.chunks(MOST_AT_ONCE) {
        let found = match context.actor() {
            // A person at a terminal, who commits what an agent of theirs wrote, has no session and needs none.
            Actor::Run { key, .. }
                if key.kind() == "terminal" && context.records().read(key, project).is_none() =>
            {
                let claims = decision::claims_on(context, project, names).await?;
                let me = context.me().await?;
                claims
                    .into_iter()
                    .filter_map(|(path, claims)| {
                        let other = claims.into_iter().find(|claim| claim.engineer_id != me)?;
                        Some(holding::Holding::of_claim(&path, &other))
                    })
                    .collect()
            }
            _ => decision::look(context, project, names).await?,
        };
        held.extend(found);
    }
    if held.is_empty() {
        return Ok(None);
    }
    let file = held[0].wanted.clone();
    Ok(Some(format!(
        "Nexus refuses this {what}:\n{}\nNext: leave these files out, or nexus why {file} says how to get it.",
        holding::lines(&held, context.out.clock())
    )))
}

/// The files of the commits that the other side does not have. Git says on stdin what it pushes where.
fn pushed(more: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_REFS_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Error::local(format!("cannot read from git: {error}")))?;
    let remote = more.first().map_or("origin", String::as_str);
    let mut files = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, there] = words[..] else { continue };
        if is_nothing(local) {
            continue;
        }
        let mut chosen = vec![local.to_owned(), "--not".to_owned(), format!("--remotes={remote}")];
        // What the other side has may be unknown here, after somebody else pushed: then git refuses by itself.
        if !is_nothing(there) && changes::told(&["cat-file", "-e", there]).is_ok() {
            chosen.push(there.to_owned());
        }
        files.extend(changes::committed(&chosen)?);
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// A commit that is none: the branch begins or ends with this push.
fn is_nothing(commit: &str) -> bool {
    commit.bytes().all(|digit| digit == b'0')
}
