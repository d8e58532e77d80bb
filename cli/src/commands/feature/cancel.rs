//! `nexus feature cancel`: gives a feature up for good.

use super::step;
use crate::{args::values, context::Context, error::Error};
use clap::Args;

/// Give a feature up for good
///
/// If somebody works on it, its files are free at once. Any member of the project can do this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature cancel billing-api")]
pub(crate) struct Cancel {
    /// Slug of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
}

impl Cancel {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        step::give_up(context, &self.slug, "cancel", "is cancelled", "nexus feature available").await
    }
}
