//! The form of a row in the table of programs: their options, and which of their words are files that they write.

use super::options::{Parsed, Spec};

/// The operands that are written files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    None,
    All,
    First,
    /// All but the first one, which is no file.
    AfterFirst,
    Second,
    Last,
}

/// The effect on these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// They are written, and created if they are missing.
    Written,
    /// They are changed or removed: they have to exist.
    Changed,
    /// They are changed or removed, but some of the words may be no files: a word that names no existing file is not
    /// claimed.
    ChangedIfThere,
    /// They are changed. In a folder, all files with one of these extensions are, or all files if there are none.
    ChangedBelow(&'static [&'static str]),
}

/// A row of the table: programs, their options, and the files that they write.
pub(super) struct Row {
    pub(super) names: &'static [&'static str],
    pub(super) spec: Spec,
    /// The subcommands that the row is about. With another one the program writes nothing.
    pub(super) verbs: &'static [&'static str],
    /// Subcommands that may stand first.
    pub(super) words: &'static [&'static str],
    /// Options of which one is needed for writing operands. Empty if none is needed.
    pub(super) needs: &'static [&'static str],
    /// Options of which any keeps the programs from writing operands.
    pub(super) unless: &'static [&'static str],
    pub(super) operands: Operands,
    pub(super) effect: Effect,
    /// Options of which any takes the place of the first operand.
    pub(super) instead_of_first: &'static [&'static str],
    /// Options whose value is a file that is written.
    pub(super) outputs: &'static [&'static str],
    /// Whether words that begin with `+` are commands, as for editors.
    pub(super) has_commands: bool,
}

pub(super) const fn row(
    names: &'static [&'static str],
    short: &'static str,
    long: &'static [&'static str],
) -> Row {
    Row {
        names,
        spec: Spec { short, long },
        verbs: &[],
        words: &[],
        needs: &[],
        unless: &[],
        operands: Operands::None,
        effect: Effect::Written,
        instead_of_first: &[],
        outputs: &[],
        has_commands: false,
    }
}

impl Row {
    pub(super) const fn writes(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self
    }

    pub(super) const fn changes(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self.effect = Effect::Changed;
        self
    }

    pub(super) const fn changes_if_there(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self.effect = Effect::ChangedIfThere;
        self
    }

    pub(super) const fn changes_below(mut self, endings: &'static [&'static str]) -> Self {
        self.operands = Operands::All;
        self.effect = Effect::ChangedBelow(endings);
        self
    }

    pub(super) const fn verbs(mut self, verbs: &'static [&'static str]) -> Self {
        self.verbs = verbs;
        self
    }

    pub(super) const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    pub(super) const fn needs(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }

    pub(super) const fn unless(mut self, options: &'static [&'static str]) -> Self {
        self.unless = options;
        self
    }

    pub(super) const fn or_by(mut self, options: &'static [&'static str]) -> Self {
        self.instead_of_first = options;
        self
    }

    pub(super) const fn outputs(mut self, outputs: &'static [&'static str]) -> Self {
        self.outputs = outputs;
        self
    }

    pub(super) const fn with_commands(mut self) -> Self {
        self.has_commands = true;
        self
    }

    /// Whether the operands are only read.
    pub(super) fn is_reading(&self, parsed: &Parsed) -> bool {
        (!self.needs.is_empty() && !parsed.has(self.needs)) || parsed.has(self.unless)
    }
}
