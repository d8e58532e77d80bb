//! What is said when nobody can tell whose files are.

use crate::{
    context::Context,
    error::{Error, Report},
    guard::{journal::Journal, place::Place, policy::Policy},
    hosts::Verdict,
    output::{Output, words},
};

/// Why nobody can tell, in one line.
pub(super) fn reason(error: &Error, out: &Output) -> String {
    let report = Report::new(error, out.clock());
    let lines: Vec<String> =
        report.lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    if lines.is_empty() { report.message } else { format!("{} ({})", report.message, lines.join("; ")) }
}

/// What goes by the policy; what is let through is remembered first.
pub(super) fn verdict(
    policy: Policy,
    why: &str,
    paths: &[String],
    kept: Option<(&Context<'_>, &Place)>,
) -> Verdict {
    let named = words::list(paths);
    if policy == Policy::FailClosed {
        return Verdict::Refuse(format!(
            "Nexus cannot tell whose {named} is: {why}.\nPolicy {}: nothing is written until a server answers. \
             Wait and try again; nexus cluster status shows the servers.",
            policy.word()
        ));
    }
    let kept = kept.map(|(context, place)| Journal::of(context, place.project()).add(place, paths, why));
    let journal = match kept {
        Some(Ok(())) => "noted in a journal, and checked as soon as a server answers".to_owned(),
        Some(Err(error)) => format!("not even noted, since the journal cannot be written ({error})"),
        None => "not noted".to_owned(),
    };
    Verdict::Tell(format!(
        "Nexus cannot tell whose {named} is: {why}.\nPolicy {}: it is let through unchecked, and {journal}. \
         Somebody else may be editing it: keep to what you held before.",
        policy.word()
    ))
}
