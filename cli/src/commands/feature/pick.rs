//! `nexus feature pick`: takes a feature with all of its files, or nothing. Lays it out in the
//! repository and sees to it that the claims live as long as the run.

use crate::{
    answer::Answer,
    args::{
        span,
        values::{self, Lane},
    },
    client::Request,
    commands::{changes::Changes, knowledge, working},
    context::Context,
    error::{Error, Refused},
    session::ClaimLifetime,
    spec::active::Active,
    text::format,
};
use clap::Args;
use nexus_api_types::{
    Code,
    claim::{Claim, Mode},
    feature::{Feature, Picked},
};
use serde_json::json;
use std::{path::PathBuf, time::Duration};
use uuid::Uuid;

/// Take a feature with all of its files, or nothing
///
/// Either every path is yours, or the refusal says who holds which path and until when. The spec, the learnings and the
/// decisions are written to .nexus/active/SLUG. The claims last as long as the terminal, or the agent, that picked the
/// feature: a crash frees them at once.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature pick billing-api
  nexus feature pick billing-api --wait       # until it is free
  nexus feature pick --next
  nexus feature pick --next --lane now --lane next --wait 30m
  nexus feature pick --next --also            # one more, beside the one that you work on")]
pub(crate) struct Pick {
    /// Slug of the feature
    #[arg(value_parser = values::slug, required_unless_present = "next", conflicts_with = "next")]
    slug: Option<String>,
    /// Take the best feature that is free
    #[arg(long)]
    next: bool,
    /// Lanes that --next picks from [default: all, now first]
    #[arg(long, short, value_enum, requires = "next")]
    lane: Vec<Lane>,
    /// Let --next pick another one while you work on a feature
    #[arg(long, requires = "next")]
    also: bool,
    /// Wait until it is free, for at most this long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1h", value_parser = span::parse)]
    wait: Option<Duration>,
}

impl Pick {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match &self.slug {
            Some(slug) => pick(context, slug, self.wait).await,
            None => pick_next(context, &self.lane, self.also, self.wait).await,
        }
    }
}

/// Takes a feature by its slug; waits for it if that is wanted. One that this run works on already is taken, too.
async fn pick(context: &Context<'_>, slug: &str, wait: Option<Duration>) -> Result<(), Error> {
    let project = begin(context).await?;
    let features = format!("/projects/{project}/features");
    let request = Request::post(format!("{features}/{slug}/pick"));
    match granted(context, project, request, wait).await {
        Ok(answer) => finish(context, project, &answer, "Picked").await,
        Err(Error::Refused(refused)) if is_own(context, &refused) => {
            let feature = context.client.send(Request::get(format!("{features}/{slug}"))).await?;
            let feature: Feature = feature.parse()?;
            let mine = Request::get(format!("/projects/{project}/claims/mine"));
            let mut claims: Vec<Claim> = context.client.send(mine).await?.parse()?;
            claims.retain(|claim| claim.feature_id == Some(feature.id));
            finish(context, project, &Answer::new(json!(Picked { feature, claims })), "You already work on")
                .await
        }
        Err(error) => Err(error),
    }
}

/// Takes the best feature of these lanes; waits for one if that is wanted. A run that works on a feature takes another
/// one only when it asks for one `also`: most often, its agent has forgotten the first one.
pub(in crate::commands) async fn pick_next(
    context: &Context<'_>,
    lanes: &[Lane],
    also: bool,
    wait: Option<Duration>,
) -> Result<(), Error> {
    let project = begin(context).await?;
    if !also && context.client.session().is_some() {
        let active = working::active(context, project).await?;
        if let Some(first) = active.first() {
            let slugs: Vec<&str> = active.iter().map(|feature| feature.slug.as_str()).collect();
            let hint = format!(
                "nexus feature done {0} or release {0} comes first; --also takes another one beside it",
                first.slug
            );
            return Err(Error::local(format!("you already work on {}", format::list(&slugs))).hint(hint));
        }
    }
    let request = Request::post(format!("/projects/{project}/features/pick-next")).body(&among(lanes));
    let answer = granted(context, project, request, wait).await?;
    finish(context, project, &answer, "Picked").await
}

/// Prepares a pick: finds the project, prints claims that were lost, and makes sure that there is a session.
async fn begin(context: &Context<'_>) -> Result<Uuid, Error> {
    let project = context.project().await?;
    context.session_for_work(project).await?;
    context.print_lost_claims(project);
    Ok(project)
}

/// The answer to a pick that is granted, now or within the time that is waited.
async fn granted(
    context: &Context<'_>,
    project: Uuid,
    request: Request,
    wait: Option<Duration>,
) -> Result<Answer, Error> {
    match wait {
        None => context.send_in_session(project, request).await,
        Some(longest) => patiently(context, project, request, longest).await,
    }
}

/// Keeps what was picked alive, lays it out in the repository, and prints it.
async fn finish(context: &Context<'_>, project: Uuid, answer: &Answer, heading: &str) -> Result<(), Error> {
    let lifetime = context.keep_session_alive(project);
    let folder = lay_out(context, project, answer).await.unwrap_or_else(|error| {
        // The feature is picked all the same: what is not laid out can be read with nexus.
        context.out.note(format_args!("It could not be laid out in the repository: {error}"));
        None
    });
    context.out.answer(answer, |picked: Picked| print(context, &picked, lifetime, folder, heading))
}

fn among(lanes: &[Lane]) -> serde_json::Value {
    let names: Vec<_> = lanes.iter().map(|lane| lane.name()).collect();
    if names.is_empty() { json!({}) } else { json!({ "lanes": names }) }
}

/// Asks again whenever something was given back, until it is granted or the time is over.
async fn patiently(
    context: &Context<'_>,
    project: Uuid,
    request: Request,
    longest: Duration,
) -> Result<Answer, Error> {
    let mut changes = Changes::since_now(context, project, longest).await?;
    let mut printed = String::new();
    let mut attempt = request.clone().with_fixed_identity();
    loop {
        context.client.restart_timeout();
        let answer = context.send_in_session(project, attempt.clone()).await;
        let refused = match changes.outlast(context, answer).await {
            // It may have been granted, so the same request is sent again.
            Ok(None) => continue,
            Ok(Some(answer)) => return Ok(answer),
            Err(Error::Refused(refused)) if is_own(context, &refused) => return Err(Error::Refused(refused)),
            Err(Error::Refused(refused)) if is_for_now(&refused, &request) => refused,
            Err(error) => return Err(error),
        };
        attempt = request.clone().with_fixed_identity();
        if printed != refused.body.message {
            printed.clone_from(&refused.body.message);
            context.out.note(format_args!("Waiting: {printed}"));
        }
        if !changes.next(context).await? {
            return Err(Error::Refused(refused));
        }
    }
}

/// Whether this run itself works on the feature already.
fn is_own(context: &Context<'_>, refused: &Refused) -> bool {
    let holder =
        refused.body.details.as_ref().and_then(|details| details.get("holder")?.get("sessionId")?.as_str());
    holder.and_then(|id| id.parse().ok()).is_some_and(|id: Uuid| context.client.session() == Some(id))
}

/// Whether what stands in the way may go.
fn is_for_now(refused: &Refused, request: &Request) -> bool {
    match refused.body.code {
        Code::FileAlreadyClaimed | Code::FeatureAlreadyClaimed => true,
        // Nothing is free; a feature that does not exist is another matter.
        Code::NotFound => request.path().ends_with("/pick-next"),
        // It waits for another feature, or is a draft still; what is over stays so.
        Code::InvalidStatusTransition => {
            let from = refused.body.details.as_ref().and_then(|details| details.get("from")?.as_str());
            !matches!(from, Some("done" | "cancelled"))
        }
        _ => false,
    }
}

/// Writes what the feature is about into the repository, if this is the project's.
pub(in crate::commands) async fn lay_out(
    context: &Context<'_>,
    project: Uuid,
    answer: &Answer,
) -> Result<Option<PathBuf>, Error> {
    let Some(active) = Active::of(project)? else { return Ok(None) };
    let feature = answer.parse::<Picked>()?.feature;
    let slug = values::slug(&feature.slug).map_err(Error::local)?;
    let learnings = knowledge::learnings(context, project, &slug).await?;
    let decisions = knowledge::decisions(context, project, &slug).await?;
    active.lay_out(&feature, &learnings, &decisions).map(Some)
}

fn print(
    context: &Context<'_>,
    picked: &Picked,
    lifetime: ClaimLifetime,
    folder: Option<PathBuf>,
    heading: &str,
) -> Result<(), Error> {
    let out = context.out;
    let Picked { feature, claims } = picked;
    out.line(format_args!("{heading} {}: {}", feature.slug, feature.title))?;
    for (mode, name) in [(Mode::Exclusive, "Yours alone"), (Mode::Shared, "Shared")] {
        let paths: Vec<&str> =
            claims.iter().filter(|claim| claim.mode == mode).map(|claim| claim.file_path.as_str()).collect();
        if !paths.is_empty() {
            out.field(
                name,
                format_args!("{}: {}", format::count(paths.len(), "path"), format::list(&paths)),
            )?;
        }
    }
    if claims.is_empty() {
        out.field("Yours alone", "nothing: the feature names no files")?;
    }
    if let Some(fence) = feature.fence {
        out.field("Fence", fence)?;
    }
    if let Some(until) = claims.iter().map(|claim: &Claim| claim.expires_at).min() {
        out.field("Lease", context.describe(lifetime, until))?;
    }
    if let Some(folder) = folder {
        out.field("Laid out", folder.display())?;
    }
    out.note(format_args!(
        "Next: nexus feature show {0} prints the spec; then nexus feature done {0}, or release {0}",
        feature.slug
    ));
    Ok(())
}
