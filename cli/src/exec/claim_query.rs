//! Asks the cluster which files of a checkout others hold. Starts no session and claims nothing.
//!
//! A claim on a path names the held file itself. Only the cluster knows which files a wildcard matches: it is asked
//! about each existing file that the wildcard may match, once for each state of the claims.

use super::{
    claims::{Claim, Claims},
    own_sessions::OwnSessions,
    protection::{OwnPaths, PatternShape, ProtectionPlan, UncoveredReason, clean},
    spellings::Spellings,
    wildcard::Wildcard,
    wildcard_files::WildcardFiles,
};
use crate::{client::Request, context::Context, error::Error, guard::checkout};
use nexus_api_types::{
    Code,
    claim::{CheckPaths, Checked, Standing},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Most paths in one request: a server accepts five times as many.
const MOST_AT_ONCE: usize = 2_000;

/// Most files that the cluster is asked about.
const MAX_CANDIDATES: usize = 20_000;

/// Most claims that a server lists.
const MOST_LISTED: usize = 10_000;

/// The query about one checkout, for the claims and sessions of one moment.
pub(super) struct ClaimQuery {
    project: Uuid,
    /// The paths that are protected without a request.
    certain: ProtectionPlan,
    /// Paths that are asked about, whatever the folders contain.
    exact: BTreeSet<String>,
    /// Files that wildcards may match.
    tree: WildcardFiles,
    wildcards: BTreeSet<String>,
    /// The own sessions that hold something.
    sessions: BTreeSet<Uuid>,
    /// Other agents of the same engineer, whose claims are not own ones.
    agents: BTreeSet<String>,
    /// Whether others hold a file, for each file that was asked about.
    answers: BTreeMap<String, bool>,
}

impl ClaimQuery {
    /// Makes the query about a checkout, for a command of this engineer.
    pub(super) fn new(
        project: Uuid,
        root: &Path,
        claims: &Claims,
        own: &OwnSessions,
        engineer: Uuid,
    ) -> Self {
        let (mine, others): (Vec<&Claim>, Vec<&Claim>) =
            claims.claims.iter().partition(|claim| own.is_own(claim, engineer));
        let shapes: Vec<PatternShape> = mine.iter().map(|claim| PatternShape::of(&claim.file_path)).collect();
        let own_paths = OwnPaths::of(&shapes);
        let agents = others.iter().filter(|claim| claim.engineer_id == engineer);
        let mut query = Self {
            project,
            certain: ProtectionPlan::of(root.to_owned()),
            exact: BTreeSet::new(),
            tree: WildcardFiles::new(root.to_owned(), Vec::new(), OwnPaths::default()),
            wildcards: BTreeSet::new(),
            sessions: mine.iter().map(|claim| claim.session_id).collect(),
            agents: agents.filter_map(|claim| claim.agent.clone()).collect(),
            answers: BTreeMap::new(),
        };
        if claims.claims.len() >= MOST_LISTED {
            query
                .certain
                .add_uncovered(format!("what is held beyond {MOST_LISTED} claims"), UncoveredReason::TooMany);
        }
        let (mut wild, mut spellings) = (Vec::new(), Spellings::in_checkout(root));
        for claim in others {
            wild.extend(query.add(&claim.file_path, &own_paths, &mut spellings));
        }
        query.certain.finish();
        query.tree = WildcardFiles::new(root.to_owned(), wild, own_paths);
        query
    }

    /// Adds the pattern of a foreign claim. Returns its wildcard, if only the cluster knows which files it matches.
    fn add(
        &mut self,
        pattern: &str,
        own_paths: &OwnPaths,
        spellings: &mut Spellings<'_>,
    ) -> Option<Wildcard> {
        let wildcard = match PatternShape::of(pattern) {
            // Readers share the folder: then not all of it may become read-only.
            PatternShape::Path(path) if own_paths.overlaps(&path) => {
                self.exact.extend(path.to_str().map(str::to_owned));
                self.ask_about(spellings.others_of(&path).0);
                Wildcard::all_of(path)
            }
            PatternShape::Path(path) => {
                let (others, same) = spellings.others_of(&path);
                self.ask_about(others);
                same.into_iter().chain([path]).for_each(|path| self.certain.add(path));
                return None;
            }
            PatternShape::Everything if own_paths.is_empty() => {
                self.certain.add_everything();
                // New entries of the root are found by reading it again.
                self.wildcards.insert(pattern.to_owned());
                return Some(Wildcard::all_of(PathBuf::new()));
            }
            PatternShape::Everything => Wildcard::all_of(PathBuf::new()),
            PatternShape::Some { .. } => {
                // A bracket may be a letter of the file's own name.
                if let Some(path) = clean(pattern).filter(|path| is_there(&self.certain.root, path)) {
                    self.certain.add(path);
                }
                Wildcard::of(pattern)?
            }
            PatternShape::Nothing => {
                self.certain.add_uncovered(pattern.to_owned(), UncoveredReason::NoFile);
                return None;
            }
        };
        self.certain.add_uncovered(pattern.to_owned(), UncoveredReason::NewFiles);
        self.wildcards.insert(pattern.to_owned());
        Some(wildcard)
    }

    fn ask_about(&mut self, names: Vec<String>) {
        self.exact.extend(names.into_iter().filter(|name| checkout::is_claimable(name)));
    }

    /// Whether others hold wildcards, so that files that are made may be theirs.
    pub(super) fn has_wildcards(&self) -> bool {
        !self.wildcards.is_empty()
    }

    /// Other agents of the same engineer, whose files are protected as well.
    pub(super) const fn agents(&self) -> &BTreeSet<String> {
        &self.agents
    }

    /// Whether files may have been made or deleted since the folders were read.
    #[cfg(target_os = "linux")]
    pub(super) fn has_changed(&self) -> bool {
        self.tree.has_changed()
    }

    /// The held files among the existing ones and among the protected ones. A protected file stays protected for as
    /// long as others hold it, whatever the folders contain.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(super) async fn plan(
        &mut self,
        context: &Context<'_>,
        protected: &BTreeSet<PathBuf>,
    ) -> Result<ProtectionPlan, Error> {
        self.tree.refresh();
        let mut plan = self.certain.clone();
        if self.tree.is_cut() {
            self.wildcards
                .iter()
                .for_each(|pattern| plan.add_uncovered(pattern.clone(), UncoveredReason::Unseen));
        }
        let mut candidates: BTreeSet<String> = self.exact.clone();
        let certain = &self.certain;
        // A folder that is no longer held as a whole may still contain held files.
        let protected: Vec<&PathBuf> =
            protected.iter().filter(|path| !certain.root.join(path).is_dir()).collect();
        for path in protected.into_iter().chain(&self.tree.files()).filter(|path| !certain.has(path)) {
            match path.to_str().filter(|name| checkout::is_claimable(name)) {
                None => plan.add_uncovered(path.display().to_string(), UncoveredReason::Unnamed),
                Some(name) if candidates.contains(name) => {}
                Some(name) if candidates.len() >= MAX_CANDIDATES => {
                    plan.add_uncovered(name.to_owned(), UncoveredReason::TooMany);
                }
                Some(name) => drop(candidates.insert(name.to_owned())),
            }
        }
        self.answers.retain(|name, _| candidates.contains(name));
        let unknown: Vec<&String> =
            candidates.iter().filter(|name| !self.answers.contains_key(*name)).collect();
        let mut answered = Vec::with_capacity(unknown.len());
        for files in unknown.chunks(MOST_AT_ONCE) {
            let files: Vec<String> = files.iter().map(|name| (*name).clone()).collect();
            let held = self.of_others(context, &files).await?;
            answered.extend(files.into_iter().zip(held));
        }
        self.answers.extend(answered);
        let held = self.answers.iter().filter(|(_, is_held)| **is_held).map(|(name, _)| PathBuf::from(name));
        held.chain(self.tree.whole()).for_each(|path| plan.add(path));
        plan.finish();
        Ok(plan)
    }

    /// Whether others hold a file and no own session does, for each of these files.
    async fn of_others(&self, context: &Context<'_>, files: &[String]) -> Result<Vec<bool>, Error> {
        let body = CheckPaths { paths: files.to_vec(), fence: None };
        let check = Request::post(format!("/projects/{}/claims/check", self.project)).body(&body);
        let mut held: Option<Vec<bool>> = None;
        for session in &self.sessions {
            context.client.act_as(Some(*session));
            let answer = context.client.send(check.clone()).await;
            context.client.act_as(None);
            let checked: Checked = match answer {
                Ok(answer) => answer.parse()?,
                // The session is over, and holds nothing.
                Err(Error::Refused(refused)) if refused.body.code == Code::NotFound => continue,
                Err(error) => return Err(error),
            };
            let found = standings(&checked, files.len(), |standing| standing == Standing::Held);
            held = Some(match held {
                Some(before) => before.into_iter().zip(found).map(|(one, other)| one && other).collect(),
                None => found,
            });
        }
        if let Some(held) = held {
            return Ok(held);
        }
        // No own session holds anything, so every holder is another session, of the same engineer or not.
        context.client.act_as(None);
        let checked: Checked = context.client.send(check).await?.parse()?;
        Ok(standings(&checked, files.len(), |standing| standing != Standing::Free))
    }
}

/// Whether a condition holds, for each file of a request. A file that the answer leaves out counts as held.
fn standings(checked: &Checked, count: usize, is_so: impl Fn(Standing) -> bool) -> Vec<bool> {
    (0..count).map(|at| checked.paths.get(at).is_none_or(|path| is_so(path.standing))).collect()
}

fn is_there(root: &Path, path: &Path) -> bool {
    root.join(path).symlink_metadata().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    const ANA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);

    fn claim(engineer: Uuid, session: u128, path: &str) -> Claim {
        Claim {
            file_path: path.to_owned(),
            session_id: Uuid::from_u128(session),
            engineer_id: engineer,
            agent: Some("build".to_owned()),
        }
    }

    fn query(root: &Path, claims: &[Claim]) -> ClaimQuery {
        let claims = Claims { revision: Some(1), claims: claims.to_vec() };
        let own = OwnSessions { sessions: BTreeSet::from([Uuid::from_u128(7)]), has_default: false };
        let mut query = ClaimQuery::new(Uuid::from_u128(9), root, &claims, &own, ANA);
        query.tree.refresh();
        query
    }

    #[test]
    fn an_exact_path_of_another_is_asked_about_by_its_name_where_ones_own_wildcard_is_near() {
        let folder = tempfile::tempdir().unwrap();
        let claims = [claim(ANA, 7, "*.md"), claim(BEN, 8, "config/local.env")];
        let query = query(folder.path(), &claims);
        assert!(query.exact.contains("config/local.env"));
        assert!(query.certain.paths.is_empty());
        assert_eq!(query.sessions, BTreeSet::from([Uuid::from_u128(7)]));
    }

    #[test]
    fn another_spelling_is_asked_about_also_where_the_held_one_exists() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["README.md", "Readme.md"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let query = query(folder.path(), &[claim(BEN, 8, "README.md")]);
        assert_eq!(query.certain.paths, [PathBuf::from("README.md")]);
        let expected: &[&str] =
            if fs::read_dir(folder.path()).unwrap().count() == 2 { &["Readme.md"] } else { &[] };
        assert_eq!(query.exact.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_session_of_ones_own_that_holds_nothing_is_not_asked_as() {
        let folder = tempfile::tempdir().unwrap();
        let query = query(folder.path(), &[claim(BEN, 7, "src/**/*.rs")]);
        assert!(query.sessions.is_empty() && query.has_wildcards());
    }
}
