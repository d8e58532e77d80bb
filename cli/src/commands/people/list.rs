//! `nexus people list`: who is there.

use crate::{
    args::values::role_name,
    client::Request,
    commands::pages::pages,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use nexus_api_types::{
    Page,
    engineer::{Me, Role},
};

/// List the people with whom you are in a project; for an admin, all
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus people list
  nexus people list --limit 500 --json")]
pub(crate) struct List {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Continue after an earlier list, with the cursor that it printed
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl List {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let answer = pages(context, Request::get("/engineers"), limit, self.cursor).await?;
        context.out.answer(&answer, |page: Page<Me>| {
            let mut table = Table::new(&["NAME", "EMAIL", "ROLE", "ID"]);
            for person in page.items {
                let tone = match person.role {
                    Role::Admin => Tone::Good,
                    Role::Engineer => Tone::Plain,
                    Role::Readonly => Tone::Faint,
                };
                table.row([
                    (person.name, Tone::Plain),
                    (person.email, Tone::Plain),
                    (role_name(person.role).to_owned(), tone),
                    (person.id.to_string(), Tone::Faint),
                ]);
            }
            context.out.table(&table)?;
            if let Some(cursor) = page.next_cursor {
                context.out.note(format_args!(
                    "There are more: --cursor {cursor} goes on, --limit shows more at once"
                ));
            }
            Ok(())
        })
    }
}
