//! `nexus feature edit`: changes what a feature says, and which files it takes.

use super::create::read;
use crate::{
    args::values::{self, Lane},
    client::Request,
    commands::{paths, working},
    context::Context,
    error::Error,
    spec::{SpecFile, editor},
};
use clap::Args;
use nexus_api_types::feature::{Feature, UpdateFeature};
use std::path::PathBuf;
use uuid::Uuid;

/// Change a feature: its title, its spec, its lane and its files
///
/// Without any of the flags, your editor opens with the feature as a file. The files of a feature that somebody works
/// on change together with their claims, in one step, or not at all. Typed paths are relative to the current folder, or
/// after :/ to the root of the repository; those in a file are relative to the root.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature edit billing-api
  nexus feature edit billing-api -t \"The API of the billing\" -l now
  nexus feature edit billing-api --touches src/api/ src/db.rs
  nexus feature edit billing-api --from billing-api.md")]
pub(crate) struct Edit {
    /// Slug of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
    /// Title of the feature, one line
    #[arg(long, short)]
    title: Option<String>,
    /// Description of the work
    #[arg(long, value_name = "TEXT", conflicts_with = "from")]
    spec: Option<String>,
    /// File with front matter and spec; - is stdin
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Paths that the work changes; they replace the present ones
    #[arg(long, value_name = "PATH", num_args = 0..)]
    touches: Option<Vec<String>>,
    /// Paths that must not change meanwhile; they replace the present ones
    #[arg(long, value_name = "PATH", num_args = 0..)]
    reads: Option<Vec<String>>,
    /// Features that must be done or cancelled first; they replace the present ones
    #[arg(long, value_name = "SLUG", num_args = 0.., value_parser = values::slug)]
    depends_on: Option<Vec<String>>,
    /// How soon it is wanted
    #[arg(long, short, value_enum)]
    lane: Option<Lane>,
    /// Position in its lane, 1 being the first
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..))]
    priority: Option<u32>,
}

impl Edit {
    pub(crate) async fn run(mut self, context: &Context<'_>) -> Result<(), Error> {
        if self.slug.parse::<Uuid>().is_ok() {
            let project = context.project().await?;
            self.slug = working::feature(context, project, Some(&self.slug)).await?.slug;
        }
        let says = (self.title.is_some(), self.spec.is_some(), self.from.is_some(), self.lane.is_some());
        let names = (
            self.touches.is_some(),
            self.reads.is_some(),
            self.depends_on.is_some(),
            self.priority.is_some(),
        );
        if (says, names) == Default::default() {
            return self.in_editor(context).await;
        }
        let file = self.from.as_deref().map(read);
        let file = file.transpose()?;
        let typed = |list: Option<Vec<String>>| list.map(|list| paths::typed(context, &list)).transpose();
        if let Some(slug) =
            file.as_ref().and_then(|file| file.slug.as_ref()).filter(|slug| **slug != self.slug)
        {
            return Err(Error::misused(format!("the file is about {slug}, not {}", self.slug))
                .hint("a feature keeps its slug: nexus feature create --from makes another one"));
        }
        let mut change = file.map(|file| rooted(context, changes(file))).transpose()?.unwrap_or_default();
        change.title = self.title.or(change.title);
        change.spec = self.spec.or(change.spec);
        change.lane = self.lane.map(Lane::into_wire).or(change.lane);
        change.priority = self.priority.or(change.priority);
        change.touches = typed(self.touches)?.or(change.touches);
        change.reads = typed(self.reads)?.or(change.reads);
        change.depends_on = self.depends_on.or(change.depends_on);
        let project = context.project().await?;
        send(context, project, &self.slug, &change).await
    }

    async fn in_editor(self, context: &Context<'_>) -> Result<(), Error> {
        if !editor::has_person() {
            return Err(Error::misused("nothing was said to change")
                .hint("--title, --spec, --from, --lane, --priority, --touches, --reads and --depends-on change things"));
        }
        let project = context.project().await?;
        let path = format!("/projects/{project}/features/{}", self.slug);
        let feature: Feature = context.client.send(Request::get(path)).await?.parse()?;
        let before = SpecFile::of(&feature);
        let written = context.asking(|| editor::edit(&self.slug, &before.text()))?;
        let after = SpecFile::parse("what you wrote", &written.text);
        let sent = match after {
            Ok(after) if after == SpecFile::parse("the feature", &before.text())? => {
                context.out.note("Nothing was changed");
                Ok(())
            }
            // Nobody saves a file with another slug and means the old one.
            Ok(after) if after.slug.as_ref() != Some(&self.slug) => {
                Err(Error::misused("a feature keeps its slug").hint(written.kept()))
            }
            Ok(after) => match rooted(context, changed(&before, after)) {
                Ok(change) => send(context, project, &self.slug, &change).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => written.forget(),
            Err(_) => context.out.note(format_args!("Nothing is lost: {}", written.kept())),
        }
        sent
    }
}

/// All that a file says.
fn changes(file: SpecFile) -> UpdateFeature {
    UpdateFeature {
        title: file.title,
        spec: Some(file.spec).filter(|spec| !spec.trim().is_empty()),
        lane: file.lane,
        priority: file.priority,
        touches: file.touches,
        reads: file.reads,
        depends_on: file.depends_on,
    }
}

/// The same change with its paths as the cluster names them: those of a file are relative to the root.
///
/// # Errors
/// When one leads out of the repository.
fn rooted(context: &Context<'_>, mut change: UpdateFeature) -> Result<UpdateFeature, Error> {
    for list in [&mut change.touches, &mut change.reads].into_iter().flatten() {
        *list = paths::written(context, list)?;
    }
    Ok(change)
}

/// The fields that a person changed in the file: the others may have been changed by others meanwhile. A line that was
/// taken out takes out what it said.
fn changed(before: &SpecFile, after: SpecFile) -> UpdateFeature {
    fn new<T: PartialEq>(before: Option<&T>, after: Option<T>) -> Option<T> {
        after.filter(|after| before != Some(after))
    }
    let list = |before: &Option<Vec<String>>, after: Option<Vec<String>>| {
        let before = before.clone().unwrap_or_default();
        let after = after.unwrap_or_default();
        (before != after).then_some(after)
    };
    UpdateFeature {
        title: new(before.title.as_ref(), after.title),
        spec: Some(after.spec).filter(|spec| spec.trim_end() != before.spec.trim_end()),
        lane: new(before.lane.as_ref(), after.lane),
        priority: new(before.priority.as_ref(), after.priority),
        touches: list(&before.touches, after.touches),
        reads: list(&before.reads, after.reads),
        depends_on: list(&before.depends_on, after.depends_on),
    }
}

async fn send(context: &Context<'_>, project: Uuid, slug: &str, change: &UpdateFeature) -> Result<(), Error> {
    context.previous_session(project).await?;
    let request = Request::patch(format!("/projects/{project}/features/{slug}")).body(change);
    let answer = context.client.send(request).await?;
    context.out.answer(&answer, |feature: Feature| {
        context.out.line(format_args!("Changed feature {}: {}", feature.slug, feature.title))
    })
}
