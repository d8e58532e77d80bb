//! The figures, side by side, for people.

use super::load::Measured;
use std::{
    fmt::{self, Display},
    time::Duration,
};

/// The result of one measurement.
#[derive(Clone, Debug)]
pub struct Cell {
    /// System and operation.
    pub what: &'static str,
    /// The number of concurrent clients.
    pub clients: usize,
    /// The number of the turn in which it was measured: both systems are measured in each turn.
    pub turn: usize,
    /// The measurements of the clients.
    pub measured: Measured,
    /// Processor time of all nodes together for one answer.
    pub cost: Duration,
}

/// All measurements of one run of the bench.
#[derive(Clone, Debug)]
pub struct Table {
    /// The measurements, in the order in which they are shown.
    pub cells: Vec<Cell>,
    /// Pairs of operations that are compared.
    pub compared: Vec<(&'static str, &'static str)>,
}

impl Table {
    fn of(&self, what: &str, clients: usize) -> Vec<&Cell> {
        self.cells.iter().filter(|cell| cell.what == what && cell.clients == clients).collect()
    }

    /// The operation that another one is compared with, and the median of the ratios of operations a second, turn by
    /// turn.
    fn ratio(&self, what: &str, clients: usize) -> Option<(&'static str, f64)> {
        let (_, base) = *self.compared.iter().find(|(compared, _)| *compared == what)?;
        let bases = self.of(base, clients);
        let ratio = |cell: &Cell| {
            let base = bases.iter().find(|base| base.turn == cell.turn)?;
            Some(cell.measured.per_second / base.measured.per_second)
        };
        let ratios: Vec<f64> = self.of(what, clients).into_iter().filter_map(ratio).collect();
        (!ratios.is_empty()).then(|| (base, median(ratios)))
    }
}

impl Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<24}{:>8}{:>10}{:>10}{:>10}{:>14}   compared with",
            "", "clients", "ops/s", "p50 ms", "p99 ms", "CPU us/op"
        )?;
        let mut shown: Vec<(&str, usize)> = Vec::new();
        for Cell { what, clients, .. } in &self.cells {
            if shown.contains(&(*what, *clients)) {
                continue;
            }
            if shown.last().is_some_and(|(_, last)| last != clients) {
                writeln!(out)?;
            }
            shown.push((*what, *clients));
            let cells = self.of(what, *clients);
            let middle = |of: fn(&Cell) -> f64| median(cells.iter().map(|cell| of(cell)).collect());
            write!(
                out,
                "{what:<24}{clients:>8}{:>10.0}{:>10.2}{:>10.2}{:>14.0}",
                middle(|cell| cell.measured.per_second),
                middle(|cell| cell.measured.median.as_secs_f64() * 1e3),
                middle(|cell| cell.measured.p99.as_secs_f64() * 1e3),
                middle(|cell| cell.cost.as_secs_f64() * 1e6),
            )?;
            match self.ratio(what, *clients) {
                Some((base, ratio)) => writeln!(out, "   {ratio:.2} of {base}")?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }
}

/// The median of the values; zero without values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(what: &'static str, turn: usize, per_second: f64) -> Cell {
        let measured = Measured { per_second, ..Measured::default() };
        Cell { what, clients: 1, turn, measured, cost: Duration::ZERO }
    }

    #[test]
    fn systems_are_compared_within_a_turn_and_the_median_of_the_ratios_is_shown() {
        let cells = vec![
            cell("ours", 0, 10.0),
            cell("theirs", 0, 10.0),
            cell("ours", 1, 40.0),
            cell("theirs", 1, 10.0),
            cell("ours", 2, 4.0),
            cell("theirs", 2, 2.0),
        ];
        let table = Table { cells, compared: vec![("ours", "theirs")] };
        assert_eq!(table.ratio("ours", 1), Some(("theirs", 2.0)));
        assert_eq!(table.ratio("theirs", 1), None);
        let lines = table.to_string();
        assert_eq!(lines.lines().count(), 3, "{lines}");
        assert!(lines.lines().nth(1).is_some_and(|line| line.ends_with("2.00 of theirs")), "{lines}");
    }

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert_eq!(median(Vec::new()).to_bits(), 0.0_f64.to_bits());
    }
}
