//! Handles an event of an agent host: reads its JSON, decides, and prints the answer.

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
/// Most bytes of further input that are read and discarded, so that the host does not fail at a closed pipe.
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
        // A command without a session in its environment looks for the process that started it.
        let _ = key.map(|key| agent_run::export_run_key(&key));
    }
    // In the format of the calling host, also if the run belongs to another host.
    write_answer(&(host.answer)(&event, &verdict))
}

/// The event that the host sent. Unreadable parts are missing in it, and the policy decides about them.
fn read() -> Value {
    let (mut bytes, mut input) = (Vec::new(), std::io::stdin().lock());
    // The input before a failure may be enough.
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
