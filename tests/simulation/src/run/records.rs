//! The history of a run as records, so that anybody can judge it again without running it.

use super::Running;
use crate::{history, record, second_opinion, verdict};
use nexus_oracles::history::{LoggedEntry, Record, RunHeader, SeenEvent};

impl Running {
    /// The records of what clients saw, of what happened, and of what the nodes and the log have at the end.
    pub(super) fn records(&self, record: &record::Record) -> Vec<Record> {
        let operations = &self.team.operations;
        let header = RunHeader {
            workload: "simulation".to_owned(),
            seed: self.plan.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: self.world.nodes.len() as u64,
        };
        let fault =
            |(at, what): &(u64, String)| Record::Fault { at_us: history::micros(*at), what: what.clone() };
        let mut records = vec![Record::Run(header)];
        records.extend(self.faults.log.iter().map(fault));
        records.extend(second_opinion::history(operations).into_iter().map(Record::Operation));
        records.extend(history::beats(operations).into_iter().map(Record::Beat));
        records.extend(verdict::ends(record).into_iter().map(Record::SessionEnd));
        for (node, events) in &self.streams {
            let seen = |event| Record::Event { node: *node, event: SeenEvent::of(event) };
            records.extend(events.iter().map(seen));
        }
        let logged = record
            .entries
            .iter()
            .map(|(index, entry)| Record::Entry(LoggedEntry::of(*index, &entry.proposal, &entry.answer)));
        records.extend(logged);
        records
    }
}
