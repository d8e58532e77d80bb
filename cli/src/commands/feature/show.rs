//! `nexus feature show`: everything about one feature.

use crate::{
    args::values,
    client::Request,
    commands::{names::Names, sessions::Sessions},
    context::Context,
    error::Error,
    text::format::holder,
};
use clap::Args;
use nexus_api_types::feature::{Feature, Status};

/// Show a feature: its spec, its files and who works on it
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature show billing-api
  nexus feature show billing-api --json")]
pub(crate) struct Show {
    /// Slug of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let answer =
            context.client.send(Request::get(format!("/projects/{project}/features/{}", self.slug))).await?;
        let (people, sessions) = if context.out.is_json() {
            (Names::default(), Sessions::default())
        } else {
            (Names::of_project(context, project).await?, Sessions::of_project(context, project).await)
        };
        context.out.answer(&answer, |feature: Feature| print(context, &feature, &people, &sessions))
    }
}

fn print(context: &Context<'_>, feature: &Feature, people: &Names, sessions: &Sessions) -> Result<(), Error> {
    let out = context.out;
    out.title(&format!("{}: {}", feature.slug, feature.title))?;
    out.field("Status", status(context, feature, people, sessions))?;
    if let (Status::Active, Some(fence)) = (feature.status, feature.fence) {
        out.field("Fence", fence)?;
    }
    out.field("Lane", format_args!("{}, priority {}", values::lane_name(feature.lane), feature.priority))?;
    for (name, items) in
        [("Touches", &feature.touches), ("Reads", &feature.reads), ("Depends on", &feature.depends_on)]
    {
        for (at, item) in items.iter().enumerate() {
            out.field(if at == 0 { name } else { "" }, item)?;
        }
    }
    out.field(
        "Made",
        format_args!("{} by {}", out.clock().short(feature.created_at), people.name(feature.created_by)),
    )?;
    out.line("")?;
    out.line(feature.spec.trim_end())
}

fn status(context: &Context<'_>, feature: &Feature, people: &Names, sessions: &Sessions) -> String {
    let clock = context.out.clock();
    let mut text = values::status_name(feature.status).to_owned();
    if let Some(by) = feature.claimed_by {
        let place = sessions.place(feature.session_id);
        text += match feature.status {
            Status::Active => ", held by ",
            Status::Done => " by ",
            _ => ", worked on by ",
        };
        text += &holder(&people.name(by), feature.agent.as_deref(), &place);
        if let Some(at) = feature.claimed_at {
            text += &format!(" since {}", clock.short(at));
        }
        if let Some(at) = feature.completed_at {
            text += &format!(" until {}", clock.short(at));
        }
    }
    if let Some(at) = feature.interrupted_at {
        text += &format!(
            ", interrupted {}: work on it was lost sight of and may be taken up again",
            clock.ago(at)
        );
    }
    text
}
