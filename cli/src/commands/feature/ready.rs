//! `nexus feature ready`: makes a draft free to be picked.

use super::step;
use crate::{args::values, context::Context, error::Error};
use clap::Args;

/// Make a draft free to be picked
///
/// From then on, it can be picked as soon as nobody holds its files.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature ready billing-api")]
pub(crate) struct Ready {
    /// Slug of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
}

impl Ready {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        step::take_and_tell(
            context,
            &self.slug,
            "ready",
            "is ready to be picked",
            "nexus feature pick SLUG, or wait for somebody to",
        )
        .await
    }
}
