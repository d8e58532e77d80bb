//! Lists as columns without lines, cut to the width of the terminal.

use anstyle::AnsiColor;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, presets};

/// How a cell is coloured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As any text.
    Plain,
    /// Something works, or is free: green.
    Good,
    /// Worth a look.
    Warn,
    /// Something fails, or is refused: red.
    Bad,
    /// Beside the point.
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

/// A list with a head.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// An empty list.
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(head.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self(table)
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        self.0.add_row(cells.into_iter().map(|(text, tone)| {
            // A line end would look like another row.
            let cell = Cell::new(text.replace('\n', " "));
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
        self.0.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// As if the terminal were that wide.
    #[cfg(test)]
    fn within(mut self, width: u16) -> Self {
        self.0.set_width(width);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(table: &Table) -> Vec<String> {
        table
            .lines()
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string().trim_end().to_owned())
            .collect()
    }

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
        assert_eq!(stripped(&table()), ["SLUG         TITLE", "billing-api  The API of the billing"]);
    }

    #[test]
    fn a_narrow_terminal_wraps_instead_of_running_over() {
        let lines = stripped(&table().within(26));
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 26), "{lines:?}");
    }
}
