//! `nexus feature done`: finishes a feature.

use super::step;
use crate::{commands::working::NamedFeature, context::Context, error::Error};
use clap::Args;

/// Finish a feature
///
/// Its files are free at once, and features that depend on it can go on. Only its holder can do this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature done                  # the one that you work on
  nexus feature done billing-api")]
pub(crate) struct Done {
    #[command(flatten)]
    feature: NamedFeature,
}

impl Done {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        step::end_work(
            context,
            self.feature.slug(),
            "done",
            "is done: its files are free",
            "nexus feature pick --next",
        )
        .await
    }
}
