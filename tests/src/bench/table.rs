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
    /// Clients at once.
    pub clients: usize,
    /// What they saw.
    pub measured: Measured,
    /// Processor time of all nodes together, for one answer.
    pub cost: Duration,
}

/// All measurements; those of `base` are what the others are compared with.
#[derive(Clone, Debug)]
pub struct Table {
    /// In the order in which they are shown.
    pub cells: Vec<Cell>,
    /// The system and operation that is 1.
    pub base: &'static str,
}

impl Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, base) = ("", self.base);
        writeln!(
            out,
            "{name:<24}{:>8}{:>10}{:>10}{:>10}{:>14}   {base} = 1",
            "clients", "ops/s", "p50 ms", "p99 ms", "CPU us/op"
        )?;
        let mut last = 0;
        for cell in &self.cells {
            if last != 0 && last != cell.clients {
                writeln!(out)?;
            }
            last = cell.clients;
            let Cell { what, clients, measured, cost } = cell;
            write!(
                out,
                "{what:<24}{clients:>8}{:>10.0}{:>10.2}{:>10.2}{:>14.0}",
                measured.per_second,
                measured.median.as_secs_f64() * 1e3,
                measured.p99.as_secs_f64() * 1e3,
                cost.as_secs_f64() * 1e6,
            )?;
            let base = self.cells.iter().find(|base| base.what == self.base && base.clients == *clients);
            match base {
                Some(base) => writeln!(out, "{:>10.2}", measured.per_second / base.measured.per_second)?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }
}
