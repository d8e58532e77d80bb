//! A command may write all files of its user: those that `nexus` stores, Git's own, and the link of the checkout. None
//! of them is trusted to make a held file writable.

use super::{HELD, Scene, Shell};
use serde_json::json;
use std::{
    fs,
    process::{Command, Stdio},
};

/// The time at which a process started, in seconds since the start of the machine.
fn started(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it lives");
    let after = stat.rsplit_once(") ").expect("the name is in brackets").1;
    let ticks: u64 = after.split(' ').nth(19).and_then(|field| field.parse().ok()).expect("a number");
    let output = Command::new("getconf").arg("CLK_TCK").output().expect("getconf is there");
    ticks / String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().expect("a number")
}

/// Another agent claims and releases a file, so that `nexus exec` checks all claims again.
async fn wait_for_a_new_check(scene: &Scene, shell: &mut Shell) {
    // A session of another agent starts, which may be an own one.
    scene.team.agent(&scene.team.admin, "bystander").await;
    scene.ben_claims(&["docs/notes.md"]).await;
    shell.until("what is taken is read-only", "docs/notes.md", false).await;
    scene.ben_releases(&["docs/notes.md"]).await;
    shell.until("what is given back can be written", "docs/notes.md", true).await;
}

#[tokio::test]
async fn no_file_written_by_the_command_makes_a_held_file_writable() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell::start(scene.command(&["nexus", "exec", "--", "bash"]), folder.path());
    assert!(!shell.can_write(HELD));
    let (home, pid) = (scene.checkout.home(), shell.child.id());
    let write = |file: &str, text: String| {
        let path = home.join(file);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        fs::write(path, text).expect("it can be written");
    };
    // No claims; the holder's session as that of a run inside; a pipe without a writer.
    let project = &scene.team.project;
    write(&format!("claims/{project}.json"), json!({ "revision": 1_000_000_000, "claims": [] }).to_string());
    let holder = scene.ben.session().expect("it is a session");
    for owner in [json!({ "pid": pid, "started": started(pid) }), json!({ "pid": pid, "started": 1 })] {
        let record =
            json!({ "sessionId": holder, "agent": "claude-1", "owner": owner, "seenAt": 1, "leaseMs": 1 });
        write(&format!("runs/claude~{}/{project}.json", owner["started"]), record.to_string());
    }
    fs::create_dir_all(home.join("runs/claude~pipe")).expect("a folder can be made");
    let pipe = home.join(format!("runs/claude~pipe/{project}.json"));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    // Another project and other servers.
    let link = fs::read(scene.root().join(".nexus.json")).expect("it is linked");
    let elsewhere = json!({ "projectId": "00000000-0000-0000-0000-000000000001" });
    assert_eq!(shell.runs(&format!("echo '{elsewhere}' > .nexus.json")), 0);
    let config = fs::read(home.join("config.json")).expect("it is logged in");
    write(
        "config.json",
        json!({ "token": "nexus_eng_other", "servers": ["http://127.0.0.1:1"] }).to_string(),
    );

    wait_for_a_new_check(&scene, &mut shell).await;
    assert!(!shell.can_write(HELD));
    assert_ne!(shell.runs(&format!("rm {HELD}")), 0);

    // The next command does not trust claims and sessions that an earlier one wrote either.
    fs::write(scene.root().join(".nexus.json"), link).expect("it can be written");
    fs::write(home.join("config.json"), config).expect("it can be written");
    assert_ne!(scene.confined("echo x > src/db.rs").code, 0);
    let mut command = scene.command(&["nexus", "exec", "--", "bash", "-c", "echo x > src/db.rs"]);
    let forged = command.env("NEXUS_SESSION", "claude:1").output().expect("it can be run");
    assert_ne!(forged.status.code(), Some(0), "{forged:?}");
    assert_eq!(scene.text(HELD), "first\n");
}

#[tokio::test]
async fn the_files_of_git_neither_protect_nor_expose_a_file() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    scene.ben_releases(&[HELD]).await;
    scene.ben_claims(&["src/*.rs"]).await;
    scene.runs(&["git", "add", "-A"]).done();
    for line in [
        "git rm -q --cached src/db.rs && echo src/ >> .git/info/exclude",
        "mv .git g",
        "rm .git/index && mkfifo .git/index",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shell =
            Shell::start(scene.command(&["nexus", "exec", "--require", "--", "bash"]), folder.path());
        assert_eq!(shell.runs(line), 0, "{line}");
        wait_for_a_new_check(&scene, &mut shell).await;
        assert!(!shell.can_write(HELD) && !shell.can_write("src/own.rs"), "{line}");
        drop(shell);
        // The checkout still works as a repository.
        let again =
            "test -d .git || mv g .git; rm -f .git/index; timeout 60 git add -A; : > .git/info/exclude";
        let mended = scene.command(&["sh", "-c", again]).stdout(Stdio::null()).status();
        assert!(mended.expect("it can be run").success());
    }
}

#[tokio::test]
async fn other_agents_of_the_same_engineer_are_others_however_the_agent_is_started() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let other = scene.team.agent(&scene.team.admin, "other").await;
    other.post(&scene.team.path("/claims"), json!({ "paths": ["lib/"] })).await.data();
    // Indirectly: a shell stays between the command and the agent.
    let folder = tempfile::tempdir().expect("a folder");
    let words =
        ["nexus", "exec", "--", "bash", "-c", "env -u NEXUS_SESSION bash -c 'exec -a claude bash'; exit"];
    let mut agent = Shell::start(scene.command(&words), folder.path());
    assert!(!agent.can_write("lib/deep/b.rs"), "protected from the start");
    assert_eq!(agent.runs("nexus claim src/own.rs"), 0);
    wait_for_a_new_check(&scene, &mut agent).await;
    assert!(!agent.can_write("lib/deep/b.rs"), "still protected");
    assert!(agent.can_write("src/own.rs") && !agent.can_write(HELD));
    let ended = scene.confined("true").done();
    assert!(ended.stderr.contains("Files of your own agents are protected, too: "), "{ended:#?}");
}
