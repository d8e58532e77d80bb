//! `nexus feature create`: writes a feature down.

use super::step;
use crate::{
    args::words::{self, Lane},
    client::Request,
    context::Context,
    error::Error,
    output,
};
use clap::Args;
use nexus_api_types::feature::{CreateFeature, Feature, Status};
use std::{fs, io::Read, path::PathBuf};

/// Write a feature down: what is to be done, and which files that takes
///
/// A draft at first; --ready makes it free to be picked. Paths are relative to the root of the
/// repository and may be files, folders (src/auth/) or globs (src/**/*.rs).
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature create -s api -t \"The API\" --touches src/api/ src/db.rs --ready
  nexus feature create -s invoices -t Invoices --from invoices.md --reads src/db.rs
  nexus feature create -s reports -t Reports --depends-on api invoices -l later -p 3
  nexus feature create -s taxes -t Taxes --from - < taxes.md")]
pub(crate) struct Create {
    /// Short name, of a-z, 0-9 and -
    #[arg(long, short, value_parser = words::slug)]
    slug: String,
    /// What it is, in one line
    #[arg(long, short)]
    title: String,
    /// What is to be done; the title, when nothing is said
    #[arg(long, value_name = "TEXT", conflicts_with = "from")]
    spec: Option<String>,
    /// File that says what is to be done; - is stdin
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Paths that the work changes: held by its holder alone
    #[arg(long, value_name = "PATH", num_args = 1..)]
    touches: Vec<String>,
    /// Paths that must not change meanwhile: held together with other readers
    #[arg(long, value_name = "PATH", num_args = 1..)]
    reads: Vec<String>,
    /// Features that must be over first
    #[arg(long, value_name = "SLUG", num_args = 1.., value_parser = words::slug)]
    depends_on: Vec<String>,
    /// How soon it is wanted; next, when nothing is said
    #[arg(long, short, value_enum)]
    lane: Option<Lane>,
    /// Place in its lane, 1 being the first; its end, when nothing is said
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..))]
    priority: Option<u32>,
    /// Make it free to be picked at once
    #[arg(long)]
    ready: bool,
}

/// A longer text cannot be sent: a request may have 1 MiB.
const MAX_SPEC_BYTES: u64 = 1 << 20;

impl Create {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let spec = self.spec()?;
        let project = context.project().await?;
        let body = CreateFeature {
            slug: self.slug,
            title: self.title,
            spec,
            lane: self.lane.map(Lane::into_wire),
            priority: self.priority,
            touches: self.touches,
            reads: self.reads,
            depends_on: self.depends_on,
        };
        let mut answer =
            context.client.send(Request::post(format!("/projects/{project}/features")).body(&body)).await?;
        if self.ready {
            answer = step::take(context, &body.slug, "ready").await.inspect_err(|_| {
                context.out.note(format_args!("Made feature {}, but it is still a draft", body.slug));
            })?;
        }
        context.out.answer(&answer, |feature: Feature| tell(context, &feature))
    }

    fn spec(&self) -> Result<String, Error> {
        let Some(path) = &self.from else {
            return Ok(self.spec.clone().unwrap_or_else(|| self.title.clone()));
        };
        let mut text = String::new();
        let limit = MAX_SPEC_BYTES + 1;
        let read = if path.as_os_str() == "-" {
            std::io::stdin().take(limit).read_to_string(&mut text)
        } else {
            fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
        };
        read.map_err(|error| Error::local(format!("cannot read {}: {error}", path.display())))?;
        if text.len() as u64 > MAX_SPEC_BYTES {
            return Err(Error::misused(format!("{} is longer than 1 MiB", path.display()))
                .hint("keep long texts in the repository and name them in the spec"));
        }
        if text.trim().is_empty() {
            return Err(Error::misused(format!("{} is empty", path.display())));
        }
        Ok(text)
    }
}

fn tell(context: &Context<'_>, feature: &Feature) -> Result<(), Error> {
    let status = words::status_name(feature.status);
    let lane = words::lane_name(feature.lane);
    let Feature { slug, title, priority, .. } = feature;
    context
        .out
        .line(format_args!("Made feature {slug}: {title} ({status}, lane {lane}, priority {priority})"))?;
    if feature.touches.is_empty() && feature.reads.is_empty() {
        context.out.note("It names no files, so it keeps nobody out: --touches names those that it changes");
    } else {
        let files = output::words::count(feature.touches.len() + feature.reads.len(), "path");
        context.out.note(format_args!("Whoever picks it holds {files}"));
    }
    let next = if feature.status == Status::Draft { "ready" } else { "pick" };
    context.out.note(format_args!("Next: nexus feature {next} {slug}"));
    Ok(())
}
