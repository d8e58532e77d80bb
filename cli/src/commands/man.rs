//! `nexus man`: manual pages, made of the help.

use crate::{answer::Answer, context::Context, error::Error};
use clap::{Args, Command};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// Write the manual pages into a folder, one for each command
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Folder to write the pages into
    folder: PathBuf,
}

impl Man {
    /// `nexus` is the whole command line.
    pub(crate) fn run(self, context: &Context<'_>, nexus: Command) -> Result<(), Error> {
        fs::create_dir_all(&self.folder)
            .and_then(|()| clap_mangen::generate_to(nexus, &self.folder))
            .map_err(|error| Error::local(format!("cannot write to {}: {error}", self.folder.display())))?;
        let answer = Answer::new(json!({ "path": self.folder.display().to_string() }));
        context.out.answer(&answer, |_: Value| {
            context.out.line(format_args!("Written to {}", self.folder.display()))
        })
    }
}
