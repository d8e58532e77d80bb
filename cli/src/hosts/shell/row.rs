//! The form of a row in the table of programs: their options, and which of their words are files that they write.

use super::options::{Parsed, Spec};

/// Which of the words that are no options are files that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    None,
    All,
    First,
    /// All but the first, which is something else.
    AfterFirst,
    Second,
    Last,
}

/// What becomes of these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// They are written, and made where they are missing.
    Written,
    /// They are changed or removed: they have to be there.
    Changed,
    /// The same of words of which some may be no files: none that is not there is taken.
    ChangedIfThere,
    /// They are changed, and of a folder all files in it with one of these endings; without any, all.
    ChangedBelow(&'static [&'static str]),
}

/// A row: programs, their options, and what they write.
pub(super) struct Row {
    pub(super) names: &'static [&'static str],
    pub(super) spec: Spec,
    /// Words of which one stands first; others are not what the row is about.
    pub(super) verbs: &'static [&'static str],
    /// Words of which one may stand first.
    pub(super) words: &'static [&'static str],
    /// Options without any of which they write none of their operands.
    pub(super) needs: &'static [&'static str],
    /// Options with any of which they only read their operands.
    pub(super) unless: &'static [&'static str],
    pub(super) operands: Operands,
    pub(super) effect: Effect,
    /// Options of which one takes the place of the first operand.
    pub(super) instead_of_first: &'static [&'static str],
    /// Options whose value is a file that is written.
    pub(super) outputs: &'static [&'static str],
    /// Whether words that begin with `+` are commands, as those of editors.
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

    /// Whether its operands are only read.
    pub(super) fn is_reading(&self, parsed: &Parsed) -> bool {
        (!self.needs.is_empty() && !parsed.has(self.needs)) || parsed.has(self.unless)
    }
}
