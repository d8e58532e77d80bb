//! The two streams. Only this decides whether output has colours, and whether it is JSON.

use super::{Table, Tone, progress::has_watcher};
use crate::{
    answer::Answer,
    error::{Error, Report, as_json},
    text::{Clock, plain, plain_value, printable, printable_json},
};
use anstream::ColorChoice;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    fmt::Display,
    io::{self, Write},
};

/// The longest name of a property, and a space, in characters.
const NAME_WIDTH: usize = 12;

/// The output of a command: text or JSON, on stdout and stderr.
pub(crate) struct Output {
    json: bool,
    clock: Clock,
}

impl Output {
    /// Prints to stdout and stderr; with colours if these are terminals and no flag or variable forbids it.
    pub(crate) fn new(json: bool, no_color: bool) -> Self {
        if no_color {
            ColorChoice::Never.write_global();
        }
        Self { json, clock: Clock::here() }
    }

    /// The time that all of this command's texts are written at.
    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether a program reads this, so that nothing need be looked up for people.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches, for whom the reason of a long wait is printed.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && has_watcher()
    }

    /// Prints an answer: as it is for programs, or in words.
    ///
    /// # Errors
    /// When it is not what was expected, or the output was closed.
    pub(crate) fn answer<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        print: impl FnOnce(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.json {
            return self.value(answer.data());
        }
        print(Answer::new(plain_value(answer.data().clone())).parse()?)
    }

    fn value(&self, value: &Value) -> Result<(), Error> {
        self.line(printable_json(value, true))
    }

    /// Prints a value as one line of JSON, for programs that read line by line.
    ///
    /// # Errors
    /// When the output was closed.
    pub(crate) fn json_line(&self, value: &Value) -> Result<(), Error> {
        self.line(printable_json(value, false))
    }

    /// Prints a line of data.
    ///
    /// # Errors
    /// When the output was closed.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), Error> {
        let text = printable(&text.to_string());
        writeln!(anstream::stdout().lock(), "{text}").map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::OutputClosed,
            _ => Error::local(format!("cannot print: {error}")),
        })
    }

    /// Prints a list.
    ///
    /// # Errors
    /// When the output was closed.
    pub(crate) fn table(&self, table: &Table) -> Result<(), Error> {
        table.lines().into_iter().try_for_each(|line| self.line(line))
    }

    /// Prints the title of a part.
    ///
    /// # Errors
    /// When the output was closed.
    pub(crate) fn title(&self, text: &str) -> Result<(), Error> {
        let bold = anstyle::Style::new().bold();
        self.line(format_args!("{bold}{text}{bold:#}"))
    }

    /// Prints one property of a thing.
    ///
    /// # Errors
    /// When the output was closed.
    pub(crate) fn field(&self, name: &str, value: impl Display) -> Result<(), Error> {
        let name = Tone::Faint.paint(&format!("{name:NAME_WIDTH$}"));
        self.line(format_args!("{name}{value}"))
    }

    /// Prints a note for people to stderr; with `--json` it prints nothing.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.json {
            to_stderr(&plain(&text.to_string()));
        }
    }

    /// Tells what went wrong.
    pub(crate) fn error(&self, error: &Error) {
        if matches!(error, Error::Found | Error::OutputClosed) {
            return;
        }
        if self.json {
            return to_stderr(&printable_json(&as_json(error, &self.clock), true));
        }
        let report = Report::new(error, &self.clock);
        to_stderr(&format!("{} {}", Tone::Bad.paint("Error:"), report.message));
        for line in &report.lines {
            to_stderr(&format!("  {line}"));
        }
        for hint in &report.hints {
            to_stderr(&format!("{} {hint}", Tone::Good.paint("Hint:")));
        }
    }
}

fn to_stderr(text: &str) {
    // If stderr is closed, there is nowhere to report it.
    let _ = writeln!(anstream::stderr().lock(), "{}", printable(text));
}
