//! `nexus feature release`: gives a feature back, unfinished.

use super::step;
use crate::{commands::working::NamedFeature, context::Context, error::Error};
use clap::Args;

/// Give a feature back, unfinished
///
/// Its files are free at once, and it can be picked again. Only its holder can do this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature release                  # the one that you work on
  nexus feature release billing-api")]
pub(crate) struct Release {
    #[command(flatten)]
    feature: NamedFeature,
}

impl Release {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        step::end_work(
            context,
            self.feature.slug(),
            "release",
            "is given back: its files are free, and it can be picked again",
            "nexus feature available",
        )
        .await
    }
}
