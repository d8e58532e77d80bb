//! Verdicts when it is not known who holds files: no server answers, or the event cannot be read.

use crate::{
    config::policy::Policy,
    error::{Error, Report},
    guard::{checkout::LinkedCheckout, journal::Journal},
    hosts::{EventKind, Verdict},
    output::Output,
    text::{format, plain},
};

/// The error in one line.
pub(super) fn reason(error: &Error, out: &Output) -> String {
    let report = Report::new(error, out.clock());
    let lines: Vec<String> =
        report.lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    if lines.is_empty() { report.message } else { format!("{} ({})", report.message, lines.join("; ")) }
}

/// The refusal where a server refuses the check itself: files that it says nothing about may not be written.
pub(super) fn no_answer(error: &Error, paths: &[String], out: &Output) -> String {
    let hints = Report::new(error, out.clock()).hints;
    let next = hints.first().map_or_else(String::new, |hint| format!("\nNext: {hint}."));
    format!(
        "Nexus: a server answers, but does not say whose {} is: {}.\nNothing is written until it does: this is no \
         matter of the policy for when none answers.{next}",
        named(paths),
        reason(error, out)
    )
}

/// The verdict of the policy. A write that is let through is noted in the journal first.
pub(super) fn verdict(
    policy: Policy,
    why: &str,
    paths: &[String],
    kept: Option<(&Journal, &LinkedCheckout)>,
) -> Verdict {
    let named = named(paths);
    if policy == Policy::FailClosed {
        return Verdict::Refuse(format!(
            "Nexus cannot tell whose {named} is: {why}.\nPolicy {}: nothing is written until a server answers. \
             Wait and try again; nexus cluster status shows the servers.",
            policy.word()
        ));
    }
    let journal = match kept.map(|(journal, checkout)| journal.add(checkout, paths, why)) {
        Some(Ok(())) => "noted in a journal, and checked as soon as a server answers".to_owned(),
        Some(Err(error)) => format!("not even noted, since the journal cannot be written ({error})"),
        None => "not noted".to_owned(),
    };
    Verdict::Inform(format!(
        "Nexus cannot tell whose {named} is: {why}.\nPolicy {}: it is let through unchecked, and {journal}. \
         Somebody else may be editing it: keep to what you held before.",
        policy.word()
    ))
}

/// The verdict of the policy when a host does not say what its tool writes.
pub(super) fn unreadable(policy: Policy, why: &str) -> Verdict {
    let what = format!("Nexus cannot read what the host says of this tool: {why}");
    match policy {
        Policy::FailClosed => Verdict::Refuse(format!(
            "{what}.\nPolicy {}: nothing is written that nobody can check. Say it in another way: a path in UTF-8, and \
             before the content.",
            policy.word()
        )),
        Policy::FailOpen => Verdict::Inform(format!(
            "{what}.\nPolicy {}: it is let through unchecked. Somebody else may be editing the file: nexus why FILE says \
             so, and what they hold cannot be committed by you.",
            policy.word()
        )),
    }
}

/// The verdict of the policy when a part of a shell command cannot be read.
pub(super) fn unreadable_command(policy: Policy, why: &str) -> Verdict {
    let what = format!("Nexus cannot tell all that this command writes: {why}");
    match policy {
        Policy::FailClosed => Verdict::Refuse(format!(
            "{what}.\nPolicy {}: nothing runs that nobody can check. Say it in several simple commands, and write long \
             files with the tool for that.",
            policy.word()
        )),
        Policy::FailOpen => Verdict::Inform(format!(
            "{what}.\nPolicy {}: it is let through, and what it changed is looked at afterwards. Somebody else may be \
             editing one of its files: keep to what you held before.",
            policy.word()
        )),
    }
}

/// Adds the reasons why parts of what a command may have changed were not checked. Before a tool they are about an
/// earlier command. After a tool, with the policy `fail-closed`, they make the verdict a refusal.
pub(super) fn with_unchecked(
    verdict: Verdict,
    kind: EventKind,
    unchecked: &[String],
    policy: Policy,
) -> Verdict {
    if unchecked.is_empty() {
        return verdict;
    }
    let message = plain(&format!(
        "Nexus did not look at all that a command may have changed: {}. What others hold cannot be committed by you: \
         git status shows what changed, nexus why FILE whose it is.",
        unchecked.join("; ")
    ));
    match (policy, kind) {
        (Policy::FailClosed, EventKind::AfterTool) => {
            let message = format!("{message}\nPolicy {}: look at it before anything else.", policy.word());
            match verdict {
                Verdict::Silent => Verdict::Refuse(message),
                Verdict::Inform(text) | Verdict::Refuse(text) => {
                    Verdict::Refuse(format!("{text}\n{message}"))
                }
            }
        }
        _ => verdict.with(&message),
    }
}

fn named(paths: &[String]) -> String {
    if paths.is_empty() { "the file".to_owned() } else { plain(&format::list(paths)) }
}
