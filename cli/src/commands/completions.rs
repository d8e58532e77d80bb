//! `nexus completions`: what a shell needs to complete commands and flags.

use crate::{answer::Answer, context::Context, error::Error};
use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::{Value, json};

/// Print the completions of a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus completions bash > ~/.local/share/bash-completion/completions/nexus
  nexus completions zsh > ~/.zfunc/_nexus
  nexus completions fish > ~/.config/fish/completions/nexus.fish")]
pub(crate) struct Completions {
    /// Shell in which commands are completed
    shell: Shell,
}

impl Completions {
    /// `nexus` is the whole command line.
    pub(crate) fn run(self, context: &Context<'_>, nexus: &mut Command) -> Result<(), Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, nexus, "nexus", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        let answer = Answer::new(json!({ "shell": self.shell.to_string(), "script": script }));
        // As it is: the words in it are ours.
        context.out.answer(&answer, |_: Value| context.out.line(script.trim_end()))
    }
}
