//! A whole run as JSON lines: a record in each line, in any order.

use super::{Beat, LoggedEntry, Operation, SeenEvent, SessionEnd};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};

/// One line of a run's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// The header of the run.
    Run(RunHeader),
    /// An operation of a client.
    Operation(Operation),
    /// An event that a node has sent.
    Event {
        /// The number of the node.
        node: u64,
        /// The event as it was sent.
        event: SeenEvent,
    },
    /// An event of one project that a client was sent while it followed the feed.
    Followed(SeenEvent),
    /// An acknowledged renewal of a lease.
    Beat(Beat),
    /// The end of a session.
    SessionEnd(SessionEnd),
    /// An entry of the log. A history has all of them, or none.
    Entry(LoggedEntry),
    /// Something that happened to the cluster, such as a crash or a partition, in words.
    Fault {
        /// The time, in microseconds of world time.
        at_us: u64,
        /// The fault in words.
        what: String,
    },
}

/// The description of a run, so that somebody can repeat it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunHeader {
    /// The name of the workload.
    pub workload: String,
    /// The seed of the random values.
    pub seed: u64,
    /// The version of the program, with its commit.
    pub version: String,
    /// The number of nodes.
    pub nodes: u64,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be read.
    #[error("the history cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is no record.
    #[error("line {line} of the history is no record: {source}")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// The error of the parser.
        source: serde_json::Error,
    },
}

/// Writes a record as one line.
///
/// # Errors
/// If the writer fails.
pub fn write_line(to: &mut impl Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *to, record)?;
    to.write_all(b"\n")
}

/// Reads all records. Empty lines are skipped.
///
/// # Errors
/// If the reader fails, or a line is no record.
pub fn read_lines(from: impl BufRead) -> Result<Vec<Record>, HistoryError> {
    let mut records = Vec::new();
    for (at, line) in from.lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            let record = serde_json::from_str(&line);
            records.push(record.map_err(|source| HistoryError::Line { line: at + 1, source })?);
        }
    }
    Ok(records)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::{Answered, Ask, Consistency, Held, OperationOutcome, SessionEndKind};

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let held =
            Held { name: "src/".to_owned(), by: Some("s1".to_owned()), exclusive: true, fence: Some(7) };
        let answered = Answered { revision: Some(7), held: vec![held], ..Answered::default() };
        let operation = |ask, outcome| {
            Record::Operation(Operation {
                client: 1,
                node: 2,
                node_start: None,
                called_us: 10,
                returned_us: Some(20),
                project: None,
                session: Some("s1".to_owned()),
                identity: Some("ana/1".to_owned()),
                ask,
                outcome,
            })
        };
        let of = vec!["src/".to_owned()];
        let records = vec![
            Record::Run(RunHeader {
                workload: "picks".to_owned(),
                seed: 7,
                version: "0.2.0".to_owned(),
                nodes: 3,
            }),
            operation(Ask::PickNext, OperationOutcome::Ok(answered.clone())),
            operation(
                Ask::Claim { paths: of.clone(), exclusive: true, feature: None },
                OperationOutcome::Refused(answered),
            ),
            operation(Ask::Unclaim { paths: None }, OperationOutcome::Unknown),
            operation(Ask::ReadHolders { of, consistency: Consistency::Stale }, OperationOutcome::NotApplied),
            Record::SessionEnd(SessionEnd {
                session: "s1".to_owned(),
                kind: SessionEndKind::Grace,
                at_us: Some(5),
                revision: None,
                cluster_ms: None,
            }),
            Record::Fault { at_us: 3, what: "node 2 crashed".to_owned() },
        ];
        let mut lines = Vec::new();
        for record in &records {
            write_line(&mut lines, record).unwrap();
        }
        assert_eq!(read_lines(&lines[..]).unwrap(), records);
        let first = String::from_utf8(lines).unwrap().lines().nth(1).unwrap().to_owned();
        assert_eq!(
            first,
            r#"{"operation":{"client":1,"node":2,"called_us":10,"returned_us":20,"session":"s1","identity":"ana/1","ask":{"f":"pick-next"},"outcome":{"type":"ok","revision":7,"held":[{"name":"src/","by":"s1","exclusive":true,"fence":7}]}}}"#
        );
        let broken = read_lines(&b"\n{\"run\":1}\n"[..]).unwrap_err().to_string();
        assert!(broken.starts_with("line 2 of the history is no record: "), "{broken}");
    }
}
