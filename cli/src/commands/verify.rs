//! `nexus verify`: checks in CI whether commits change files that another session holds.

use crate::{
    agent_run::Actor,
    answer::Answer,
    client::Request,
    context::Context,
    error::Error,
    git::{self, Edge, Git},
    guard::{
        checkout::{self, LinkedCheckout},
        held_file::HeldFile,
        write_access,
    },
    repository,
};
use clap::Args;
use nexus_api_types::{claim::Claim, session::ProjectStatus};
use serde_json::{Value, json};
use std::env;
use uuid::Uuid;

/// Check that commits change no file that another session holds
///
/// This is the last guard, for CI: it needs the key of any member, and no session. Commits may change files that are
/// held by a session on the verified branch, held for a feature of the same name, or held by the session that --session
/// names. A change of any other held file is a finding.
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
        let files = git::committed(&git, &[chosen(&self.range)], Edge::Refused)?;
        let top = git.top().unwrap_or_else(|_| checkout.root.clone());
        let files = git::in_tree(&top, files);
        let names: Vec<String> = files.iter().flat_map(|path| checkout.names(path)).collect();
        let branch = self.branch.or_else(branch);
        // What is in order is judged here: without a session, the cluster would let pass whatever the engineer
        // of the key holds.
        let accepted = Accepted::find(context, project, branch.as_deref()).await?;
        let mut findings = Vec::new();
        for (path, claims) in write_access::claims_on(context, project, &names).await? {
            let others: Vec<Claim> = claims.into_iter().filter(|claim| !accepted.has(claim)).collect();
            if !others.is_empty() {
                findings.push((path, others));
            }
        }
        checkout::explain_unclaimable(&names).into_iter().for_each(|text| context.out.note(text));
        print(context, &self.range, branch.as_deref(), names.len(), &findings)
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

/// The sessions and features whose files the commits may change.
struct Accepted {
    sessions: Vec<Uuid>,
    features: Vec<Uuid>,
}

impl Accepted {
    async fn find(context: &Context<'_>, project: Uuid, branch: Option<&str>) -> Result<Self, Error> {
        let mut accepted = Self { sessions: Vec::new(), features: Vec::new() };
        if let Actor::Session(id) = context.actor() {
            accepted.sessions.push(*id);
        }
        accepted.sessions.extend(context.client.session());
        let Some(branch) = branch else { return Ok(accepted) };
        let status = context.client.send(Request::get(format!("/projects/{project}/status"))).await?;
        let status: ProjectStatus = status.parse()?;
        let of_branch = |found: &&nexus_api_types::session::Working| {
            found.session.metadata.git_branch.as_deref() == Some(branch)
        };
        accepted.sessions.extend(status.sessions.iter().filter(of_branch).map(|found| found.session.id));
        let slug = branch.rsplit('/').next().unwrap_or(branch);
        let named =
            status.active_features.iter().filter(|feature| feature.slug == branch || feature.slug == slug);
        accepted.features.extend(named.map(|feature| feature.id));
        Ok(accepted)
    }

    fn has(&self, claim: &Claim) -> bool {
        self.sessions.contains(&claim.session_id)
            || claim.feature_id.is_some_and(|feature| self.features.contains(&feature))
    }
}

fn print(
    context: &Context<'_>,
    range: &str,
    branch: Option<&str>,
    files: usize,
    findings: &[(String, Vec<Claim>)],
) -> Result<(), Error> {
    let out = context.out;
    let list: Vec<Value> =
        findings.iter().map(|(path, claims)| json!({ "path": path, "claims": claims })).collect();
    let answer = Answer::new(
        json!({ "ok": findings.is_empty(), "range": range, "gitBranch": branch, "fileCount": files,
        "findings": list }),
    );
    out.answer(&answer, |_: Value| {
        for (path, claims) in findings {
            for claim in claims {
                out.line(HeldFile::of_claim(path, claim).sentence(out.clock()))?;
            }
        }
        if findings.is_empty() {
            out.line(format_args!("{files} files, none of them held by another session"))?;
        }
        Ok(())
    })?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::local(format!("{range} changes files that another session holds"))
        .hint("nexus why FILE says what for; --branch or --session says whose work the commits are"))
}
