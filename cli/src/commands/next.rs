//! `nexus next`: the best feature that is free, in one word.

use super::feature::pick;
use crate::{
    args::{span, values::Lane},
    context::Context,
    error::Error,
};
use clap::Args;
use std::time::Duration;

/// Take the best feature that is free
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus next
  nexus next --lane now --wait
  nexus next --also                 # one more, beside the one that you work on")]
pub(crate) struct Next {
    /// Lanes to pick from [default: all, now first]
    #[arg(long, short, value_enum)]
    lane: Vec<Lane>,
    /// Pick another one although you work on a feature
    #[arg(long)]
    also: bool,
    /// Wait until one is free, for at most this long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1h", value_parser = span::parse)]
    wait: Option<Duration>,
}

impl Next {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        pick::pick_next(context, &self.lane, self.also, self.wait).await
    }
}
