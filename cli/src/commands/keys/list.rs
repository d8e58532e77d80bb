//! `nexus keys list`: the keys that work.

use crate::{
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use nexus_api_types::engineer::ApiKey;

/// List your API keys; the keys themselves are shown only when they are made
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus keys list
  nexus keys list --json")]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::get("/auth/keys")).await?;
        context.out.answer(&answer, |keys: Vec<ApiKey>| {
            let clock = context.out.clock();
            let mut table = Table::new(&["ID", "LABEL", "MADE", "ENDS", "MAY"]);
            for key in keys {
                let scope = key.project_id.map_or(String::new(), |id| format!(", project {id}"));
                let may = if key.readonly { "read" } else { "read and write" };
                table.row([
                    (key.id.to_string(), Tone::Plain),
                    (key.label, Tone::Plain),
                    (clock.short(key.created_at), Tone::Faint),
                    (key.expires_at.map_or("never".to_owned(), |at| clock.until(at)), Tone::Faint),
                    (format!("{may}{scope}"), Tone::Plain),
                ]);
            }
            context.out.table(&table)
        })
    }
}
