//! Operations as Jepsen writes them: an invocation and a completion for each, in the order of time, as EDN maps.
//! A process whose operation has an unknown outcome never invokes again, so that its client goes on as another one.

use super::{Ask, Operation, OperationOutcome};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
};

/// One map of the history before it is written.
struct Line {
    process: u64,
    kind: &'static str,
    f: String,
    value: String,
    /// The time in nanoseconds.
    time: u64,
}

/// Writes operations in Jepsen's form, one map in each line.
///
/// # Errors
/// If the writer fails.
pub fn write_edn(to: &mut impl Write, operations: &[Operation]) -> io::Result<()> {
    for (index, line) in lines(operations).into_iter().enumerate() {
        let Line { process, kind, f, value, time } = line;
        writeln!(
            to,
            "{{:process {process}, :type :{kind}, :f :{f}, :value {value}, :time {time}, :index {index}}}"
        )?;
    }
    Ok(())
}

fn lines(operations: &[Operation]) -> Vec<Line> {
    let clients = operations.iter().map(|operation| operation.client + 1).max().unwrap_or(0);
    let mut in_order: Vec<&Operation> = operations.iter().collect();
    in_order.sort_by_key(|operation| (operation.called_us, operation.returned_us.unwrap_or(u64::MAX)));
    // The process of each client, and the time of its last completion.
    let mut processes: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut lines = Vec::new();
    for operation in in_order {
        let (process, free_from) = processes.entry(operation.client).or_insert((operation.client, 0));
        // A completion is a nanosecond later than its microsecond: what began within it is concurrent.
        let called = (operation.called_us * 1_000).max(*free_from);
        let f = keyword(operation.ask.name());
        let value = asked(&operation.ask);
        lines.push(Line {
            process: *process,
            kind: "invoke",
            f: f.clone(),
            value: value.clone(),
            time: called,
        });
        let kind = match &operation.outcome {
            OperationOutcome::Ok(_) => "ok",
            OperationOutcome::Refused(_) | OperationOutcome::NotApplied => "fail",
            // A read has no effect.
            OperationOutcome::Unknown if !operation.ask.is_write() => "fail",
            OperationOutcome::Unknown => "info",
        };
        let completed = operation.returned_us.map_or(called, |at| at * 1_000).max(called) + 1;
        let value = if operation.answered().is_some() { answered(operation, &value) } else { value };
        lines.push(Line { process: *process, kind, f, value, time: completed });
        *free_from = completed + 1;
        if kind == "info" {
            *process += clients;
        }
    }
    lines.sort_by_key(|line| (line.time, line.kind != "invoke"));
    lines
}

/// The value of an invocation.
fn asked(ask: &Ask) -> String {
    match ask {
        Ask::Pick { feature }
        | Ask::Release { feature }
        | Ask::Done { feature }
        | Ask::Cancel { feature } => quoted(feature),
        Ask::Claim { paths, exclusive, .. } => {
            format!("{{:paths {}, :exclusive {exclusive}}}", vector(paths))
        }
        Ask::Unclaim { paths: Some(paths) } | Ask::ForceRelease { paths } => vector(paths),
        Ask::ReadHolders { of, .. } => vector(of),
        Ask::PickNext
        | Ask::Unclaim { paths: None }
        | Ask::Beat
        | Ask::StartSession
        | Ask::EndSession
        | Ask::Write { .. }
        | Ask::Read { .. } => "nil".to_owned(),
    }
}

/// The value of a completion: what was asked, and what the answer says.
fn answered(operation: &Operation, asked: &str) -> String {
    let mut value = format!("{{:asked {asked}, :node {}", operation.node);
    let mut add = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            write!(value, ", :{name} {text}").expect("a string takes everything");
        }
    };
    add("session", operation.session.as_deref().map(quoted));
    if let Some(answered) = operation.answered() {
        add("revision", answered.revision.map(|revision| revision.to_string()));
        add("code", answered.code.as_deref().map(quoted));
        let held = answered.held.iter().map(|held| {
            let by = held.by.as_deref().map_or_else(|| "nil".to_owned(), quoted);
            let fence = held.fence.map_or_else(|| "nil".to_owned(), |fence| fence.to_string());
            format!("[{} {by} {fence}]", quoted(&held.name))
        });
        add("held", Some(format!("[{}]", held.collect::<Vec<_>>().join(" "))));
    }
    value.push('}');
    value
}

fn vector(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" "))
}

/// A string of EDN.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A name that may stand behind a colon.
fn keyword(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::{Answered, Held};

    fn operation(
        client: u64,
        (called_us, returned_us): (u64, Option<u64>),
        outcome: OperationOutcome,
    ) -> Operation {
        Operation {
            client,
            node: 1,
            node_start: None,
            called_us,
            returned_us,
            project: None,
            session: Some("s".to_owned()),
            identity: None,
            ask: Ask::Pick { feature: "a\"b".to_owned() },
            outcome,
        }
    }

    #[test]
    fn operations_are_written_as_jepsen_writes_them() {
        let held =
            Held { name: "a\"b".to_owned(), by: Some("s".to_owned()), exclusive: true, fence: Some(7) };
        let ok = Answered { revision: Some(7), held: vec![held], ..Answered::default() };
        let history = [
            operation(0, (1, Some(3)), OperationOutcome::Ok(ok)),
            operation(1, (2, Some(5)), OperationOutcome::Unknown),
            operation(1, (5, Some(6)), OperationOutcome::NotApplied),
        ];
        let mut edn = Vec::new();
        write_edn(&mut edn, &history).unwrap();
        let expected = r#"{:process 0, :type :invoke, :f :pick, :value "a\"b", :time 1000, :index 0}
{:process 1, :type :invoke, :f :pick, :value "a\"b", :time 2000, :index 1}
{:process 0, :type :ok, :f :pick, :value {:asked "a\"b", :node 1, :session "s", :revision 7, :held [["a\"b" "s" 7]]}, :time 3001, :index 2}
{:process 1, :type :info, :f :pick, :value "a\"b", :time 5001, :index 3}
{:process 3, :type :invoke, :f :pick, :value "a\"b", :time 5002, :index 4}
{:process 3, :type :fail, :f :pick, :value "a\"b", :time 6001, :index 5}
"#;
        assert_eq!(String::from_utf8(edn).unwrap(), expected);
    }
}
