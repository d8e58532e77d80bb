//! Lists as columns without lines, cut to the width of the terminal.

use anstyle::AnsiColor;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Width, presets};

/// The colour of a cell, by its meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Ordinary text, in the terminal's own colour.
    Plain,
    /// Something works, or is free: green.
    Good,
    /// Something that deserves a look: yellow.
    Warn,
    /// Something fails, or is refused: red.
    Bad,
    /// A detail that matters less: dimmed.
    Faint,
}

impl Tone {
    /// A text in this tone, for terminals.
    pub(crate) fn paint(self, text: &str) -> String {
        let style = match self {
            Self::Plain => return text.to_owned(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Faint => anstyle::Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// Spaces between two columns.
const GAP: u16 = 2;

/// A list with a head. Where it is wider than the terminal, cells wrap between words; no word is broken, since half of
/// an address or of a slug cannot be copied.
pub(crate) struct Table {
    table: comfy_table::Table,
    /// The widest word of each column.
    widest: Vec<u16>,
}

impl Table {
    /// An empty list.
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(head.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        let mut table = Self { table, widest: vec![0; head.len()] };
        head.iter().enumerate().for_each(|(at, name)| table.make_room(at, name));
        table
    }

    /// Keeps a column as wide as the widest word of a cell.
    fn make_room(&mut self, at: usize, text: &str) {
        let word = text.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
        let word = u16::try_from(word).unwrap_or(u16::MAX - GAP);
        let Some(widest) = self.widest.get_mut(at).filter(|widest| word > **widest) else { return };
        *widest = word;
        if let Some(column) = self.table.column_mut(at) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word.saturating_add(GAP))));
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        // A line end would look like another row.
        let cells: Vec<(String, Tone)> =
            cells.into_iter().map(|(text, tone)| (text.replace('\n', " "), tone)).collect();
        cells.iter().enumerate().for_each(|(at, (text, _))| self.make_room(at, text));
        self.table.add_row(cells.into_iter().map(|(text, tone)| {
            let cell = Cell::new(text);
            match tone {
                Tone::Plain => cell,
                Tone::Good => cell.fg(Color::DarkGreen),
                Tone::Warn => cell.fg(Color::DarkYellow),
                Tone::Bad => cell.fg(Color::DarkRed),
                Tone::Faint => cell.add_attribute(Attribute::Dim),
            }
        }));
    }

    /// The lines, without spaces at their ends.
    pub(super) fn lines(&self) -> Vec<String> {
        self.table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Sets the width of the terminal, in columns.
    #[cfg(test)]
    pub(crate) fn within(mut self, width: u16) -> Self {
        self.table.set_width(width);
        self
    }

    /// The lines without colours.
    #[cfg(test)]
    pub(crate) fn stripped(&self) -> Vec<String> {
        let strip = |line: &String| anstream::adapter::strip_str(line).to_string().trim_end().to_owned();
        self.lines().iter().map(strip).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["SLUG", "TITLE"]);
        table.row([
            ("billing-api".to_owned(), Tone::Good),
            ("The API of\nthe billing".to_owned(), Tone::Plain),
        ]);
        table
    }

    #[test]
    fn columns_stand_under_their_names() {
        assert_eq!(table().stripped(), ["SLUG         TITLE", "billing-api  The API of the billing"]);
    }

    #[test]
    fn a_narrow_terminal_wraps_instead_of_running_over() {
        let lines = table().within(26).stripped();
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 26), "{lines:?}");
    }

    #[test]
    fn no_word_is_broken_however_narrow_the_terminal_is() {
        let mut table = Table::new(&["NODE", "CLIENTS", "PEERS"]);
        let cell = |text: &str| (text.to_owned(), Tone::Plain);
        table.row([cell("1"), cell("nexus-1.example.com:7401"), cell("nexus-1.example.com:7501")]);
        let lines = table.within(40).stripped();
        assert_eq!(lines[1], "1     nexus-1.example.com:7401  nexus-1.example.com:7501", "{lines:?}");
    }
}
