//! The fuzz targets of what agent hosts send: events, and the commands in them.

use super::{EventKind, HOSTS, HookAnswer, Input, Tool, Verdict, lenient, patch, shell};
use crate::{
    fuzzing::without_fractions,
    text::{plain_value, printable_json},
};
use serde_json::Value;
use std::path::Path;

/// The folder that commands start in. It does not exist, so that no file of this machine decides what they mean.
const FOLDER: &str = "/no-such/repo/app";

/// The events that hosts call the command line with, by all of their names, and one that is unknown.
const EVENTS: [&str; 16] = [
    "session-start",
    "pre-tool-use",
    "post-tool-use",
    "post-tool-use-failure",
    "pre-compact",
    "stop",
    "subagent-stop",
    "session-end",
    "before-shell-execution",
    "after-shell-execution",
    "before-mcp-execution",
    "after-file-edit",
    "before-submit-prompt",
    "before-tool",
    "after-tool",
    "teleport",
];

/// The most list entries of each kind that a command may have: more would be work for the cluster.
const MAX_LISTED: usize = 2_000;

/// A command of a shell: what it writes is bounded, and by paths that need no folder to be understood.
///
/// # Panics
/// If one of these properties does not hold.
pub fn shell(data: &[u8]) {
    let command = String::from_utf8_lossy(data);
    let writes = shell::read_through(&command, Path::new(FOLDER));
    let folders = writes.patterns.iter().map(|(folder, _)| folder);
    let stashes = writes.unstashed.iter().map(|(folder, _)| folder);
    let paths =
        writes.paths.iter().chain(&writes.discards).chain(&writes.mentioned).chain(folders).chain(stashes);
    for path in paths {
        assert!(path.is_absolute(), "{command:?} writes {path:?}");
    }
    for count in [
        writes.paths.len(),
        writes.discards.len(),
        writes.patterns.len(),
        writes.unrooted_new.len(),
        writes.unrooted_existing.len(),
        writes.mentioned.len(),
        writes.unstashed.len(),
    ] {
        assert!(count <= MAX_LISTED, "{command:?} has a list of {count}");
    }
    let _ = (patch::paths(&command), patch::diff_paths(&command, 1));
}

/// An event of a host: the first byte chooses the host and the second one the event. JSON is read as any reader does,
/// and what is no JSON as far as possible; a refusal before a tool is one for every reader of the answer, and no other
/// answer decides.
///
/// # Panics
/// If one of these properties does not hold.
pub fn hook(data: &[u8]) {
    let [host, event, bytes @ ..] = data else { return };
    let (host, event) = (HOSTS[usize::from(*host) % HOSTS.len()], EVENTS[usize::from(*event) % EVENTS.len()]);
    let value = lenient::read(bytes);
    // A number alone may have been cut off, and is none.
    if value.is_object() || value.is_array() {
        let again = lenient::read(value.to_string().as_bytes());
        assert_eq!(without_fractions(again), without_fractions(value.clone()), "what was read is read again");
    }
    if let Ok(plain) = serde_json::from_slice::<Value>(bytes)
        && (plain.is_object() || plain.is_array())
        && depth(&plain) < 60
    {
        assert_eq!(without_fractions(value.clone()), without_fractions(plain), "valid JSON is read as it is");
    }
    let read = (host.read)(event, Input(&value));
    if let Tool::Edit(paths) = &read.tool {
        assert!(!paths.is_empty() && paths.iter().all(|path| !path.as_os_str().is_empty()), "{paths:?}");
    }
    if let Tool::Shell { command, .. } = &read.tool {
        shell(command.as_bytes());
    }
    assert_eq!((host.answer)(&read, &Verdict::Silent), HookAnswer::default());
    let informed = (host.answer)(&read, &Verdict::Inform("yours now".to_owned()));
    assert_eq!(informed.code, 0, "{read:?}");
    let refused = (host.answer)(&read, &Verdict::Refuse("held".to_owned()));
    let is_blocked = (refused.stderr.as_deref(), refused.code) == (Some("held"), 2);
    assert_eq!(is_blocked, read.kind == EventKind::BeforeTool, "{read:?}");
    for json in [informed.stdout, refused.stdout, Some(value)].into_iter().flatten() {
        let json = plain_value(json);
        let printed = printable_json(&json, false);
        let again = serde_json::from_str::<Value>(&printed).map(without_fractions);
        assert!(again.is_ok_and(|again| again == without_fractions(json)), "{printed}");
    }
}

/// The most objects and lists around a value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// One in so many ways to write a file from a shell is a seed.
    const ONE_IN: usize = 6;

    #[test]
    fn commands_pass_their_corpus() {
        let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/shell-writes.tsv");
        let table = std::fs::read_to_string(table).unwrap();
        let ways =
            table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit('\t').next());
        let mut seeds: Vec<(String, Vec<u8>)> = ways
            .step_by(ONE_IN)
            .enumerate()
            .map(|(number, command)| (format!("way-{number:02}"), command.replace("\\n", "\n").into()))
            .collect();
        for (name, text) in [
            ("here", "cat > \"src/a.rs\" <<'EOF'\nfn main() {}\nEOF\necho y > c"),
            (
                "patch",
                "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: src/a.rs\n@@\n-a\n+b\n*** End Patch\nEOF",
            ),
            ("diff", "patch -p1 <<'EOF'\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-x\n+y\nEOF"),
            (
                "loop",
                "for f in a b; do D=$(dirname \"$f\"); cd \"${D:-.}\" && sed -i s/a/b/ {x,y{1..3}}.rs; done",
            ),
            (
                "nested",
                "bash -c \"find . -name '*.rs' -exec sh -c 'echo > \\$1' _ {} \\;\" | xargs -I{} cp {} out/",
            ),
            ("zsh", "setopt extendedglob; rm -- **/*.o(.N) =(ls) ${(f)list}"),
            ("git", "git -C sub checkout HEAD~1 -- a.rs && git stash pop stash@{1}; git reset --hard"),
        ] {
            seeds.push((name.to_owned(), text.into()));
        }
        nexus_corpora::pass("shell", shell, seeds);
    }

    #[test]
    fn events_pass_their_corpus() {
        let events = [
            (
                "edit",
                0,
                1,
                json!({ "session_id": "s", "cwd": "/repo", "tool_name": "Edit", "tool_use_id": "t",
                "tool_input": { "file_path": "src/a.rs", "old_string": "a", "new_string": "\u{1f600}" } }),
            ),
            (
                "bash",
                0,
                2,
                json!({ "session_id": "s", "tool_name": "Bash", "tool_input": { "command": "echo > a" } }),
            ),
            (
                "start",
                0,
                0,
                json!({ "session_id": "s", "source": "resume", "hook_event_name": "SessionStart" }),
            ),
            ("stop", 0, 5, json!({ "session_id": "s", "stop_hook_active": true })),
            (
                "words",
                1,
                1,
                json!({ "session_id": "s", "tool_name": "shell",
                "tool_input": { "command": ["bash", "-lc", "echo x > a"], "workdir": "/x" } }),
            ),
            (
                "patch",
                1,
                1,
                json!({ "tool_name": "apply_patch",
                "tool_input": "{\"input\":\"*** Update File: a\\n*** Move to: b\"}" }),
            ),
            (
                "cursor",
                2,
                8,
                json!({ "conversation_id": "c", "command": "rm a", "cwd": "/r", "workspace_roots": ["/r"] }),
            ),
            ("cursor-edit", 2, 11, json!({ "conversation_id": "c", "file_path": "/r/a", "edits": [] })),
            (
                "gemini",
                3,
                13,
                json!({ "session_id": "s", "cwd": "/r", "tool_name": "write_file",
                "tool_input": { "file_path": "a", "content": "x" } }),
            ),
            (
                "gemini-shell",
                3,
                14,
                json!({ "tool_name": "run_shell_command", "tool_input": { "command": "touch a" } }),
            ),
        ];
        let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, host, event, json) in events {
            seeds.push((name.to_owned(), [&[host, event], json.to_string().as_bytes()].concat()));
        }
        let torn = br#"{"tool_name":"Write","tool_input":{"file_path":"a\ud800.rs","content":"raw
 line \x and 01 [[[ "#;
        seeds.push(("torn".to_owned(), [&[0, 1], &torn[..]].concat()));
        nexus_corpora::pass("hook", hook, seeds);
    }
}
