//! From a host's JSON to its answer.

use super::deadline;
use crate::{
    agent_run::{self, RunKey},
    args::Global,
    hosts::{AgentHost, EventKind, HookAnswer, Input, Verdict, lenient},
    text::{plain, plain_value, printable_json},
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    process::ExitCode,
};

/// An event is cut off here: a tool that writes a larger file is not used by an agent. What was whole by then is read.
const MAX_INPUT_BYTES: u64 = 64 << 20;
/// What a host goes on to write is read and thrown away, so that it does not fail at a pipe that nobody reads.
const MAX_IGNORED_BYTES: u64 = 1 << 30;

/// Reads an event and answers it.
pub(super) fn start(host: &AgentHost, event: &str, global: Global) -> ExitCode {
    let event = (host.read)(event, Input(&read()));
    let verdict = match event.kind {
        EventKind::Unknown => Verdict::Silent,
        _ => deadline::evaluate(&event, global),
    };
    if event.kind == EventKind::SessionStart && verdict != Verdict::Silent {
        let key = event.session.as_deref().and_then(|id| RunKey::of_host(event.host, id));
        // Commands that are not told whose they are look for the process that started them.
        let _ = key.map(|key| agent_run::export_run_key(&key));
    }
    // In the form of whoever called, also where that is not whose run it is.
    write_answer(&(host.answer)(&event, &verdict))
}

/// What the host sent; what cannot be had of it is missing in the event, which then goes by the policy.
fn read() -> Value {
    let (mut bytes, mut input) = (Vec::new(), std::io::stdin().lock());
    // What came before a failure may be enough.
    let _ = input.by_ref().take(MAX_INPUT_BYTES).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut input.take(MAX_IGNORED_BYTES), &mut std::io::sink());
    lenient::read(&bytes)
}

fn write_answer(answer: &HookAnswer) -> ExitCode {
    // A host that hangs up has its answer by the exit code.
    if let Some(json) = &answer.stdout {
        let json = printable_json(&plain_value(json.clone()), false);
        let _ = writeln!(std::io::stdout().lock(), "{json}");
    }
    if let Some(text) = &answer.stderr {
        let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
    }
    ExitCode::from(answer.code)
}
