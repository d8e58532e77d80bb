//! `nexus claims`: which files are held, by whom, until when.

use crate::{
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::format,
};
use clap::Args;
use nexus_api_types::claim::{Claim, Mode};

/// Show which files are held, by whom and until when
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus claims
  nexus claims --mine
  nexus claims --json | jq -r '.[].filePath'")]
pub(crate) struct Claims {
    /// Show the claims of this session, or of all of your sessions where there is none
    #[arg(long)]
    mine: bool,
}

impl Claims {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let mine = if self.mine { "/mine" } else { "" };
        let answer = context.client.send(Request::get(format!("/projects/{project}/claims{mine}"))).await?;
        context.out.answer(&answer, |mut claims: Vec<Claim>| {
            if claims.is_empty() {
                context.out.note(if self.mine { "You hold nothing" } else { "Nobody holds anything" });
                return Ok(());
            }
            claims.sort_by(|a, b| a.file_path.cmp(&b.file_path));
            context.out.table(&table(context, &claims))
        })
    }
}

fn table(context: &Context<'_>, claims: &[Claim]) -> Table {
    let clock = context.out.clock();
    let mut table = Table::new(&["PATH", "HOLDER", "FEATURE", "MODE", "SINCE", "UNTIL"]);
    for claim in claims {
        let mode = match claim.mode {
            Mode::Exclusive => ("alone", Tone::Plain),
            Mode::Shared => ("shared", Tone::Faint),
        };
        table.row([
            (claim.file_path.clone(), Tone::Plain),
            (format::holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder), Tone::Good),
            (claim.feature_slug.clone().unwrap_or_default(), Tone::Plain),
            (mode.0.to_owned(), mode.1),
            (clock.ago(claim.claimed_at), Tone::Faint),
            (clock.until(claim.expires_at), Tone::Faint),
        ]);
    }
    table
}
