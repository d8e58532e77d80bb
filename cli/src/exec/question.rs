//! What others hold in the checkout that a command starts in, as the cluster says it. Starts no session and takes nothing.

use super::{
    claims::{Claim, Claims, claims},
    plan::{Gap, Plan, Shape, clean},
    spellings::Spellings,
};
use crate::{
    client::Request,
    context::Context,
    error::Error,
    git::Git,
    guard::place::{self, Place},
    run::Actor,
};
use nexus_api_types::{
    Code,
    claim::{CheckPaths, Checked, Standing},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Paths of one question: a server takes five times as many.
const MOST_AT_ONCE: usize = 2_000;

/// Files that wildcards of others are compared with.
const MAX_CANDIDATES: usize = 20_000;

/// Claims that a server lists.
const MOST_LISTED: usize = 10_000;

/// Whose claims are no obstacle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Own {
    /// Sessions.
    pub(super) sessions: BTreeSet<Uuid>,
    /// All sessions of an engineer: where it is the engineer who acts.
    pub(super) engineer: Option<Uuid>,
}

impl Own {
    fn is_own(&self, claim: &Claim) -> bool {
        self.sessions.contains(&claim.session_id) || self.engineer == Some(claim.engineer_id)
    }
}

/// The session that acts where the command is started, if any does.
///
/// # Errors
/// When it has to be asked who the engineer is, and the cluster says no, or nothing.
pub(super) async fn own(context: &Context<'_>, project: Uuid) -> Result<Own, Error> {
    let mut own = known_own(context, project);
    if *context.actor() == Actor::Engineer && own.engineer.is_none() {
        own.engineer = Some(context.me().await?);
    }
    Ok(own)
}

/// The same, as far as it is known without asking.
pub(super) fn known_own(context: &Context<'_>, project: Uuid) -> Own {
    match context.actor() {
        Actor::Session(id) => Own { sessions: BTreeSet::from([*id]), engineer: None },
        Actor::Run { key, .. } => {
            let record = context.records().read(key, project);
            let session = record.map(|record| record.session_id).filter(|id| !id.is_nil());
            Own { sessions: session.into_iter().collect(), engineer: None }
        }
        Actor::Engineer => Own {
            sessions: BTreeSet::new(),
            engineer: context.login.engineer_id.filter(|_| context.given_token.is_none()),
        },
    }
}

/// The paths in a checkout that others hold, and the log index that the answer reflects.
///
/// # Errors
/// When the cluster says no, or nothing.
pub(super) async fn held(
    context: &Context<'_>,
    place: &Place,
    own: &Own,
) -> Result<(Plan, Option<u64>), Error> {
    let project = place.project();
    context.client.act_as(None);
    let Claims { revision, claims } = claims(context, project).await?;
    let mut plan = Plan::of(place.root.clone());
    if claims.len() >= MOST_LISTED {
        plan.leave(format!("what is held beyond {MOST_LISTED} claims"), Gap::TooMany);
    }
    let (mine, others): (Vec<&Claim>, Vec<&Claim>) = claims.iter().partition(|claim| own.is_own(claim));
    let mine: Vec<Shape> = mine.iter().map(|claim| Shape::of(&claim.file_path)).collect();
    let mut wild: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    let (mut spellings, mut respelled) = (Spellings::in_checkout(&place.root), BTreeSet::new());
    for claim in others {
        let pattern = claim.file_path.as_str();
        match Shape::of(pattern) {
            // Readers share a folder: then not all of it is to be read-only.
            Shape::Path(path) if mine.iter().any(|mine| is_near(mine, &path)) => {
                wild.entry(path).or_default().push(pattern);
            }
            Shape::Path(path) => {
                if !is_there(&place.root, &path) {
                    respelled.extend(spellings.of(&path));
                }
                plan.add(path);
            }
            Shape::Everything if mine.is_empty() => plan.add_everything(),
            Shape::Everything => wild.entry(PathBuf::new()).or_default().push(pattern),
            Shape::Some { beneath } => {
                // A bracket may be a letter of the file's own name.
                if let Some(path) = clean(pattern).filter(|path| is_there(&place.root, path)) {
                    plan.add(path);
                }
                wild.entry(beneath).or_default().push(pattern);
            }
            Shape::Nothing => plan.leave(pattern.to_owned(), Gap::NoFile),
        }
    }
    if !wild.is_empty() {
        add_matching(context, place, own, &wild, &mut plan).await?;
    }
    let respelled: Vec<String> = respelled.into_iter().take(MAX_CANDIDATES).collect();
    for files in respelled.chunks(MOST_AT_ONCE) {
        for file in of_others(context, project, own, files).await? {
            plan.add(PathBuf::from(file));
        }
    }
    plan.finish();
    Ok((plan, revision))
}

/// Whether something of one's own may be that path, above it or beneath it.
fn is_near(mine: &Shape, path: &Path) -> bool {
    match mine {
        Shape::Path(mine) | Shape::Some { beneath: mine } => mine.starts_with(path) || path.starts_with(mine),
        Shape::Everything => true,
        Shape::Nothing => false,
    }
}

fn is_there(root: &Path, path: &Path) -> bool {
    root.join(path).symlink_metadata().is_ok()
}

/// Protects the files that wildcards of others match: the cluster is asked about each file that there is, since it is
/// the one that knows what a wildcard means.
async fn add_matching(
    context: &Context<'_>,
    place: &Place,
    own: &Own,
    wild: &BTreeMap<PathBuf, Vec<&str>>,
    plan: &mut Plan,
) -> Result<(), Error> {
    for pattern in wild.values().flatten() {
        plan.leave((*pattern).to_owned(), Gap::NewFiles);
    }
    let mut arguments =
        vec!["--literal-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"];
    let folders: Vec<String> = wild.keys().map(|folder| folder.display().to_string()).collect();
    let whole = folders.iter().any(String::is_empty);
    arguments.extend(folders.iter().filter(|_| !whole).map(String::as_str));
    let Ok(files) = Git::at(&place.root).entries(&arguments) else {
        wild.values().flatten().for_each(|pattern| plan.leave((*pattern).to_owned(), Gap::Refused));
        return Ok(());
    };
    let mut files: Vec<String> =
        files.into_iter().filter(|file| place::is_claimable(file) && clean(file).is_some()).collect();
    files.sort_unstable();
    files.dedup();
    for file in files.drain(files.len().min(MAX_CANDIDATES)..) {
        plan.leave(file, Gap::TooMany);
    }
    for files in files.chunks(MOST_AT_ONCE) {
        for file in of_others(context, place.project(), own, files).await? {
            plan.add(PathBuf::from(file));
        }
    }
    Ok(())
}

/// Which of these files somebody else holds, and none of one's own sessions.
async fn of_others(
    context: &Context<'_>,
    project: Uuid,
    own: &Own,
    files: &[String],
) -> Result<Vec<String>, Error> {
    let body = CheckPaths { paths: files.to_vec(), fence: None };
    let check = Request::post(format!("/projects/{project}/claims/check")).body(&body);
    let ask = |session: Option<Uuid>| {
        context.client.act_as(session);
        context.client.send(check.clone())
    };
    let mut left: Option<BTreeSet<usize>> = None;
    for session in &own.sessions {
        let checked: Checked = match ask(Some(*session)).await {
            Ok(answer) => answer.parse()?,
            // The session is over, and holds nothing.
            Err(Error::Refused(refused)) if refused.body.code == Code::NotFound => continue,
            Err(error) => return Err(error),
        };
        let held = indexes(&checked, |standing| standing == Standing::Held);
        left = Some(left.map_or(held.clone(), |left| left.intersection(&held).copied().collect()));
    }
    let left = match left {
        Some(left) => left,
        // As the engineer, files of all of their sessions are theirs: those of sessions that are not one's own here
        // are held by others all the same.
        None => {
            let checked: Checked = ask(None).await?.parse()?;
            let is_engineer = own.engineer.is_some();
            indexes(&checked, |standing| match standing {
                Standing::Held => true,
                Standing::Mine => !is_engineer,
                Standing::Free => false,
            })
        }
    };
    context.client.act_as(None);
    Ok(left.into_iter().filter_map(|at| files.get(at).cloned()).collect())
}

fn indexes(checked: &Checked, is_one: impl Fn(Standing) -> bool) -> BTreeSet<usize> {
    let paths = checked.paths.iter().enumerate();
    paths.filter(|(_, path)| is_one(path.standing)).map(|(at, _)| at).collect()
}
