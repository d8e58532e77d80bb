//! Answers before the host gives up on its hook, which hosts take for a yes. When a disk, git or a lock keeps the hook
//! waiting, the policy decides, as when no server answers.

use super::{
    affected_files::{self, AffectedFiles},
    evaluate,
    progress::{EventProgress, Findings},
    unreachable,
};
use crate::{
    agent_run::RunRecords,
    args::Global,
    config::policy::Policy,
    guard::journal::Journal,
    hosts::{EventKind, HookEvent, Tool, Verdict},
    output::Output,
};
use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// The deadline. Hosts are configured to wait ten seconds, of which they need some themselves.
const HOOK_TIMEOUT: Duration = Duration::from_secs(6);

/// The verdict on an event, before the deadline.
pub(super) fn evaluate(event: &HookEvent, global: Global) -> Verdict {
    let progress = EventProgress::default();
    let work = {
        let (event, progress) = (event.clone(), progress.clone());
        move || {
            let out = Output::new(global.json, global.no_color);
            evaluate::evaluate(&event, global, &out, &progress)
        }
    };
    let why = match within(HOOK_TIMEOUT, work) {
        Ok(verdict) => return verdict,
        Err(RecvTimeoutError::Timeout) => format!("no answer within {} s", HOOK_TIMEOUT.as_secs()),
        Err(RecvTimeoutError::Disconnected) => "the check itself failed".to_owned(),
    };
    late(event, progress.found(), &why)
}

/// Does the work in a thread, and waits for it this long. Work that takes longer ends with this process.
fn within<T: Send + 'static>(
    longest: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RecvTimeoutError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let started = thread::Builder::new().spawn(move || {
        // The deadline may have passed.
        let _ = sender.send(work());
    });
    started.map_err(|_| RecvTimeoutError::Disconnected)?;
    receiver.recv_timeout(longest)
}

/// The verdict of the policy when the deadline has passed.
fn late(event: &HookEvent, found: Findings, why: &str) -> Verdict {
    let policy = found.policy.unwrap_or_else(|| Policy::find(None, None));
    match event.kind {
        EventKind::BeforeTool => {}
        // The tool has been used already: its files are noted, whatever the policy is.
        EventKind::AfterTool => {
            let is_known = found.is_linked || !found.scope.is_nothing();
            let mut unchecked = found.scope.unchecked;
            unchecked.push(why.to_owned());
            let _ = noted(event, found.scope.files, Policy::FailOpen, why);
            return if is_known && matches!(event.tool, Tool::Shell { .. }) {
                unreachable::with_unchecked(Verdict::Silent, event.kind, &unchecked, policy)
            } else {
                Verdict::Silent
            };
        }
        EventKind::SessionStart => return Verdict::Inform(format!("Nexus cannot be asked now: {why}.")),
        _ => return Verdict::Silent,
    }
    let names: Vec<String> = found.scope.files.iter().flat_map(AffectedFiles::all).collect();
    // The changes of earlier commands are noted, too: they are not found a second time.
    let _ = noted(event, found.scope.left_over, Policy::FailOpen, why);
    let noted = noted(event, found.scope.files, policy, why);
    noted.unwrap_or_else(|| unreachable::verdict(policy, why, &names, None))
}

/// Notes the files in the journal, where the policy lets them through; `None` if no files are known, or where the disk
/// that kept the check waiting keeps this waiting, too.
fn noted(event: &HookEvent, files: Vec<AffectedFiles>, policy: Policy, why: &str) -> Option<Verdict> {
    let (key, why) = (affected_files::run_key(event)?, why.to_owned());
    let work = move || {
        let records = RunRecords::locate().ok()?;
        let verdicts = files.iter().map(|files| {
            let journal = Journal::of_run(&records, &key, files.checkout.project());
            unreachable::verdict(policy, &why, &files.all(), Some((&journal, &files.checkout)))
        });
        verdicts.reduce(|first, second| match (first, second) {
            (Verdict::Inform(first), Verdict::Inform(second)) => {
                Verdict::Inform(format!("{first}\n{second}"))
            }
            (first, _) => first,
        })
    };
    within(Duration::from_secs(1), work).ok().flatten()
}
