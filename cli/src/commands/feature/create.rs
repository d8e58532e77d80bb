//! `nexus feature create`: writes a feature down.

use super::step;
use crate::{
    args::values::{self, Lane},
    client::Request,
    commands::paths,
    config::link,
    confined::{ConfinedDir, Links},
    context::Context,
    error::Error,
    repository::{from_here, normalized},
    spec::{SpecFile, editor},
    text::format,
};
use clap::Args;
use nexus_api_types::feature::{CreateFeature, Feature, Status};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// Write a feature: its description, and the files that it needs
///
/// It begins as a draft; --ready makes it free to be picked. Paths are files, folders (src/auth/) or globs
/// (src/**/*.rs). Typed paths are relative to the current folder, or after :/ to the root of the repository; those in a
/// file are relative to the root. Commas separate several.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature create -s api -t \"The API\" --touches src/api/ src/db.rs --ready
  nexus feature create --from invoices.md          # with front matter
  nexus feature create -s invoices -t Invoices --from - < text.md
  nexus feature create -s reports -t Reports --depends-on api invoices -l later -p 3
  nexus feature create                             # opens your editor")]
pub(crate) struct Create {
    /// Short name, of a-z, 0-9 and -
    #[arg(long, short, value_parser = values::slug)]
    slug: Option<String>,
    /// Title of the feature, one line
    #[arg(long, short)]
    title: Option<String>,
    /// Description of the work [default: the title]
    #[arg(long, value_name = "TEXT", conflicts_with = "from")]
    spec: Option<String>,
    /// File with the description of the work, after front matter with the other fields; - is stdin
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Paths that the work changes, which its holder has alone
    #[arg(long, value_name = "PATH", num_args = 1..)]
    touches: Vec<String>,
    /// Paths that must not change meanwhile, which its holder shares with other readers
    #[arg(long, value_name = "PATH", num_args = 1..)]
    reads: Vec<String>,
    /// Features that must be done or cancelled first
    #[arg(long, value_name = "SLUG", num_args = 1.., value_parser = values::slug)]
    depends_on: Vec<String>,
    /// How soon it is wanted [default: next]
    #[arg(long, short, value_enum)]
    lane: Option<Lane>,
    /// Position in its lane, 1 being the first [default: the end]
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
        let is_bare =
            self.slug.is_none() && self.title.is_none() && self.spec.is_none() && self.from.is_none();
        if is_bare && editor::has_person() {
            return self.in_editor(context).await;
        }
        let file = self.from.as_deref().map(read);
        self.send(context, file.transpose()?.unwrap_or_default()).await
    }

    async fn in_editor(&self, context: &Context<'_>) -> Result<(), Error> {
        let blank = SpecFile {
            slug: Some(String::new()),
            title: Some(String::new()),
            lane: Some(self.lane.map(Lane::into_wire).unwrap_or_default()),
            touches: Some(from_here(&self.touches)?),
            ..SpecFile::default()
        };
        let written = editor::edit("feature", &blank.text())?;
        let sent = match SpecFile::parse("what you wrote", &written.text) {
            Ok(file) if file == SpecFile::parse("nothing", &blank.text()).unwrap_or_default() => {
                context.out.note("Nothing was written: no feature was made");
                Ok(())
            }
            Ok(file) => self.send(context, file).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => written.forget(),
            Err(_) => context.out.note(format_args!("Nothing is lost: {}", written.kept())),
        }
        sent
    }

    /// Typed values go before those of the file.
    async fn send(&self, context: &Context<'_>, file: SpecFile) -> Result<(), Error> {
        let missing = |what: &str| {
            Error::misused(format!("the feature has no {what}"))
                .hint("-s SLUG and -t TITLE say them, or the front matter of a file given with --from")
        };
        let typed = |list: &[String], file: Option<Vec<String>>| {
            if list.is_empty() { file.unwrap_or_default() } else { list.to_vec() }
        };
        let files = |list: &[String], file: Option<Vec<String>>| match file {
            Some(file) if list.is_empty() => paths::written(context, &file),
            _ => paths::typed(context, list),
        };
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let slug = given(self.slug.clone().or(file.slug)).ok_or_else(|| missing("slug"))?;
        let title = given(self.title.clone().or(file.title)).ok_or_else(|| missing("title"))?;
        let spec = given(self.spec.clone()).or_else(|| given(Some(file.spec)));
        let body = CreateFeature {
            slug,
            spec: spec.unwrap_or_else(|| title.clone()),
            title,
            lane: self.lane.map(Lane::into_wire).or(file.lane),
            priority: self.priority.or(file.priority),
            touches: files(&self.touches, file.touches)?,
            reads: files(&self.reads, file.reads)?,
            depends_on: typed(&self.depends_on, file.depends_on),
        };
        let project = context.project().await?;
        let mut answer =
            context.client.send(Request::post(format!("/projects/{project}/features")).body(&body)).await?;
        if self.ready {
            answer = step::take(context, project, &body.slug, "ready").await.inspect_err(|_| {
                context.out.note(format_args!("Made feature {}, but it is still a draft", body.slug));
            })?;
        }
        context.out.answer(&answer, |feature: Feature| print(context, &feature))
    }
}

/// The content of a file or, as `-`, of stdin.
///
/// # Errors
/// When it cannot be read, is empty or too long to be sent.
pub(super) fn read(path: &Path) -> Result<SpecFile, Error> {
    let mut text = String::new();
    let limit = MAX_SPEC_BYTES + 1;
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    let read = if is_stdin {
        std::io::stdin().take(limit).read_to_string(&mut text)
    } else if let Some(of_repository) = of_repository(path)? {
        text = of_repository;
        Ok(text.len())
    } else {
        fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    read.map_err(|error| Error::local(format!("cannot read {name}: {error}")))?;
    if text.len() as u64 > MAX_SPEC_BYTES {
        return Err(Error::misused(format!("{name} is longer than 1 MiB"))
            .hint("keep long texts in the repository and name them in the spec"));
    }
    if text.trim().is_empty() {
        return Err(Error::misused(format!("{name} is empty")));
    }
    SpecFile::parse(&name, &text)
}

/// The text of a file in the repository. A link out of the repository is refused, or it could send a private file to
/// everybody. The result is `None` for a file elsewhere, which the user chose to name.
fn of_repository(path: &Path) -> Result<Option<String>, Error> {
    let Ok(here) = std::env::current_dir() else { return Ok(None) };
    let root = link::root_of(&here);
    if ![link::FILE_NAME, ".git"].iter().any(|name| root.join(name).exists()) {
        return Ok(None);
    }
    let Ok(name) = normalized(&here.join(path)).strip_prefix(&root).map(Path::to_owned) else {
        return Ok(None);
    };
    let text = ConfinedDir::of(&root)?.read(&name, Links::Within)?;
    let missing = || Error::local(format!("cannot read {}: there is no such file", path.display()));
    text.map(Some).ok_or_else(missing)
}

fn print(context: &Context<'_>, feature: &Feature) -> Result<(), Error> {
    let status = values::status_name(feature.status);
    let lane = values::lane_name(feature.lane);
    let Feature { slug, title, priority, .. } = feature;
    context
        .out
        .line(format_args!("Made feature {slug}: {title} ({status}, lane {lane}, priority {priority})"))?;
    if feature.touches.is_empty() && feature.reads.is_empty() {
        context.out.note("It names no files, so it keeps nobody out: --touches names those that it changes");
    } else {
        let files = format::count(feature.touches.len() + feature.reads.len(), "path");
        context.out.note(format_args!("Whoever picks it holds {files}"));
    }
    let next = if feature.status == Status::Draft { "ready" } else { "pick" };
    context.out.note(format_args!("Next: nexus feature {next} {slug}"));
    Ok(())
}
