//! Events of hosts that are not valid JSON: the necessary fields are read all the same, and if they cannot be read, the
//! policy applies, as in an outage.

use super::repository;
use nexus_tests::{Agent, Checkout, Cluster, Team, agent::CommandOutput};
use serde_json::{Value, json};
use std::fs;

const WHY: &str = "src/a.rs is held by Root's agent \"other\"";

/// Each host with its event before a write, its own fields, and its field for the path.
const HOSTS: [(&str, &str, &str, &str); 4] = [
    ("claude", "pre-tool-use", r#""session_id":"one","tool_name":"Write""#, "file_path"),
    ("codex", "pre-tool-use", r#""session_id":"one","tool_name":"Write""#, "file_path"),
    ("cursor", "pre-tool-use", r#""conversation_id":"one","tool_name":"Write""#, "file_path"),
    ("gemini", "before-tool", r#""session_id":"one","tool_name":"write_file""#, "file_path"),
];

async fn held() -> (Cluster, Team, Checkout, Agent) {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    let agent = Agent::start(&checkout, &checkout.root(), "host");
    (cluster, team, checkout, agent)
}

/// The answer of a hook to these bytes.
fn asks(checkout: &Checkout, agent: &mut Agent, policy: &str, hook: &str, bytes: &[u8]) -> CommandOutput {
    let file = checkout.home().join("event");
    fs::write(&file, bytes).expect("the file can be written");
    agent.runs(&format!("NEXUS_HOOK_POLICY={policy} nexus hook {hook} < '{}'", file.display()))
}

/// An event with a path and a content, each as it stands in JSON.
fn event(common: &str, field: &str, path: &[u8], content: &[u8]) -> Vec<u8> {
    let head = format!(r#"{{{common},"tool_input":{{"content":"#);
    [head.as_bytes(), content, b",\"", field.as_bytes(), b"\":", path, b"}}"].concat()
}

#[tokio::test]
async fn an_unreadable_content_hides_no_path() {
    let (_cluster, _team, checkout, mut agent) = held().await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for (host, name, common, field) in HOSTS {
        for content in [
            br#""a\ud800b""#.as_slice(),
            b"\"\xff\xfe\"",
            b"\"tab\t\x01\"",
            b"NaN",
            b"1e999",
            deep.as_bytes(),
        ] {
            let bytes = event(common, field, br#""src/a.rs""#, content);
            let marked = [b"\xef\xbb\xbf".as_slice(), &bytes].concat();
            for bytes in [bytes, marked] {
                let hook = format!("{host} {name}");
                let asked = asks(&checkout, &mut agent, "fail-open", &hook, &bytes);
                assert_eq!(asked.code, 2, "{hook}: {}: {asked:#?}", String::from_utf8_lossy(&bytes));
                assert!(asked.stderr.contains(WHY), "{hook}: {asked:#?}");
            }
        }
    }
}

#[tokio::test]
async fn an_unreadable_event_is_handled_by_the_policy_and_never_silently_allowed() {
    let (_cluster, team, checkout, mut agent) = held().await;
    for (host, name, common, field) in HOSTS {
        let hook = format!("{host} {name}");
        for bytes in [
            b"".to_vec(),
            b"oops".to_vec(),
            b"[]".to_vec(),
            b"{\"session_id\":\"one\"}".to_vec(),
            event(common, "other", br#""src/a.rs""#, b"1"),
            event(common, field, b"7", b"1"),
            event(common, field, br#""src/\ud800.rs""#, b"1"),
            event(common, field, b"\"src/\xff.rs\"", b"1"),
            // Truncated before its path.
            event(common, field, br#""src/a.rs""#, b"\"x\"").into_iter().take(60).collect(),
        ] {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let closed = asks(&checkout, &mut agent, "fail-closed", &hook, &bytes);
            assert_eq!(closed.code, 2, "{hook} {shown}: {closed:#?}");
            assert!(closed.stderr.contains("cannot read what the host says"), "{hook} {shown}: {closed:#?}");
            let open = asks(&checkout, &mut agent, "fail-open", &hook, &bytes).done();
            assert!(open.stdout.contains("let through unchecked"), "{hook} {shown}: {open:#?}");
            let _: Value = open.json();
        }
        // Other tools and other events are ignored.
        let read =
            format!("{{{},\"x\":1}}", common.replace("Write", "Read").replace("write_file", "read_file"));
        assert_eq!(asks(&checkout, &mut agent, "fail-closed", &hook, read.as_bytes()).done().stdout, "");
        for event in ["stop", "session-end", "pre-compact"] {
            let asked =
                asks(&checkout, &mut agent, "fail-closed", &format!("{host} {event}"), b"oops").done();
            assert_eq!(asked.stdout, "", "{host} {event}: {asked:#?}");
        }
    }
    for (host, start, after) in [
        ("claude", "session-start", "post-tool-use"),
        ("codex", "session-start", "post-tool-use"),
        ("cursor", "session-start", "after-shell-execution"),
        ("gemini", "session-start", "after-tool"),
    ] {
        let started = asks(&checkout, &mut agent, "fail-closed", &format!("{host} {start}"), b"oops").done();
        assert!(started.stdout.contains("Nexus coordinates"), "{host}: {started:#?}");
        let after = asks(&checkout, &mut agent, "fail-closed", &format!("{host} {after}"), b"oops").done();
        assert!(after.stdout.contains("Nothing was checked"), "{host}: {after:#?}");
    }
    // Without a link, nothing is reported.
    let elsewhere = checkout.home().display().to_string();
    let asked = agent.runs(&format!(
        "cd '{elsewhere}' && echo oops | NEXUS_HOOK_POLICY=fail-closed nexus hook claude pre-tool-use"
    ));
    assert_eq!((asked.code, asked.stdout.as_str()), (0, ""), "{asked:#?}");
    assert_eq!(team.admin.get(&team.path("/claims")).await.data().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_command_with_unreadable_characters_may_write_any_file_that_they_can_mean() {
    let (_cluster, _team, checkout, mut agent) = held().await;
    for (command, is_refused) in [
        (br#""echo x > src/\ud800.rs""#.as_slice(), true),
        (b"\"rm 'src/a\xff'\"".as_slice(), true),
        (br#""echo x > docs/\ud800.rs""#.as_slice(), false),
        (br#""echo '\ud800' > src/free.rs""#.as_slice(), false),
    ] {
        let head = br#"{"session_id":"one","tool_name":"Bash","tool_input":{"command":"#;
        let bytes = [head.as_slice(), command, b"}}"].concat();
        let asked = asks(&checkout, &mut agent, "fail-open", "claude pre-tool-use", &bytes);
        let expected = if is_refused { 2 } else { 0 };
        assert_eq!(asked.code, expected, "{}: {asked:#?}", String::from_utf8_lossy(command));
    }
}

#[tokio::test]
async fn an_unreadable_command_is_handled_by_the_policy() {
    let (_cluster, _team, checkout, mut agent) = held().await;
    for command in ["echo 'never closed", &"$(".repeat(20_000), &format!("echo {}", "x".repeat(600_000))] {
        let tool = json!({ "session_id": "one", "tool_name": "Bash", "tool_input": { "command": command } });
        let bytes = tool.to_string().into_bytes();
        let hook = "claude pre-tool-use";
        let refused = asks(&checkout, &mut agent, "fail-closed", hook, &bytes);
        assert_eq!(refused.code, 2, "{refused:#?}");
        assert!(refused.stderr.contains("cannot tell all that this command writes"), "{refused:#?}");
        let answer = asks(&checkout, &mut agent, "fail-open", hook, &bytes).done().json();
        let text = answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default().to_owned();
        assert!(text.contains("let through, and what it changed is looked at afterwards"), "{answer}");
    }
    // A held file that can be recognised all the same is refused.
    let tool = json!({ "session_id": "one", "tool_name": "Bash", "tool_input": { "command": "rm src/a.rs\necho 'never" } });
    let refused =
        asks(&checkout, &mut agent, "fail-open", "claude pre-tool-use", tool.to_string().as_bytes());
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(refused.stderr.contains(WHY), "{refused:#?}");
}
