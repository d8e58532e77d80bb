//! Bounds the work for one command: the letters that its words expand to, and the folder entries that are read.

/// Letters that the words of one command may expand to. An agent's command expands to some hundred.
const LETTERS: usize = 4_000_000;

/// Folder entries that may be read for one command. No editor's pattern needs more.
const ENTRIES: usize = 20_000;

/// The work that may still be done for a command.
#[derive(Debug)]
pub(super) struct Budget {
    letters: usize,
    entries: usize,
    is_over: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { letters: LETTERS, entries: ENTRIES, is_over: false }
    }
}

impl Budget {
    /// Takes letters from the budget. Returns whether there were enough.
    pub(super) fn letters(&mut self, number: usize) -> bool {
        self.letters = self.letters.saturating_sub(number);
        self.is_over |= self.letters == 0;
        !self.is_over
    }

    /// Takes one folder entry from the budget. Returns whether there was one.
    pub(super) fn entry(&mut self) -> bool {
        self.entries = self.entries.saturating_sub(1);
        self.is_over |= self.entries == 0;
        !self.is_over
    }

    /// Ends the budget, since the command needs more than the bounds allow.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether a part of the command was skipped.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }
}
