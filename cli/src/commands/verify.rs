//! `nexus verify`: checks in CI whether commits change files that another session holds.

use crate::{
    agent_run::Actor,
    answer::Answer,
    client::Request,
    config::receipts::ReceiptPolicy,
    context::Context,
    error::Error,
    git::{self, Commit, Edge, Git},
    guard::{
        checkout::{self, LinkedCheckout},
        claim_history::{self, History},
        commit_check::{self, MadeCommit, Proof},
        held_file::HeldFile,
        receipt::Receipt,
        write_access,
    },
    repository,
    text::{format, plain},
};
use clap::Args;
use nexus_api_types::{
    claim::Claim,
    holder::HolderSession,
    session::{ProjectStatus, Working},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
};
use uuid::Uuid;

/// Check that commits change no file that another session holds
///
/// For CI, the last guard: it needs a key of any member, and no session. A commit whose receipt names the session and
/// the fence that held a file when it was made may change it. Without a receipt, files that sessions of the verified
/// branch hold are in order, and so are those of a feature of the same name and of --session; all other held files are
/// findings. The setting receipts says what happens to commits without one: warn (default), require, or off.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus verify origin/main..HEAD
  nexus verify HEAD
  nexus verify origin/main..HEAD --branch billing-api --json
  nexus verify main..HEAD --session 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf

Exit codes: 0 nothing found, 1 files of others, 2 misused, 3 no server could do it")]
pub(crate) struct Verify {
    /// Commits, as git log takes them: A..B, or one commit
    #[arg(value_name = "RANGE")]
    range: String,
    /// Branch of the commits [default: from the variables of the usual CI systems, else from git]
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
}

/// Letters of a commit's id in messages.
const SHORT_COMMIT: usize = 10;

/// Commits without a receipt that are named as warnings: nobody would read more.
const MOST_WARNINGS: usize = 10;

/// Variables in which CI systems name the branch that is built. The branch of a merge request comes before its target.
const BRANCHES: [&str; 8] = [
    "GITHUB_HEAD_REF",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_REF_NAME",
    "BUILDKITE_BRANCH",
    "CIRCLE_BRANCH",
    "CHANGE_BRANCH",
    "BRANCH_NAME",
    "GITHUB_REF_NAME",
];

impl Verify {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let here = env::current_dir()
            .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
        let checkout = LinkedCheckout::of(&here)?.ok_or_else(|| {
            Error::misused("this repository is not linked to a project")
                .hint("nexus project link SLUG links it")
        })?;
        if self.range.starts_with('-') {
            return Err(Error::misused(format!("{:?} is no range of commits", self.range)));
        }
        let git = Git::at(&here);
        let commits = git::commits(&git, &[chosen(&self.range)], Edge::Refused)?;
        let top = git.top().unwrap_or_else(|_| checkout.root.clone());
        let commits: Vec<NamedCommit> =
            commits.into_iter().map(|commit| NamedCommit::of(commit, &top, &checkout)).collect();
        let names: BTreeSet<String> =
            commits.iter().flat_map(|commit| commit.files.iter().flatten()).cloned().collect();
        let names: Vec<String> = names.into_iter().collect();
        let branch = self.branch.or_else(branch);
        // What is in order is judged here: without a session, the cluster would let pass whatever the engineer
        // of the key holds.
        let accepted = accepted(context, project, branch.as_deref()).await?;
        let policy = ReceiptPolicy::find(&checkout.link, &context.login);
        let mut history = match policy {
            ReceiptPolicy::Off => History::default(),
            ReceiptPolicy::Warn | ReceiptPolicy::Require => {
                claim_history::read(context, project, &names).await?
            }
        };
        if policy == ReceiptPolicy::Require && !history.is_known {
            return Err(Error::local(
                "the server has no history of claims, so that no receipt can be checked",
            )
            .hint("nexus cluster status shows its version: update it, or set receipts to warn"));
        }
        let present = write_access::claims_on(context, project, &names).await?;
        for (path, claims) in present.iter().filter(|_| policy != ReceiptPolicy::Off) {
            claims.iter().for_each(|claim| history.add_present(path, claim));
        }
        let mut checked = Checked { range: self.range, branch, files: names.len(), ..Checked::default() };
        let mut receipted: BTreeMap<&String, bool> = BTreeMap::new();
        for commit in &commits {
            for file in &commit.files {
                let proof = commit_check::proof(&commit.made, file, &history);
                for name in file {
                    *receipted.entry(name).or_insert(true) &= proof == Proof::Receipt;
                }
                checked.unproven.extend(Unproven::of(commit, file, &proof, policy));
            }
        }
        for (path, claims) in present {
            // What is held now does not count for commits that were made under a claim of their own.
            let others = |claim: &Claim| !accepted.has(claim);
            let others: Vec<Claim> = claims.into_iter().filter(others).collect();
            if !others.is_empty() && !receipted.get(&path).is_some_and(|receipted| *receipted) {
                checked.findings.push((path, others));
            }
        }
        checkout::explain_unclaimable(&names).into_iter().for_each(|text| context.out.note(text));
        checked.print(context)
    }
}

/// A commit with the names by which the cluster knows its files.
struct NamedCommit {
    id: String,
    made: MadeCommit,
    /// The names of each file that it changes.
    files: Vec<Vec<String>>,
}

impl NamedCommit {
    fn of(commit: Commit, top: &Path, checkout: &LinkedCheckout) -> Self {
        let made = MadeCommit {
            receipts: Receipt::all_in(&commit.message),
            authored: commit.authored.saturating_mul(1_000),
            committed: commit.committed.saturating_mul(1_000),
        };
        let files = git::in_tree(top, commit.files).iter().map(|path| checkout.names(path)).collect();
        Self { id: commit.id, made, files }
    }
}

/// A commit that changes a file without a receipt that holds.
struct Unproven {
    commit: String,
    path: String,
    problem: String,
    /// Whether the policy refuses it, and does not only name it.
    is_refused: bool,
}

impl Unproven {
    /// `None` if the policy has nothing against it.
    fn of(commit: &NamedCommit, file: &[String], proof: &Proof<'_>, policy: ReceiptPolicy) -> Option<Self> {
        let path = file.first()?.clone();
        let receipt = if commit.made.receipts.is_empty() { "no receipt" } else { "no receipt that holds" };
        let problem = match proof {
            Proof::Receipt => return None,
            Proof::TooOld if policy == ReceiptPolicy::Require => {
                format!("{receipt}, and it is older than the history of claims that is kept")
            }
            Proof::Unheld if policy == ReceiptPolicy::Require => receipt.to_owned(),
            Proof::TooOld | Proof::Unheld => return None,
            Proof::Held(holding) => {
                let holder =
                    format::holder(&holding.engineer, holding.agent.as_deref(), &HolderSession::default());
                format!("{receipt}, and {holder} held it then")
            }
        };
        let commit: String = commit.id.chars().take(SHORT_COMMIT).collect();
        Some(Self { commit, path, problem, is_refused: policy == ReceiptPolicy::Require })
    }

    fn sentence(&self) -> String {
        format!("{} changes {}: {}", self.commit, self.path, self.problem)
    }
}

/// The commits of a range; a single one stands for itself alone.
fn chosen(range: &str) -> String {
    if range.contains("..") || range.contains('^') { range.to_owned() } else { format!("{range}^!") }
}

fn branch() -> Option<String> {
    let given = BRANCHES.iter().find_map(|name| env::var(name).ok().filter(|branch| !branch.is_empty()));
    given.or_else(repository::branch)
}

/// The sessions and features whose files the commits may change without a receipt.
#[derive(Default)]
struct Accepted {
    /// Sessions that were named, or that work on the branch.
    sessions: Vec<Uuid>,
    /// Features that are called like the branch.
    features: Vec<Uuid>,
}

impl Accepted {
    /// Whether what is held by this claim may be changed.
    fn has(&self, claim: &Claim) -> bool {
        self.sessions.contains(&claim.session_id)
            || claim.feature_id.is_some_and(|feature| self.features.contains(&feature))
    }
}

/// Finds the sessions and features whose files the commits may change.
async fn accepted(context: &Context<'_>, project: Uuid, branch: Option<&str>) -> Result<Accepted, Error> {
    let mut accepted = Accepted::default();
    if let Actor::Session(id) = context.actor() {
        accepted.sessions.push(*id);
    }
    accepted.sessions.extend(context.client.session());
    let Some(branch) = branch else { return Ok(accepted) };
    let status = context.client.send(Request::get(format!("/projects/{project}/status"))).await?;
    let status: ProjectStatus = status.parse()?;
    let of_branch = |found: &&Working| found.session.metadata.git_branch.as_deref() == Some(branch);
    accepted.sessions.extend(status.sessions.iter().filter(of_branch).map(|found| found.session.id));
    let slug = branch.rsplit('/').next().unwrap_or(branch);
    let named =
        status.active_features.iter().filter(|feature| feature.slug == branch || feature.slug == slug);
    accepted.features.extend(named.map(|feature| feature.id));
    Ok(accepted)
}

/// The result of a check.
#[derive(Default)]
struct Checked {
    range: String,
    branch: Option<String>,
    files: usize,
    /// Files that other sessions hold now, with their claims.
    findings: Vec<(String, Vec<Claim>)>,
    unproven: Vec<Unproven>,
}

impl Checked {
    fn print(&self, context: &Context<'_>) -> Result<(), Error> {
        let out = context.out;
        let is_refused = self.unproven.iter().any(|unproven| unproven.is_refused);
        let findings: Vec<Value> =
            self.findings.iter().map(|(path, claims)| json!({ "path": path, "claims": claims })).collect();
        let unproven: Vec<Value> = self
            .unproven
            .iter()
            .map(|one| json!({ "commit": one.commit, "path": one.path, "problem": one.problem, "refused": one.is_refused }))
            .collect();
        let answer = Answer::new(json!({
            "ok": findings.is_empty() && !is_refused, "range": self.range, "gitBranch": self.branch,
            "fileCount": self.files, "findings": findings, "unproven": unproven,
        }));
        out.answer(&answer, |_: Value| {
            for (path, claims) in &self.findings {
                for claim in claims {
                    out.line(HeldFile::of_claim(path, claim).sentence(out.clock()))?;
                }
            }
            let refused = self.unproven.iter().filter(|one| one.is_refused);
            refused.map(Unproven::sentence).try_for_each(|sentence| out.line(plain(&sentence)))?;
            if self.findings.is_empty() && !is_refused {
                out.line(format_args!(
                    "{}, none of them held by another session",
                    format::count(self.files, "file")
                ))?;
            }
            Ok(())
        })?;
        self.warn(context);
        if !self.findings.is_empty() {
            return Err(Error::local(format!("{} changes files that another session holds", self.range))
                .hint(
                    "nexus why FILE says what for; --branch or --session says whose work the commits are",
                ));
        }
        if is_refused {
            return Err(Error::local(format!("{} has commits without a receipt", self.range)).hint(
                "nexus install git adds receipts to new commits; git commit --amend --no-edit --trailer \"$(nexus receipt)\" adds one now",
            ));
        }
        Ok(())
    }

    /// Names the commits without a receipt that the policy lets pass.
    fn warn(&self, context: &Context<'_>) {
        let named: Vec<&Unproven> = self.unproven.iter().filter(|one| !one.is_refused).collect();
        named.iter().take(MOST_WARNINGS).for_each(|one| context.out.note(plain(&one.sentence())));
        if named.len() > MOST_WARNINGS {
            context.out.note(format!("and {} more", named.len() - MOST_WARNINGS));
        }
    }
}
