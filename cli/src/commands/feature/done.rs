//! `nexus feature done`: finishes a feature.

use super::step;
use crate::{args::values, context::Context, error::Error};
use clap::Args;

/// Finish a feature
///
/// Its files are free at once, and features that depend on it can go on. Only its holder can do this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature done billing-api")]
pub(crate) struct Done {
    /// Slug of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
}

impl Done {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        step::end_work(
            context,
            &self.slug,
            "done",
            "is done: its files are free",
            "nexus feature pick --next",
        )
        .await
    }
}
