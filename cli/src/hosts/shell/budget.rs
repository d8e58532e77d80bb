//! How much is done for one command: letters that words become, and entries of folders that are looked at.

/// A command of an agent becomes some hundred letters.
const LETTERS: usize = 4_000_000;

/// Entries of folders: a pattern that needs more is no editor's.
const ENTRIES: usize = 20_000;

/// What is left of it.
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
    /// Takes letters; gives whether there were enough.
    pub(super) fn letters(&mut self, number: usize) -> bool {
        self.letters = self.letters.saturating_sub(number);
        self.is_over |= self.letters == 0;
        !self.is_over
    }

    /// Takes one entry of a folder; gives whether there was one.
    pub(super) fn entry(&mut self) -> bool {
        self.entries = self.entries.saturating_sub(1);
        self.is_over |= self.entries == 0;
        !self.is_over
    }

    /// There is more than can be looked at.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether something was not looked at.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }
}
