//! Tests of every host in the list. The peculiarities of a host are tested in its own file.

use super::{AgentHost, EventKind, HOSTS, HookAnswer, HookEvent, Input, Tool, Verdict};
use crate::install::{Change, Operation, Plan, Scope};
use serde_json::json;
use std::collections::BTreeSet;

/// The files that an install writes for a host into an empty repository.
fn installed(host: &AgentHost, is_closed: bool) -> (tempfile::TempDir, Plan) {
    let folder = tempfile::tempdir().expect("a folder");
    let scope = Scope { root: folder.path().to_owned(), home: None, is_closed };
    let plan = (host.plan)(&scope, Operation::Install).expect("nothing is in the way");
    (folder, plan)
}

fn texts(plan: &Plan) -> Vec<String> {
    let text = |change: &Change| match change {
        Change::Write { after, .. } => after.clone(),
        Change::Move { .. } => None,
    };
    plan.changes.iter().filter_map(text).collect()
}

/// The events that the installed hooks call the command line with.
fn events(host: &AgentHost) -> BTreeSet<String> {
    let call = format!("nexus hook {} ", host.name);
    let (_folder, plan) = installed(host, false);
    let calls = |text: String| -> Vec<String> {
        let rests = text.split(call.as_str()).skip(1);
        rests.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    };
    texts(&plan).into_iter().flat_map(calls).collect()
}

fn read(host: &AgentHost, event: &str) -> HookEvent {
    (host.read)(event, Input(&json!({ "session_id": "s1", "tool_name": 7 })))
}

#[test]
fn each_host_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = HOSTS.iter().map(|host| host.name).collect();
    assert_eq!(names.len(), HOSTS.len());
    for host in HOSTS {
        // It is an argument, and a part of the name of a folder.
        assert!(host.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", host.name);
        assert!(host.programs.contains(&host.program), "{}", host.name);
    }
}

#[test]
fn each_event_that_is_installed_is_one_that_is_read() {
    for host in HOSTS {
        let kinds: Vec<EventKind> = events(host)
            .iter()
            .map(|event| {
                let read = read(host, event);
                assert_ne!(read.kind, EventKind::Unknown, "{} {event}", host.name);
                assert_eq!((read.host, read.session.as_deref()), (host.name, Some("s1")), "{event}");
                read.kind
            })
            .collect();
        for kind in [EventKind::SessionStart, EventKind::BeforeTool, EventKind::AfterTool, EventKind::Stop] {
            assert!(kinds.contains(&kind), "{} {kind:?}", host.name);
        }
        assert_eq!(read(host, "teleport").kind, EventKind::Unknown, "{}", host.name);
    }
}

#[test]
fn each_host_gets_hooks_and_tools_and_loses_nothing_by_them() {
    for host in HOSTS {
        let (folder, plan) = installed(host, false);
        let texts = texts(&plan);
        assert!(texts.iter().any(|text| text.contains("\"mcp\"")), "{}: {texts:?}", host.name);
        for change in &plan.changes {
            assert!(matches!(change, Change::Write { before: None, origin: None, .. }), "{change:?}");
            assert!(change.path().starts_with(folder.path()), "{change:?}");
        }
        assert_eq!(texts, self::texts(&installed(host, false).1), "{}: it is the same again", host.name);
    }
}

#[test]
fn a_refusal_is_said_twice_and_nothing_else_decides() {
    for host in HOSTS {
        for event in events(host) {
            let event = read(host, &event);
            assert_eq!((host.answer)(&event, &Verdict::Silent), HookAnswer::default(), "{}", host.name);
            let informed = (host.answer)(&event, &Verdict::Inform("yours now".to_owned()));
            assert_eq!(informed.code, 0, "{} {event:?}", host.name);
            let said = informed.stdout.map(|json| json.to_string()).unwrap_or_default();
            assert!(!said.contains("allow"), "{} {said}", host.name);
            let refused = (host.answer)(&event, &Verdict::Refuse("held".to_owned()));
            let is_blocked = (refused.stderr.as_deref(), refused.code) == (Some("held"), 2);
            assert_eq!(is_blocked, event.kind == EventKind::BeforeTool, "{} {event:?}", host.name);
            let said = refused.stdout.map(|json| json.to_string()).unwrap_or_default();
            assert!(!is_blocked || said.contains("held"), "{} {said}", host.name);
        }
    }
}

#[test]
fn of_strange_input_no_host_can_say_what_it_writes() {
    for host in HOSTS {
        for event in events(host).iter().filter(|event| read(host, event).kind == EventKind::BeforeTool) {
            for input in [json!(null), json!([1]), json!("x"), json!({ "tool_input": 7, "tool_name": {} })] {
                let read = (host.read)(event, Input(&input));
                assert!(matches!(read.tool, Tool::Unreadable(_)), "{} {:?}", host.name, read.tool);
            }
        }
    }
}
