//! `nexus install` and `nexus uninstall`: wire agents and git to Nexus, and take exactly that out.

use super::target::Target;
use crate::{
    answer::Answer,
    config::link,
    context::Context,
    error::Error,
    git::WorkTree,
    guard::{changes::not_ignored, confinement::Confinement},
    hosts::claude_plugin,
    install::{Change, Operation, Plan, Scope},
    output::{Table, Tone},
    text::{format, plain},
};
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use serde_json::{Value, json};
use std::{
    env,
    io::{self, BufRead, IsTerminal},
    path::PathBuf,
};

/// Set up the agents and the git of this repository for Nexus
///
/// Without a name, it sets up all programs that are found. It lists the files before it changes them, with those to be
/// committed; everything else in those files stays as it is. Running it again changes nothing.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus install
  nexus install claude git --yes
  nexus install codex --dry-run --diff
  nexus install claude --user
  nexus install --plugin ./nexus-plugin")]
pub(crate) struct Install {
    #[command(flatten)]
    options: InstallOptions,
    /// Write a plugin folder for Claude Code instead
    #[arg(long, value_name = "DIR", conflicts_with_all = ["targets", "user"])]
    plugin: Option<PathBuf>,
}

/// Undo nexus install
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus uninstall
  nexus uninstall git --yes
  nexus uninstall --user --dry-run")]
pub(crate) struct Uninstall {
    #[command(flatten)]
    options: InstallOptions,
}

#[derive(Args)]
struct InstallOptions {
    /// Programs to configure [default: all that are found]
    #[arg(value_parser = chosen_target(), value_name = "WHAT")]
    targets: Vec<ChosenTarget>,
    /// Apply it to all of your repositories, in your home folder
    #[arg(long)]
    user: bool,
    /// Show the changes without making them
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Show every line that is changed, too
    #[arg(long)]
    diff: bool,
    /// Ask no questions
    #[arg(long, short)]
    yes: bool,
}

/// One of the targets, or all that are found.
#[derive(Clone, Copy)]
enum ChosenTarget {
    One(Target),
    All,
}

/// The names of the targets as values of an argument.
fn chosen_target() -> impl TypedValueParser<Value = ChosenTarget> {
    let named = Target::all().map(|target| PossibleValue::new(target.name()).help(target.help()));
    let all = PossibleValue::new("all").help("All programs that are found");
    PossibleValuesParser::new(named.chain([all])).map(|name| {
        Target::all().find(|target| target.name() == name).map_or(ChosenTarget::All, ChosenTarget::One)
    })
}

impl Install {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        if let Some(folder) = &self.plugin {
            let here = env::current_dir().unwrap_or_default();
            let plan = claude_plugin(&here.join(folder), Scope::here(false)?.is_closed)?;
            let owners = vec!["claude"; plan.changes.len()];
            let changes = listed(&Scope::here(false)?, &plan, &owners);
            return carry_out(context, plan, &changes, &self.options, &[], &[], "Written")?.print(context);
        }
        let is_linked = link::find().is_ok_and(|found| found.is_some());
        if !is_linked && !self.options.user {
            context.out.note("This repository is not linked to a project: until nexus project link SLUG, hooks say nothing");
        }
        let installed = wire(context, &self.options, Operation::Install)?;
        installed.print(context)?;
        installed.offer(context);
        Ok(())
    }
}

impl Uninstall {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        wire(context, &self.options, Operation::Uninstall)?.print(context)
    }
}

/// Wires all that is found, without asking.
///
/// # Errors
/// When a file is not what it should be, or cannot be written.
pub(super) fn all_that_is_found(context: &Context<'_>) -> Result<InstallReport, Error> {
    let options = InstallOptions { targets: Vec::new(), user: false, dry_run: false, diff: false, yes: true };
    wire(context, &options, Operation::Install)
}

fn wire(
    context: &Context<'_>,
    options: &InstallOptions,
    operation: Operation,
) -> Result<InstallReport, Error> {
    let scope = Scope::here(options.user)?;
    let one = |chosen: &ChosenTarget| match chosen {
        ChosenTarget::One(target) => Some(*target),
        ChosenTarget::All => None,
    };
    let named: Vec<Target> = options.targets.iter().filter_map(one).collect();
    let all = options.targets.is_empty() || named.len() < options.targets.len();
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let mut plan = Plan::new(scope.base());
    let mut owners = Vec::new();
    for target in Target::all() {
        let location = target.found(&scope);
        // To take something out it need not be there any more, but what git does not know has no hooks.
        let is_wanted = named.contains(&target)
            || (all && (location.is_some() || (operation == Operation::Uninstall && target != Target::Git)));
        match location {
            Some(location) => found.push((target, location)),
            None if all => missing.push(target),
            None => {}
        }
        if is_wanted {
            let more = target.plan(&scope, operation)?;
            owners.extend(more.changes.iter().map(|_| target.name()));
            plan.extend(more);
        }
    }
    let found: Vec<(Target, String)> =
        found.into_iter().filter(|(target, _)| all || named.contains(target)).collect();
    let done = if operation == Operation::Install { "Installed" } else { "Taken out" };
    let changes = listed(&scope, &plan, &owners);
    carry_out(context, plan, &changes, options, &found, &missing, done)
}

/// The changes that were made, or would be.
pub(super) struct InstallReport {
    plan: Plan,
    answer: Answer,
    /// The verb for the message; none when the changes were only shown.
    done: Option<&'static str>,
    /// The program of the first agent that was found.
    agent: Option<&'static str>,
}

impl InstallReport {
    /// Prints it.
    ///
    /// # Errors
    /// When the output was closed.
    pub(super) fn print(&self, context: &Context<'_>) -> Result<(), Error> {
        let out = context.out;
        out.answer(&self.answer, |_: Value| {
            if self.plan.changes.is_empty() {
                return out.line("Nothing to change");
            }
            let Some(done) = self.done else { return Ok(()) };
            self.plan.changes.iter().try_for_each(|change| {
                out.line(format_args!("{done}: {} {}", change.word(), change.path().display()))
            })
        })?;
        self.plan.notes.iter().for_each(|note| out.note(note));
        Ok(())
    }

    /// Says how an agent is started so that the kernel guards it too.
    pub(super) fn offer(&self, context: &Context<'_>) {
        let Some(program) = self.agent else { return };
        if self.done.is_some() && Confinement::here(&context.login) == Confinement::Agent {
            context.out.note(format_args!(
                "Start your agent as nexus exec -- {program}: then nothing that it runs can write what others hold"
            ));
        }
    }

    /// The same for programs.
    pub(super) fn into_answer(self) -> Value {
        self.answer.data().clone()
    }
}

/// A change, described for people before it is made.
struct ListedChange {
    /// The action on the file.
    word: &'static str,
    path: PathBuf,
    /// The path from the root of the repository, if the file is in it.
    name: String,
    /// The program that it is installed for.
    owner: &'static str,
    /// Why the file is not to be committed; none if others of the project get it by a commit.
    uncommitted: Option<&'static str>,
}

/// The changes of a plan. `owners` has the target of each.
fn listed(scope: &Scope, plan: &Plan, owners: &[&'static str]) -> Vec<ListedChange> {
    let paths: Vec<PathBuf> = plan.changes.iter().map(Change::path).collect();
    let below = |path: &PathBuf| {
        let name = path.strip_prefix(&scope.root).ok()?;
        (!name.starts_with(".git")).then(|| name.to_string_lossy().into_owned())
    };
    let is_tree = WorkTree::at(&scope.root).is_some();
    let inside: Vec<String> = paths.iter().filter_map(below).collect();
    let committed = if is_tree { not_ignored(&scope.root, inside) } else { Vec::new() };
    let changes = plan.changes.iter().zip(paths).zip(owners);
    let listed = changes.map(|((change, path), owner)| {
        let name = below(&path);
        let uncommitted = match &name {
            _ if scope.is_user() => Some("no: it is for all of your repositories"),
            None => Some("no: it is of this clone alone"),
            Some(_) if !is_tree => Some("no: Git is not used here"),
            Some(name) if committed.contains(name) => None,
            Some(_) => Some("no: Git ignores it"),
        };
        let shown = path.strip_prefix(&scope.root).unwrap_or(&path).display().to_string();
        ListedChange { word: change.word(), name: shown, owner, uncommitted, path }
    });
    listed.collect()
}

fn print_list(context: &Context<'_>, changes: &[ListedChange]) -> Result<(), Error> {
    let mut table = Table::new(&["CHANGE", "FILE", "FOR", "COMMIT IT"]);
    for change in changes {
        table.row([
            (change.word.to_owned(), Tone::Plain),
            (plain(&change.name), Tone::Plain),
            (change.owner.to_owned(), Tone::Plain),
            (change.uncommitted.unwrap_or("yes: others get it by that").to_owned(), Tone::Faint),
        ]);
    }
    context.out.table(&table)
}

fn carry_out(
    context: &Context<'_>,
    plan: Plan,
    listed: &[ListedChange],
    options: &InstallOptions,
    found: &[(Target, String)],
    missing: &[Target],
    done: &'static str,
) -> Result<InstallReport, Error> {
    let out = context.out;
    for (target, location) in found {
        out.note(format_args!("Found {} ({location})", target.name()));
    }
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|target| target.name()).collect();
        out.note(format_args!("Not found: {}; name one to wire it all the same", names.join(", ")));
    }
    let is_asked = !options.yes && !options.dry_run && !plan.changes.is_empty();
    if !out.is_json() && (options.dry_run || is_asked) && !listed.is_empty() {
        print_list(context, listed)?;
    }
    if options.diff && !out.is_json() {
        show_diff(context, &plan)?;
    }
    if is_asked && !agreed(context, &plan)? {
        return Err(Error::local("nothing was changed"));
    }
    if !options.dry_run {
        for change in &plan.changes {
            change.apply()?;
        }
    }
    let to_commit: Vec<&str> = listed
        .iter()
        .filter(|change| change.uncommitted.is_none())
        .map(|change| change.name.as_str())
        .collect();
    if !options.dry_run && !to_commit.is_empty() {
        out.note(plain(&format!(
            "Commit {}: others of the project get it by that",
            format::list(&to_commit)
        )));
    }
    let changes: Vec<Value> = listed
        .iter()
        .map(|change| {
            json!({ "path": change.path.display().to_string(), "action": change.word, "for": change.owner,
                "commit": change.uncommitted.is_none() })
        })
        .collect();
    let agent = found.iter().find_map(|(target, _)| target.program());
    let found: Vec<&str> = found.iter().map(|(target, _)| target.name()).collect();
    let missing: Vec<&str> = missing.iter().map(|target| target.name()).collect();
    let answer = Answer::new(json!({ "applied": !options.dry_run, "changes": changes, "found": found,
        "notFound": missing, "messages": plan.notes }));
    Ok(InstallReport { plan, answer, done: (!options.dry_run).then_some(done), agent })
}

/// Prints each line that is changed.
fn show_diff(context: &Context<'_>, plan: &Plan) -> Result<(), Error> {
    let diff: String = plan.changes.iter().map(Change::shown).collect();
    for line in diff.lines() {
        let tone = match line.chars().next() {
            Some('+') => Tone::Good,
            Some('-') => Tone::Bad,
            _ => Tone::Plain,
        };
        context.out.line(tone.paint(&plain(line)))?;
    }
    Ok(())
}

/// Whether the person agrees, who may see every line first. Without a terminal `--yes` is needed.
fn agreed(context: &Context<'_>, plan: &Plan) -> Result<bool, Error> {
    if context.out.is_json() || !io::stdin().is_terminal() {
        return Err(Error::misused("nobody is there to be asked").hint(
            "--yes changes it without asking; --dry-run only lists what would be changed, --diff every line",
        ));
    }
    loop {
        eprint!("Change this? [y/N, d for every line] ");
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| Error::local(format!("cannot read the answer: {error}")))?;
        match line.trim() {
            "d" | "D" | "diff" => show_diff(context, plan)?,
            answer => return Ok(matches!(answer, "y" | "Y" | "yes")),
        }
    }
}
