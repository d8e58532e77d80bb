//! Codex CLI. It has Claude's form, but knows no field that is not its own: an answer with one more is
//! thrown away as a whole. Files are edited by patches.

use super::{Answer, EventKind, HookEvent, Host, Input, Verdict, claude};
use serde_json::json;

pub(super) fn read(event: &str, input: Input<'_>) -> HookEvent {
    claude::shared(Host::Codex, event, input)
}

pub(super) fn answer(event: &HookEvent, verdict: &Verdict) -> Answer {
    match (event.kind, verdict) {
        // It takes stderr for the reason, and wants no JSON then.
        (EventKind::SessionEnd | EventKind::Unknown, _) => Answer::nothing(),
        (EventKind::BeforeCompact, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            Answer::json(json!({ "systemMessage": text }))
        }
        _ => claude::answer(event, verdict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::Tool;
    use serde_json::Value;
    use std::path::PathBuf;

    fn before(tool: &str, arguments: Value) -> HookEvent {
        let input = json!({ "session_id": "0199a213-81c0-7800-8aa1-bbab2a035a53", "turn_id": "t", "transcript_path": null,
            "cwd": "/repo/app", "hook_event_name": "PreToolUse", "model": "gpt", "permission_mode": "default",
            "tool_name": tool, "tool_input": arguments, "tool_use_id": "call_1" });
        Host::Codex.read("pre-tool-use", &input)
    }

    #[test]
    fn a_patch_names_all_its_files() {
        let patch = "*** Begin Patch\n*** Update File: src/a.rs\n*** Move to: src/b.rs\n@@\n-x\n+y\n*** Add File: new.txt\n+hello\n\
                     *** Delete File: old.txt\n*** End Patch\n";
        let read = before("apply_patch", json!({ "command": patch }));
        let paths = ["src/a.rs", "src/b.rs", "new.txt", "old.txt"].map(PathBuf::from);
        assert_eq!(read.tool, Tool::Edit(paths.to_vec()));
        assert_eq!(read.host, Host::Codex);
    }

    #[test]
    fn a_command_may_come_as_words() {
        let read =
            before("shell", json!({ "command": ["bash", "-lc", "rm src/a.rs"], "workdir": "/repo/app/sub" }));
        let folder = Some(PathBuf::from("/repo/app/sub"));
        assert_eq!(read.tool, Tool::Shell { command: "rm src/a.rs".to_owned(), folder });
        let read = before("shell", json!({ "command": ["rm", "it's"] }));
        assert_eq!(read.tool, Tool::Shell { command: r#"rm "it's""#.to_owned(), folder: None });
    }

    #[test]
    fn it_is_answered_in_the_form_of_claude() {
        let denied = Host::Codex.answer(&before("Bash", json!({})), &Verdict::Refuse("held".to_owned()));
        assert_eq!(denied.stdout.unwrap_or_default()["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!((denied.stderr.as_deref(), denied.code), (Some("held"), 2));
        let end = Host::Codex.read("session-end", &json!({}));
        assert_eq!(Host::Codex.answer(&end, &Verdict::Inform("x".to_owned())), Answer::nothing());
    }
}
