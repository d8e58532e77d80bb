//! The protection of the checkouts in which a command starts, or the reason why it must not run.

use super::{
    claim_query::ClaimQuery,
    claims::claims,
    own_sessions::{OwnSessions, engineer},
    portable,
    protection::ProtectionPlan,
};
#[cfg(target_os = "linux")]
use crate::config::login::Login;
use crate::{
    args::Global,
    config::policy::Policy,
    context::{self, Context},
    error::{Error, Report},
    guard::checkout::LinkedCheckout,
    output::Output,
    text::{format, plain},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// The longest time for a request before the command runs: a person waits for it.
const LONGEST: Duration = Duration::from_secs(6);

/// The protection of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LaunchPlan {
    /// The protection in each checkout.
    pub(super) plans: Vec<ProtectionPlan>,
    /// The data to follow changes, for each checkout.
    pub(super) followed: Vec<FollowedCheckout>,
    /// Warnings that are printed before the command runs.
    pub(super) notes: Vec<String>,
    /// The reason why the command must not run, if there is one.
    pub(super) failure: Option<LaunchFailure>,
    /// The reason why it must not run with `--require`: no server answered, although the policy lets it run.
    pub(super) unasked: Option<LaunchFailure>,
}

/// A failure that keeps a command from running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LaunchFailure {
    /// The exit code of any command with this error.
    pub(super) exit_code: u8,
    /// Lines of the error message that is printed.
    pub(super) lines: Vec<String>,
}

impl LaunchFailure {
    /// The failure for an error before any request.
    pub(super) fn of(error: &Error) -> Self {
        Self { exit_code: error.exit_code(), lines: vec![format!("the command was not run: {error}")] }
    }
}

/// A checkout whose claims are followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FollowedCheckout {
    /// The project that the checkout is linked to.
    pub(super) project: Uuid,
    /// Its root, without symbolic links.
    #[serde(with = "portable::one")]
    pub(super) root: PathBuf,
    /// The log index that is known; none when no server answered yet.
    pub(super) since: Option<u64>,
    /// Whether others hold wildcards, so that files that are made may be theirs.
    pub(super) has_wildcards: bool,
    /// The sessions whose claims do not restrict the command.
    pub(super) own: OwnSessions,
}

/// The linked checkouts that a folder is in: its own, and the one of another project around it.
///
/// # Errors
/// When a link cannot be read.
pub(super) fn linked_checkouts(folder: &Path) -> Result<Vec<LinkedCheckout>, Error> {
    let Some(checkout) = LinkedCheckout::of(folder)? else { return Ok(Vec::new()) };
    let around = checkout.enclosing()?;
    Ok(std::iter::once(checkout).chain(around).collect())
}

/// Asks the cluster about the checkouts that a command starts in. In an outage the policy decides; after a refusal
/// nothing runs.
pub(super) async fn ask_cluster(context: &Context<'_>, checkouts: &[LinkedCheckout]) -> LaunchPlan {
    let mut launch_plan = LaunchPlan::default();
    for checkout in checkouts {
        let project = checkout.project();
        launch_plan.notes.extend(checkout.warning.clone());
        let root = checkout.root.clone();
        let own = OwnSessions::of_current_actor(context, project);
        match ask(context, checkout, &own).await {
            Ok(CheckoutAnswer { plan, since, has_wildcards, agents }) => {
                if own.has_default && !agents.is_empty() {
                    let agents: Vec<String> = agents.into_iter().collect();
                    launch_plan.notes.push(format!(
                        "Files of your own agents are protected, too: {}",
                        format::list(&agents)
                    ));
                }
                launch_plan.plans.push(plan);
                launch_plan.followed.push(FollowedCheckout { project, root, since, has_wildcards, own });
            }
            Err(error) if is_unreachable(&error) && policy(context, checkout) == Policy::FailOpen => {
                let why = || "--require: nothing runs until a server answers".to_owned();
                launch_plan.unasked.get_or_insert_with(|| failure(context, &error, Some(why())));
                launch_plan.notes.push(format!(
                    "Nobody can tell whose files are: {}. Policy {}: nothing is protected until a server answers",
                    Report::new(&error, context.out.clock()).message,
                    Policy::FailOpen.word()
                ));
                launch_plan.plans.push(ProtectionPlan::of(root.clone()));
                launch_plan.followed.push(FollowedCheckout {
                    project,
                    root,
                    since: None,
                    has_wildcards: false,
                    own,
                });
            }
            Err(error) => {
                let why = is_unreachable(&error).then(|| {
                    format!(
                        "policy {}: nothing runs until a server answers",
                        policy(context, checkout).word()
                    )
                });
                launch_plan.failure = Some(failure(context, &error, why));
                return launch_plan;
            }
        }
    }
    launch_plan
}

/// The answer of the cluster about a checkout.
struct CheckoutAnswer {
    plan: ProtectionPlan,
    /// The log index that it reflects.
    since: Option<u64>,
    has_wildcards: bool,
    /// Other agents of the same engineer, whose claims are not own ones.
    agents: BTreeSet<String>,
}

async fn ask(
    context: &Context<'_>,
    checkout: &LinkedCheckout,
    own: &OwnSessions,
) -> Result<CheckoutAnswer, Error> {
    let project = checkout.project();
    context.client.act_as(None);
    let (claims, engineer) = futures::future::try_join(claims(context, project), engineer(context)).await?;
    let mut query = ClaimQuery::new(project, &checkout.root, &claims, own, engineer);
    let plan = query.plan(context, &BTreeSet::new()).await?;
    let (has_wildcards, agents) = (query.has_wildcards(), query.agents().clone());
    Ok(CheckoutAnswer { plan, since: claims.revision, has_wildcards, agents })
}

/// Asks the cluster about the checkouts that the command starts in.
///
/// # Errors
/// When the command line or the settings are not valid.
pub(super) fn find(mut global: Global, checkouts: &[LinkedCheckout]) -> Result<LaunchPlan, Error> {
    global.timeout = global.timeout.min(LONGEST);
    let out = Output::new(global.json, global.no_color);
    let context = Context::new(global, &out)?;
    Ok(context::runtime()?.block_on(ask_cluster(&context, checkouts)))
}

/// The plan if the companion process does not answer: the policy decides, as in an outage.
#[cfg(target_os = "linux")]
pub(super) fn without_answer(checkouts: &[LinkedCheckout], login: Option<&Login>, why: &str) -> LaunchPlan {
    let failure = |more: String| LaunchFailure {
        exit_code: Error::local(String::new()).exit_code(),
        lines: vec![format!("the command was not run: {why}"), more],
    };
    let policy = |checkout: &LinkedCheckout| Policy::find(Some(&checkout.link), login);
    match checkouts.iter().map(policy).find(|policy| *policy != Policy::FailOpen) {
        Some(policy) => {
            let more = format!("policy {}: nothing runs until it is known what others hold", policy.word());
            LaunchPlan { failure: Some(failure(more)), ..LaunchPlan::default() }
        }
        None => LaunchPlan {
            plans: checkouts.iter().map(|checkout| ProtectionPlan::of(checkout.root.clone())).collect(),
            notes: vec![format!(
                "Nobody can tell whose files are: {why}. Policy {}: nothing is protected",
                Policy::FailOpen.word()
            )],
            unasked: Some(failure("--require: nothing runs until it is known what others hold".to_owned())),
            ..LaunchPlan::default()
        },
    }
}

/// Whether an error is an outage, and not a refusal.
const fn is_unreachable(error: &Error) -> bool {
    match error {
        Error::Unreachable(_) | Error::NotLoggedIn | Error::Local(_) => true,
        Error::Refused(_) | Error::Misused(_) | Error::Found | Error::OutputClosed => false,
    }
}

fn policy(context: &Context<'_>, checkout: &LinkedCheckout) -> Policy {
    Policy::find(Some(&checkout.link), Some(&context.login))
}

fn failure(context: &Context<'_>, error: &Error, why: Option<String>) -> LaunchFailure {
    let report = Report::new(error, context.out.clock());
    let mut lines = vec![format!("the command was not run: {}", report.message)];
    lines.extend(report.lines);
    lines.extend(why);
    lines.extend(report.hints.into_iter().map(|hint| format!("next: {hint}")));
    LaunchFailure { exit_code: error.exit_code(), lines: lines.iter().map(|line| plain(line)).collect() }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checkout(hooks: &str) -> (tempfile::TempDir, LinkedCheckout) {
        let folder = tempfile::tempdir().unwrap();
        let link = format!(r#"{{"projectId":"00000000-0000-0000-0000-000000000001"{hooks}}}"#);
        std::fs::write(folder.path().join(".nexus.json"), link).unwrap();
        let checkout = LinkedCheckout::of(folder.path()).unwrap().unwrap();
        (folder, checkout)
    }

    #[test]
    fn a_companion_that_does_not_answer_is_silence_and_goes_by_the_policy() {
        let (_open, open) = checkout("");
        let launch_plan = without_answer(std::slice::from_ref(&open), None, "no answer within 9 s");
        assert!(launch_plan.failure.is_none() && launch_plan.unasked.is_some(), "{launch_plan:?}");
        assert!(launch_plan.notes[0].contains("no answer within 9 s. Policy fail-open"), "{launch_plan:?}");
        let (_closed, closed) = checkout(r#","hooks":{"whenUnreachable":"fail-closed"}"#);
        let launch_plan = without_answer(&[open, closed], None, "no answer within 9 s");
        assert!(launch_plan.failure.unwrap().lines[1].contains("policy fail-closed"));
    }
}
