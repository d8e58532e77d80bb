//! The arguments that all commands share. A command's own arguments are in its own file.
//!
//! - [`server`]: addresses. [`span`]: times such as `10s`. [`values`]: slugs, lanes and stages.

pub(crate) mod server;
pub(crate) mod span;
pub(crate) mod values;

use crate::commands::Command;
use clap::{Args, Parser};
use std::time::Duration;

/// Share one codebase among many agents without collisions
///
/// Nexus keeps who works on which feature and which files they hold. A feature is picked with all
/// of its files or not at all, so two agents never work on the same file.
#[derive(Parser)]
#[command(
    name = "nexus",
    version = env!("NEXUS_VERSION"),
    arg_required_else_help = true,
    after_help = "\
Examples:
  nexus login --register -n Ana -e ana@example.com
  nexus project link billing
  nexus feature available
  nexus feature pick --next
  nexus feature done billing-api

Exit codes: 0 done, 1 refused, 2 misused, 3 no server could do it"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags that every command knows.
#[derive(Args, Clone)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Servers to ask, separated by commas: the next one is asked when one does not answer
    #[arg(long, global = true, env = "NEXUS_SERVER", value_name = "URL,URL…")]
    pub(crate) server: Option<String>,
    /// API key to use instead of the one that login saved
    #[arg(long, global = true, env = "NEXUS_TOKEN", value_name = "KEY", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Project, by slug or id, instead of the one that the repository is linked to
    #[arg(long, global = true, env = "NEXUS_PROJECT", value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// Session to act as: its id, an agent's own as HOST:ID, or none for the engineer
    #[arg(long, global = true, env = "NEXUS_SESSION", value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Give up after this long in total
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = span::parse)]
    pub(crate) timeout: Duration,
    /// Print without colours, also to a terminal
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every command, with the words that lead to it.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() {
                leaves(sub, &path, found);
            }
            found.push((path, sub.clone()));
        }
    }

    fn all() -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        leaves(&Cli::command(), "nexus", &mut found);
        found
    }

    #[test]
    fn the_arguments_contradict_nothing() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_and_examples_of_itself() {
        for (path, command) in all() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.starts_with(char::is_uppercase), "{path}: help starts with a capital: {about:?}");
            assert!(!about.ends_with('.'), "{path}: help is no sentence: {about:?}");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n"), "{path} has no examples");
            let shown = examples.lines().any(|line| line.trim_start().starts_with(&path));
            assert!(shown, "{path}: the examples do not show it:\n{examples}");
        }
    }

    /// Every page of help, as it is printed: a change of it is seen in review. NEXUS_BLESS=1 writes it anew.
    #[test]
    fn the_help_is_as_it_was_read_last() {
        const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
        let top = ("nexus".to_owned(), Cli::command());
        let mut pages = String::new();
        for (path, command) in std::iter::once(top).chain(all()) {
            let mut command = command.bin_name(&path).term_width(100);
            let page = command.render_long_help().to_string();
            // Where defaults come from is the machine's business.
            let lines =
                page.lines().map(str::trim_end).filter(|line| !line.trim_start().starts_with("[env: "));
            pages += &format!("$ {path} --help\n{}\n\n", lines.collect::<Vec<_>>().join("\n").trim_end());
        }
        if std::env::var_os("NEXUS_BLESS").is_some() {
            std::fs::write(FILE, &pages).expect("the file can be written");
        }
        let known = std::fs::read_to_string(FILE).unwrap_or_default();
        for (line, (now, before)) in pages.lines().zip(known.lines()).enumerate() {
            assert_eq!(now, before, "line {} of cli/tests/help.txt; NEXUS_BLESS=1 writes it anew", line + 1);
        }
        assert_eq!(
            pages.len(),
            known.len(),
            "cli/tests/help.txt has not all of it; NEXUS_BLESS=1 writes it anew"
        );
    }

    #[test]
    fn an_example_fits_a_usual_terminal() {
        for (path, command) in all() {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let longest = examples.lines().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(longest <= 90, "{path}: {longest} characters would wrap");
        }
    }

    #[test]
    fn every_flag_is_explained() {
        for (path, command) in all() {
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{path} {}: no help", argument.get_id());
                assert!(!help.ends_with('.'), "{path} {}: help is no sentence: {help:?}", argument.get_id());
            }
        }
    }

    #[test]
    fn every_example_can_be_typed() {
        for (path, command) in all() {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in examples.lines().filter(|line| line.starts_with("  nexus ")) {
                // What a shell would do: comments, pipes and variables are not ours.
                let line = line.split(" #").next().unwrap_or_default();
                let line = line.split(['|', '>', '<']).next().unwrap_or_default();
                let words = shell_words(line);
                if let Err(error) = Cli::command().try_get_matches_from(words) {
                    panic!("an example of {path} is wrong: {line}\n{error}");
                }
            }
        }
    }

    fn shell_words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for letter in line.trim().chars() {
            match (letter, quote) {
                ('"' | '\'', None) => quote = Some(letter),
                (letter, Some(open)) if letter == open => quote = None,
                (' ', None) => words.push(std::mem::take(&mut word)),
                (letter, _) => word.push(letter),
            }
        }
        words.push(word);
        words.retain(|word| !word.is_empty());
        words
    }
}
