//! Hostile input for the hook of an agent, from a host or from the content of a file: megabytes, deep nesting, broken
//! text. The hook runs on an agent's machine, so its own time and memory are measured.

use super::context::Attack;
use crate::{Checkout, programs::binary};
use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// A hook that takes longer has failed: its own timeout is six seconds, and a busy machine may add some.
const LONGEST: Duration = Duration::from_secs(10);
/// The limit of the resident memory of one hook.
const MOST_MEMORY_KIB: u64 = 512 << 10;
/// Bytes of the largest input: more than a hook reads.
const LARGE: usize = 48 << 20;
const LARGE_WHEN_SHORT: usize = 4 << 20;

/// An event of Claude Code that writes this JSON text into a file.
fn event(content: &[u8]) -> Vec<u8> {
    let head = br#"{"session_id":"abuse","tool_name":"Write","tool_input":{"content":"#;
    [head.as_slice(), content, br#","file_path":"src/a.rs"}}"#].concat()
}

/// Makes input of this many bytes.
type MakeInput = fn(usize) -> Vec<u8>;

/// The inputs and how each is made: one after the other, since each is large.
const INPUTS: [(&str, MakeInput); 11] = [
    ("a long text", |large| event(&text(b"x", large))),
    ("escapes", |large| event(&text(b"\\u0041", large))),
    ("lone surrogates", |large| event(&text(b"\\ud800", large))),
    ("broken UTF-8", |large| event(&text(b"\xff\xfe", large))),
    ("deep lists", |large| event(&nested("[", "]", large / 2))),
    ("deep objects", |large| event(&nested(r#"{"a":"#, "}", large / 6))),
    ("wide lists", |large| event(&[b"[0", b",0".repeat(large / 2).as_slice(), b"]"].concat())),
    ("many keys", |large| event(&[b"{", br#""k":1,"#.repeat(large / 6).as_slice(), br#""z":1}"#].concat())),
    ("no JSON", |large| vec![b'{'; large]),
    ("zeros", |large| vec![0; large]),
    ("a long command", command),
];

fn text(piece: &[u8], bytes: usize) -> Vec<u8> {
    [b"\"", piece.repeat(bytes / piece.len()).as_slice(), b"\""].concat()
}

fn nested(open: &str, close: &str, depth: usize) -> Vec<u8> {
    [open.repeat(depth), close.repeat(depth)].concat().into_bytes()
}

/// A shell command of this many bytes.
fn command(large: usize) -> Vec<u8> {
    let head = br#"{"session_id":"abuse","tool_name":"Bash","tool_input":{"command":"#;
    let command =
        ["\"", "echo $(echo `x` > src/a.rs) | tee src/a.rs; ".repeat(large / 44).as_str(), "\""].concat();
    [head.as_slice(), command.as_bytes(), b"}}"].concat()
}

pub(super) async fn send(attack: &Attack) {
    let target = attack.target();
    let checkout = Checkout::of(&target.urls, &target.project, &target.members[0]);
    let large = attack.most(LARGE, LARGE_WHEN_SHORT);
    // Another session holds the path, so each hook refuses: it holds nothing, and leaves no keep-alive process behind.
    if let Some(holder) = attack.session(&attack.member(1), "holder").await {
        attack.post(&holder, &attack.path("/claims"), r#"{"paths":["src/a.rs"]}"#).await;
    }
    let (mut slowest, mut fattest) = (Duration::ZERO, 0);
    'all: loop {
        for (what, input) in INPUTS {
            if Instant::now() >= attack.end(0.9) {
                break 'all;
            }
            let mut hook = Command::new(binary("nexus"));
            checkout.surroundings(&mut hook);
            hook.args(["hook", "claude", "pre-tool-use"]).current_dir(checkout.root());
            attack.sent();
            let Ok(Some((took, peak_kib, code))) = spawn_blocking(move || fed(hook, &input(large))).await
            else {
                attack.answered("not run");
                continue;
            };
            attack.answered(format!("exit {code}"));
            slowest = slowest.max(took);
            fattest = fattest.max(peak_kib);
            let (slowest, fattest) = (slowest.as_millis(), fattest >> 10);
            attack.sum_up(format!("the slowest hook took {slowest} ms, the largest {fattest} MiB"));
            if took > LONGEST {
                attack.missed(format!("a hook took {:.1} s for {what}", took.as_secs_f64()));
            }
            if peak_kib > MOST_MEMORY_KIB {
                attack.missed(format!("a hook took {} MiB for {what}", peak_kib >> 10));
            }
        }
    }
}

/// Runs a hook on this input. Returns its duration, its peak memory and its exit code.
fn fed(mut hook: Command, input: &[u8]) -> Option<(Duration, u64, i32)> {
    /// Time between two measurements of its memory.
    const LOOK: Duration = Duration::from_millis(2);
    let began = Instant::now();
    hook.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = hook.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let mut peak_kib = 0;
    std::thread::scope(|scope| {
        // The hook may have read enough before the end of the input.
        scope.spawn(move || drop(stdin.write_all(input)));
        loop {
            peak_kib = peak_kib.max(crate::usage::peak_kib(child.id()).unwrap_or_default());
            match child.try_wait() {
                Ok(None) if began.elapsed() < 2 * LONGEST => std::thread::sleep(LOOK),
                Ok(None) => drop(child.kill()),
                Ok(Some(status)) => return Some((began.elapsed(), peak_kib, status.code().unwrap_or(-1))),
                Err(_) => return None,
            }
        }
    })
}
