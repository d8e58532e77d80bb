//! What is protected where a command starts, or why it is not run.

use super::{
    plan::Plan,
    portable,
    question::{self, Own},
};
use crate::{
    context::Context,
    error::{Error, Report},
    guard::{place::Place, policy::Policy},
    output::plain,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What is protected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    /// In each checkout.
    pub(super) plans: Vec<Plan>,
    /// What is needed to follow changes, for each of them.
    pub(super) followed: Vec<Followed>,
    /// What has to be said before the command runs.
    pub(super) notes: Vec<String>,
    /// Why it must not run.
    pub(super) failure: Option<Failure>,
    /// Why it must not run for who requires protection: nobody could be asked, and the policy lets it run.
    pub(super) unasked: Option<Failure>,
}

/// Why a command is not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// As of any command that fails so.
    pub(super) exit_code: u8,
    /// For people.
    pub(super) lines: Vec<String>,
}

impl Failure {
    /// What stands in the way before anybody is asked.
    pub(super) fn of(error: &Error) -> Self {
        Self { exit_code: error.exit_code(), lines: vec![format!("the command was not run: {error}")] }
    }
}

/// A checkout whose claims are followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Followed {
    /// Its project.
    pub(super) project: Uuid,
    /// Its root, without symbolic links.
    #[serde(with = "portable::one")]
    pub(super) root: PathBuf,
    /// The log index that is known; none when no server answered yet.
    pub(super) since: Option<u64>,
    /// Whose claims are no obstacle to who started the command.
    pub(super) own: Own,
}

/// The linked checkouts that a folder is in: its own, and the one of another project around it.
///
/// # Errors
/// When a link cannot be read.
pub(super) fn places(folder: &Path) -> Result<Vec<Place>, Error> {
    let Some(place) = Place::of(folder)? else { return Ok(Vec::new()) };
    let around = place.around()?;
    Ok(std::iter::once(place).chain(around).collect())
}

/// Asks the cluster about the checkouts that a command starts in. Silence goes by the policy, as everywhere; a refusal
/// lets nothing run.
pub(super) async fn find(context: &Context<'_>, places: &[Place]) -> Found {
    let mut found = Found::default();
    for place in places {
        let project = place.project();
        found.notes.extend(place.warning.clone());
        let root = place.root.clone();
        let asked = match question::own(context, project).await {
            Ok(own) => question::held(context, place, &own).await.map(|(plan, since)| (own, plan, since)),
            Err(error) => Err(error),
        };
        match asked {
            Ok((own, plan, since)) => {
                found.plans.push(plan);
                found.followed.push(Followed { project, root, since, own });
            }
            Err(error) if is_silence(&error) && policy(context, place) == Policy::FailOpen => {
                let why = || "--require: nothing runs until a server answers".to_owned();
                found.unasked.get_or_insert_with(|| failure(context, &error, Some(why())));
                found.notes.push(format!(
                    "Nobody can tell whose files are: {}. Policy {}: nothing is protected until a server answers",
                    Report::new(&error, context.out.clock()).message,
                    Policy::FailOpen.word()
                ));
                found.plans.push(Plan::of(root.clone()));
                let own = question::known_own(context, project);
                found.followed.push(Followed { project, root, since: None, own });
            }
            Err(error) => {
                let why = is_silence(&error).then(|| {
                    format!("policy {}: nothing runs until a server answers", policy(context, place).word())
                });
                found.failure = Some(failure(context, &error, why));
                return found;
            }
        }
    }
    found
}

/// Whether an error says that nobody could be asked, and not that somebody said no.
const fn is_silence(error: &Error) -> bool {
    match error {
        Error::Unreachable(_) | Error::NotLoggedIn | Error::Local(_) => true,
        Error::Refused(_) | Error::Misused(_) | Error::Found | Error::OutputClosed => false,
    }
}

fn policy(context: &Context<'_>, place: &Place) -> Policy {
    Policy::find(Some(&place.link), Some(&context.login))
}

fn failure(context: &Context<'_>, error: &Error, why: Option<String>) -> Failure {
    let report = Report::new(error, context.out.clock());
    let mut lines = vec![format!("the command was not run: {}", report.message)];
    lines.extend(report.lines);
    lines.extend(why);
    lines.extend(report.hints.into_iter().map(|hint| format!("next: {hint}")));
    Failure { exit_code: error.exit_code(), lines: lines.iter().map(|line| plain(line)).collect() }
}
