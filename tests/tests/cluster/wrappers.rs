//! Hooks that are called through other programs: a script, an interpreter, a runner of tasks, a compiled program. A run
//! lives in its agent's host whatever is between the two; without a host, in what outlives the wrapper; and where that
//! is not known, the answer says so, and the claim lives by its lease.

use nexus_tests::{Agent, Checkout, Cluster, Team, agent::CommandOutput, eventually, skipped};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

/// The command that all wrappers run.
const HOOK: &str = "nexus hook claude pre-tool-use";

/// The words of an answer that say that no process keeps a claim alive.
const UNATTENDED: &str = "nothing keeps this alive: it is yours until";

struct Scene {
    _cluster: Cluster,
    team: Team,
    checkout: Checkout,
    /// The folder of the wrappers.
    bin: PathBuf,
}

impl Scene {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let team = Team::of(&cluster).await;
        // A claim that is lost is lost by the end of a process, and not by a lease.
        team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
        let checkout =
            Checkout::of(&cluster.urls(), &team.project, team.admin.key().expect("the admin has a key"));
        let bin = checkout.root().with_file_name("wrappers");
        fs::create_dir_all(&bin).expect("a folder for wrappers");
        let write = |name: &str, text: &str| {
            let path = bin.join(name);
            fs::write(&path, text).expect("it can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be run");
        };
        // Each has a last step after the hook: a shell would become its last command.
        write("wrap.sh", &format!("#!/bin/sh\n{HOOK}\nexit $?\n"));
        write("Makefile", &format!("hook:\n\t@{HOOK} && true\n"));
        write(
            "wrap.py",
            "import subprocess, sys\nsys.exit(subprocess.run(['nexus', 'hook', 'claude', 'pre-tool-use']).returncode)\n",
        );
        write(
            "wrap.js",
            "const { spawnSync } = require('child_process');\n\
             process.exit(spawnSync('nexus', ['hook', 'claude', 'pre-tool-use'], { stdio: 'inherit' }).status);\n",
        );
        // As npx does: a script of node that starts a shell.
        write(
            "npx",
            "#!/usr/bin/env node\nconst { spawnSync } = require('child_process');\n\
             process.exit(spawnSync('nexus hook claude pre-tool-use; exit $?', { stdio: 'inherit', shell: true }).status);\n",
        );
        Self { _cluster: cluster, team, checkout, bin }
    }

    /// The lines that call the hook through each kind of program that is there.
    fn wrappers(&self) -> Vec<String> {
        let at = |name: &str| format!("'{}'", self.bin.join(name).display());
        let relay = std::env::current_exe().expect("the tests run");
        let mut lines = vec![
            HOOK.to_owned(),
            format!("sh -c '{HOOK}; exit $?'"),
            at("wrap.sh"),
            format!("bash {}", at("wrap.sh")),
            format!("timeout 600 {}", at("wrap.sh")),
            format!("env A=b {}", at("wrap.sh")),
            format!("nohup {}", at("wrap.sh")),
            format!("setsid -w {}", at("wrap.sh")),
            // A compiled program, whose first argument is the name of a host.
            format!(
                "RELAY=1 '{}' claude wrappers::relays_a_hook --exact --ignored --nocapture",
                relay.display()
            ),
        ];
        let optional = [
            ("make", format!("make -s -f {} hook", at("Makefile"))),
            ("python3", format!("python3 {}", at("wrap.py"))),
            ("node", format!("node --no-warnings {}", at("wrap.js"))),
            ("node", at("npx")),
        ];
        for (program, line) in optional {
            if is_installed(program) { lines.push(line) } else { skipped(format_args!("no {program} here")) }
        }
        lines
    }

    /// The event before an edit of a file, from the run of this id.
    fn event(&self, run: &str, file: &str) -> String {
        let path = self.checkout.root().join(file);
        json!({ "session_id": run, "cwd": self.checkout.root(), "tool_name": "Edit",
            "tool_input": { "file_path": path } })
        .to_string()
    }

    /// Runs a program that no host started, and waits for its end.
    fn runs(&self, words: &[&str], stdin: &str) -> CommandOutput {
        let mut command = Command::new(words[0]);
        self.checkout.surroundings(&mut command);
        command.args(&words[1..]).current_dir(self.checkout.root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it can be run");
        child.stdin.take().expect("it is piped").write_all(stdin.as_bytes()).expect("it reads");
        let ended = child.wait_with_output().expect("it ends");
        CommandOutput {
            code: ended.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }

    /// The record of a run of Claude, once there is one.
    fn record(&self, run: &str) -> Option<Value> {
        let file = format!("runs/claude~{run}/{}.json", self.team.project);
        serde_json::from_slice(&fs::read(self.checkout.home().join(file)).ok()?).ok()
    }

    async fn claims(&self) -> Vec<Value> {
        let claims = self.team.admin.get(&self.team.path("/claims")).await;
        claims.data().as_array().cloned().unwrap_or_default()
    }

    /// The claim on a file, once there is one.
    async fn claim(&self, file: &str) -> Value {
        eventually(&format!("{file} is held"), || async {
            self.claims().await.into_iter().find(|claim| claim["filePath"] == file)
        })
        .await
    }
}

fn is_installed(program: &str) -> bool {
    let option = if program == "tmux" { "-V" } else { "--version" };
    Command::new(program).arg(option).output().is_ok_and(|ended| ended.status.success())
}

/// Whether a process of this record runs.
fn lives(owner: &Value) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", owner["pid"])).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A compiled wrapper: these tests themselves.
#[test]
#[ignore = "a part of other tests, which start it as a program"]
fn relays_a_hook() {
    if std::env::var_os("RELAY").is_some() {
        let mut hook = Command::new("nexus");
        assert!(hook.args(["hook", "claude", "pre-tool-use"]).status().expect("it is there").success());
    }
}

#[tokio::test]
async fn a_claim_lives_as_long_as_the_host_whatever_calls_the_hook() {
    let scene = Scene::start().await;
    let mut agent = Agent::start(&scene.checkout, &scene.checkout.root(), "claude");
    let wrappers = scene.wrappers();
    for (at, line) in wrappers.iter().enumerate() {
        let (run, file) = (format!("run-{at}"), format!("{at}.rs"));
        let answer = agent.runs_with(line, &scene.event(&run, &file)).done();
        assert!(answer.stdout.contains("yours alone now"), "{line}: {answer:#?}");
        assert!(!answer.stdout.contains(UNATTENDED), "{line}: {answer:#?}");
        let record = scene.record(&run).unwrap_or_else(|| panic!("{line}: no record"));
        assert_eq!(record["owner"]["pid"], agent.pid(), "{line}: {record}");
    }
    assert_eq!(scene.claims().await.len(), wrappers.len());
    // A background process whose parents are gone: its run stays where it was.
    let line = format!("setsid -f '{}'", scene.bin.join("wrap.sh").display());
    agent.runs_with(&line, &scene.event("run-0", "behind.rs"));
    scene.claim("behind.rs").await;
    assert_eq!(scene.record("run-0").expect("it was there")["owner"]["pid"], agent.pid());
    agent.kill();
    eventually("all files are free", || async { scene.claims().await.is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn a_claim_outlives_a_wrapper_that_no_host_started() {
    let scene = Scene::start().await;
    let wrappers = scene.wrappers();
    for (at, line) in wrappers.iter().enumerate() {
        let (run, file) = (format!("run-{at}"), format!("{at}.rs"));
        let answer =
            scene.runs(&["bash", "-c", &format!("{line}; exit $?")], &scene.event(&run, &file)).done();
        assert!(answer.stdout.contains("yours alone now"), "{line}: {answer:#?}");
        // Which process is found depends on what started these tests; it is none that is over by now.
        let owner = &scene.record(&run).unwrap_or_else(|| panic!("{line}: no record"))["owner"];
        assert!(owner.is_null() || lives(owner), "{line}: {owner}");
        assert_eq!(answer.stdout.contains(UNATTENDED), owner.is_null(), "{line}: {answer:#?}");
    }
    assert_eq!(scene.claims().await.len(), wrappers.len());
}

#[tokio::test]
async fn a_command_of_a_connection_or_a_container_is_unattended() {
    let scene = Scene::start().await;
    let wrap = scene.bin.join("wrap.sh").display().to_string();
    let server =
        |title: &str| format!("exec -a '{title}' bash -c 'setsid -w bash -c \"{wrap}; exit \\$?\"; exit $?'");
    let mut cases = vec![
        ("ssh", vec!["bash".to_owned(), "-c".to_owned(), server("sshd: ana@notty")]),
        ("tmux", vec!["bash".to_owned(), "-c".to_owned(), server("tmux: server")]),
    ];
    let unshare = |options: &[&str]| -> Vec<String> {
        let words = ["unshare", "--user", "--map-root-user", "--pid", "--fork"];
        words.iter().chain(options).map(|word| (*word).to_owned()).collect()
    };
    if Command::new("unshare")
        .args(&unshare(&["--mount-proc", "true"])[1..])
        .status()
        .is_ok_and(|it| it.success())
    {
        // The wrapper is the first process of the container; then one that sees the processes outside.
        cases.push(("container", unshare(&["--mount-proc", &wrap])));
        cases.push(("namespace", unshare(&[&wrap])));
        let claude =
            unshare(&["--mount-proc", "bash", "-c", &format!("exec -a claude bash -c '{wrap}; exit $?'")]);
        let words: Vec<&str> = claude.iter().map(String::as_str).collect();
        let answer = scene.runs(&words, &scene.event("first", "first.rs")).done();
        assert!(!answer.stdout.contains(UNATTENDED), "{answer:#?}");
        assert_eq!(
            scene.record("first").expect("it is bound")["owner"]["pid"],
            1,
            "the host is the first process"
        );
    } else {
        skipped(format_args!("no PID namespaces here"));
    }
    for (name, words) in &cases {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = scene.runs(&words, &scene.event(name, &format!("{name}.rs"))).done();
        assert!(answer.stdout.contains(UNATTENDED), "{name}: {answer:#?}");
        // Two hours, and the grace that the test has set.
        let is_long = ["(in 2 h 59 min)", "(in 3 h)"].iter().any(|span| answer.stdout.contains(span));
        assert!(is_long, "{answer:#?}");
        assert_eq!(scene.record(name).expect("there is one")["owner"], Value::Null, "{name}");
        scene.claim(&format!("{name}.rs")).await;
    }
}

#[tokio::test]
async fn in_a_terminal_a_script_lives_as_long_as_the_terminal_and_a_person_is_somebody_else() {
    let scene = Scene::start().await;
    if !is_installed("tmux") {
        skipped(format_args!("no tmux here"));
        return;
    }
    let socket = scene.bin.join("socket");
    let tmux = |words: &[&str]| {
        let mut command = Command::new("tmux");
        scene.checkout.surroundings(&mut command);
        command.env("TERM", "xterm").current_dir(scene.checkout.root());
        let ended = command.arg("-S").arg(&socket).args(["-f", "/dev/null"]).args(words).output();
        let ended = ended.expect("it can be run");
        assert!(ended.status.success(), "{words:?}: {ended:?}");
        String::from_utf8_lossy(&ended.stdout).trim().to_owned()
    };
    tmux(&["new-session", "-d", "-x", "80", "-y", "24", "bash", "--norc", "--noprofile"]);
    let pane: u64 = tmux(&["display-message", "-p", "#{pane_pid}"]).parse().expect("a process id");
    let event = scene.bin.join("event.json");
    fs::write(&event, scene.event("scripted", "hooked.rs")).expect("it can be written");
    let types = |line: &str| tmux(&["send-keys", line, "Enter"]);
    let wrapper = if is_installed("python3") {
        format!("python3 {}", path(&scene, "wrap.py"))
    } else {
        path(&scene, "wrap.sh")
    };
    types(&format!("{wrapper} < {}", event.display()));
    let hooked = scene.claim("hooked.rs").await;
    assert_eq!(scene.record("scripted").expect("it is bound")["owner"]["pid"], pane);
    types("nexus claim typed.rs");
    let typed = scene.claim("typed.rs").await;
    let starts =
        |claim: &Value, with: &str| claim["agent"].as_str().is_some_and(|name| name.starts_with(with));
    assert!(starts(&hooked, "claude-") && starts(&typed, "terminal-"), "{hooked} {typed}");
    // A command that a terminal was opened for is no terminal to work in: it acts as the engineer.
    tmux(&["new-window", "nexus claim once.rs; true"]);
    assert_eq!(scene.claim("once.rs").await["agent"], Value::Null);
    tmux(&["kill-server"]);
    eventually("what the terminal held is free", || async {
        let claims = scene.claims().await;
        (claims.len() == 1 && claims[0]["filePath"] == "once.rs").then_some(())
    })
    .await;
}

fn path(scene: &Scene, name: &str) -> String {
    scene.bin.join(name).display().to_string()
}
