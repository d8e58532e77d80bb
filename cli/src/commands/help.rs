//! The help of every command: it is complete, its examples can be typed, and it is as it was read last.

use super::Cli;
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

/// Every page of help, as it is printed, so that a change is visible in a review. NEXUS_BLESS=1 rewrites it.
#[test]
fn the_help_is_as_it_was_read_last() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
    let top = ("nexus".to_owned(), Cli::command());
    let mut pages = String::new();
    for (path, command) in std::iter::once(top).chain(all()) {
        let mut command = command.bin_name(&path).term_width(100);
        let page = command.render_long_help().to_string();
        // Where defaults come from is the machine's business.
        let lines = page.lines().map(str::trim_end).filter(|line| !line.trim_start().starts_with("[env: "));
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
            // Parts for the shell: comments, pipes and variables are not checked.
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
