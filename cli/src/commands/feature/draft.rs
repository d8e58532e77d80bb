//! `nexus feature draft`: takes a feature back from those that can be picked.

use super::step;
use crate::{args::values, context::Context, error::Error};
use clap::Args;

/// Make a ready feature a draft again, so that nobody picks it
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature draft billing-api")]
pub(crate) struct Draft {
    /// Slug of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
}

impl Draft {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let next = format!("nexus feature edit {0}, then nexus feature ready {0}", self.slug);
        step::take_and_tell(context, &self.slug, "draft", "is a draft again", &next).await
    }
}
