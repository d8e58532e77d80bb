//! From a host's JSON to its answer.

use super::{failed, in_time};
use crate::{
    args::Global,
    error::Error,
    hosts::{Answer, EventKind, Host, Verdict},
    output::Output,
    run::{self, Key},
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    process::ExitCode,
};

/// An event is cut off here: a tool that writes a larger file is not used by an agent.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// Reads an event and answers it.
pub(super) fn start(host: Host, event: &str, global: Global, out: &Output) -> ExitCode {
    let input = match read() {
        Ok(input) => input,
        Err(error) => return failed(out, &error),
    };
    let event = host.read(event, &input);
    let verdict = match event.kind {
        EventKind::Unknown => Verdict::Silent,
        _ => in_time::consider(&event, global),
    };
    if event.kind == EventKind::SessionStart && verdict != Verdict::Silent {
        let key = event.session.as_deref().and_then(|id| Key::of_host(event.host.word(), id));
        // Commands that are not told whose they are look for the process that started them.
        let _ = key.map(|key| run::hand_out(&key));
    }
    // In the form of whoever called, also where that is not whose run it is.
    tell(&host.answer(&event, &verdict))
}

fn read() -> Result<Value, Error> {
    let mut text = Vec::new();
    let read = std::io::stdin().take(MAX_INPUT_BYTES).read_to_end(&mut text);
    read.map_err(|error| Error::local(format!("cannot read the event from stdin: {error}")))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::local(format!("what the host sent is no JSON: {error}; nothing is checked")))
}

fn tell(answer: &Answer) -> ExitCode {
    // A host that hangs up has its answer by the exit code.
    if let Some(json) = &answer.stdout {
        let _ = writeln!(std::io::stdout().lock(), "{json}");
    }
    if let Some(text) = &answer.stderr {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
    ExitCode::from(answer.code)
}
