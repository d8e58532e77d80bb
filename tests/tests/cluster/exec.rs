//! `nexus exec`: a command cannot write the files that others hold, whatever it does. If the machine allows no
//! namespaces, each story ends with the check of the warning.
//!
//! - [`ways`]: the table of ways to write a file from a shell, each tried bare and protected.
//! - [`later`]: claims while a command runs, and commands that may mount. [`nested`]: one command within another.
//! - [`required`]: `--require`. [`names`]: names that are not UTF-8, or hard to list. [`wildcards`]: files that
//!   wildcards match. [`forged`]: files of the user that the command forges in order to unmount the protection.

mod forged;
mod later;
mod names;
mod nested;
mod required;
mod ways;
mod wildcards;

use nexus_tests::{Checkout, Client, Cluster, Team, agent::CommandOutput, eventually, skipped};
use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Ana's checkout with some files, and Ben's agent, which holds one of them.
struct Scene {
    team: Team,
    checkout: Checkout,
    ben: Client,
    // The cluster ends with the scene.
    _cluster: Cluster,
}

const HELD: &str = "src/db.rs";

impl Scene {
    async fn start() -> Self {
        let cluster = Cluster::start(1).await;
        let team = Team::of(&cluster).await;
        let key = team.admin.key().expect("the admin has a key").to_owned();
        let checkout = Checkout::of(&cluster.urls(), &team.project, &key);
        let root = checkout.root();
        for folder in ["src/auth", "docs", "lib/deep"] {
            fs::create_dir_all(root.join(folder)).expect("a folder can be made");
        }
        for file in [HELD, "src/own.rs", "src/auth/a.rs", "docs/notes.md", "lib/deep/b.rs"] {
            fs::write(root.join(file), "first\n").expect("a file can be written");
        }
        let engineer = team.engineer("ben").await;
        let ben = team.agent(&engineer.client, "build").await;
        let scene = Self { team, checkout, ben, _cluster: cluster };
        scene.ben_claims(&[HELD]).await;
        scene
    }

    async fn ben_claims(&self, paths: &[&str]) {
        self.ben.post(&self.team.path("/claims"), json!({ "paths": paths })).await.data();
    }

    async fn ben_releases(&self, paths: &[&str]) {
        let body = json!({ "paths": paths });
        let answer = self.ben.send(reqwest::Method::DELETE, &self.team.path("/claims"), Some(&body)).await;
        answer.expect("an answer").data();
    }

    fn root(&self) -> PathBuf {
        self.checkout.root()
    }

    /// A command that Ana herself runs in her checkout.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        self.checkout.surroundings(&mut command);
        command.env("NEXUS_SESSION", "none").args(&words[1..]).current_dir(self.root()).stdin(Stdio::null());
        command
    }

    fn runs(&self, words: &[&str]) -> CommandOutput {
        let output = self.command(words).output().expect("it can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
        CommandOutput { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Runs a line under `nexus exec`.
    fn confined(&self, line: &str) -> CommandOutput {
        self.runs(&["nexus", "exec", "--", "bash", "-c", line])
    }

    /// Whether this machine allows namespaces. If not, the test is reported as skipped, which is a failure where
    /// `NEXUS_TESTS_NEED_NAMESPACES` is 1. `tests/run` sets that where `unshare` can make namespaces.
    fn gives_namespaces(&self) -> bool {
        let explained = self.runs(&["nexus", "exec", "--explain", "--json"]).done().json();
        if explained["available"] == true {
            return true;
        }
        let ended = self.confined("exit 7");
        assert_eq!(ended.code, 7, "{ended:#?}");
        assert!(
            ended.stderr.contains("Files of others are not protected: this system gives no namespace"),
            "{ended:#?}"
        );
        assert_eq!(self.runs(&["nexus", "exec", "--require", "true"]).code, 1);
        assert_ne!(
            std::env::var("NEXUS_TESTS_NEED_NAMESPACES").as_deref(),
            Ok("1"),
            "the machine allows namespaces, but nexus exec has none: {explained}"
        );
        skipped(format_args!("not run: this machine gives no namespaces"));
        false
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.root().join(file)).unwrap_or_default()
    }
}

/// A shell under `nexus exec` that runs one line after the other.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Shell {
    fn start(mut command: Command, folder: &Path) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be run");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, stdin, stdout, folder: folder.to_owned() }
    }

    /// The exit code of a line, run by another shell.
    fn runs(&mut self, line: &str) -> i32 {
        let script = self.folder.join("line");
        fs::write(&script, line).expect("a file for what it runs");
        self.run_line(&format!("bash '{}' >/dev/null 2>&1 </dev/null; echo $?", script.display()))
            .parse()
            .expect("a code")
    }

    /// The output of a line that the shell itself runs.
    fn run_line(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").expect("the shell lives");
        self.said()
    }

    /// The next line that the shell prints.
    fn said(&mut self) -> String {
        let mut said = String::new();
        self.stdout.read_line(&mut said).expect("the shell lives");
        said.trim().to_owned()
    }

    /// Whether a file can be written, by a program that tries without changing it.
    fn can_write(&mut self, file: &str) -> bool {
        self.runs(&format!("exec 7>> {file}")) == 0
    }

    async fn until(&mut self, what: &str, file: &str, can_write: bool) {
        let shell = std::cell::RefCell::new(self);
        eventually(what, || async { (shell.borrow_mut().can_write(file) == can_write).then_some(()) }).await;
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_command_can_write_free_files_and_no_file_held_by_others() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let ended = scene
        .confined("echo mine > src/own.rs && echo new > src/new.rs && rm docs/notes.md && mkdir a && mv a b");
    assert_eq!((ended.done().stderr.as_str(), scene.text("src/own.rs").as_str()), ("", "mine\n"));
    for line in [
        "echo x > src/db.rs",
        "rm src/db.rs",
        "mv src src2",
        "chmod 600 src/db.rs",
        "touch -d 2020-01-01 src/db.rs",
        "ln src/db.rs docs/hard",
        "cd docs && rm -rf ../src; ls ../src/db.rs && false",
    ] {
        assert_ne!(scene.confined(line).code, 0, "{line}");
        assert_eq!(scene.text(HELD), "first\n", "{line}");
    }
    // A command within another one is protected as well.
    let ended =
        scene.confined("nexus exec --require -- bash -c 'echo within > src/own.rs; echo x > src/db.rs'");
    assert!(ended.stderr.ends_with("src/db.rs: Read-only file system\n"), "{ended:#?}");
    assert_eq!(
        (scene.text("src/own.rs").as_str(), ended.stderr.lines().count()),
        ("within\n", 1),
        "{ended:#?}"
    );
    // Outside of the command the file can still be written.
    fs::write(scene.root().join(HELD), "by its holder\n").expect("it can be written");
    // For the holder's agent the file is its own.
    scene.ben_releases(&[HELD]).await;
    scene.runs(&["nexus", "claim", HELD]).done();
    scene.confined("echo mine > src/db.rs").done();
}

#[tokio::test]
async fn folders_wildcards_and_future_files_are_protected_as_far_as_the_kernel_can() {
    let scene = Scene::start().await;
    scene.ben_claims(&["src/auth/", "lib/**/*.rs", "docs/new.md"]).await;
    let explained = scene.runs(&["nexus", "exec", "--explain", "--json"]).done().json();
    let checkout = &explained["checkouts"][0];
    assert_eq!(checkout["protected"], json!(["lib/deep/b.rs", "src/auth", "src/db.rs"]), "{explained}");
    let uncovered = json!([
        { "path": "docs/new.md", "reason": "missing" },
        { "path": "lib/**/*.rs", "reason": "new_files" },
    ]);
    assert_eq!(checkout["uncovered"], uncovered, "{explained}");
    let shown = scene.runs(&["nexus", "exec", "--explain"]).done();
    assert!(
        shown.stdout.contains("docs/new.md") && shown.stdout.contains("does not exist yet"),
        "{shown:#?}"
    );
    if !scene.gives_namespaces() {
        return;
    }
    for line in [
        "echo x > src/auth/a.rs",
        "echo x > src/auth/new.rs",
        "rm -r src/auth",
        "mv lib old",
        "rm lib/deep/b.rs",
    ] {
        let ended = scene.confined(line);
        assert_ne!(ended.code, 0, "{line}");
        assert!(
            ended.stderr.contains("Held by others and not protected: docs/new.md does not exist yet"),
            "{ended:#?}"
        );
    }
    assert_eq!(scene.text("src/auth/a.rs"), "first\n");
    // A claim on everything does not prevent commits.
    scene.ben_releases(&[HELD, "src/auth/", "lib/**/*.rs", "docs/new.md"]).await;
    scene.ben_claims(&["**"]).await;
    scene.confined("git add -A && git -c user.name=a -c user.email=a@example.com commit -qm all").done();
    assert_ne!(scene.confined("echo x > src/own.rs").code, 0);
}

#[tokio::test]
async fn claims_and_releases_of_others_take_effect_while_a_command_runs() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell::start(scene.command(&["nexus", "exec", "--", "bash"]), folder.path());
    assert!(shell.can_write("src/own.rs") && !shell.can_write(HELD));
    // Also if the shell's current folder is the one that is claimed.
    assert_eq!(shell.run_line("cd lib/deep; echo $?"), "0");
    scene.ben_claims(&["lib/deep/b.rs", "src/own.rs"]).await;
    shell.until("a file that is taken is read-only", "b.rs", false).await;
    shell.until("so is the other one", "../../src/own.rs", false).await;
    assert_ne!(shell.runs("mv ../../lib ../../old"), 0);
    scene.ben_releases(&["lib/deep/b.rs"]).await;
    shell.until("a file that is given back can be written", "b.rs", true).await;
    assert!(!shell.can_write("../../src/own.rs"));
    // A folder in which a file was held before.
    scene.ben_claims(&["lib/"]).await;
    shell.until("it is read-only as a whole", "../new.rs", false).await;
    assert_eq!(shell.run_line("cd ../../docs; echo $?"), "0");
    scene.ben_releases(&["lib/"]).await;
    shell.until("it can be written again", "../lib/deep/b.rs", true).await;
    assert_eq!(shell.run_line("cd ../lib/deep; echo $?"), "0");
    // A file that does not exist yet becomes read-only when it is made.
    scene.ben_claims(&["docs/new.md", "src/auth/"]).await;
    shell.until("a folder that is taken is read-only", "../../src/auth/new.rs", false).await;
    assert_eq!(shell.runs("echo x > ../../docs/new.md"), 0);
    shell.until("what was made is read-only", "../../docs/new.md", false).await;
    // Its holder, in the same checkout, replaces the file by another one of that name.
    let root = scene.root();
    fs::write(root.join("src/db.rs.new"), "second\n").expect("it can be written");
    fs::rename(root.join("src/db.rs.new"), root.join(HELD)).expect("it can be replaced");
    shell.until("what was replaced is read-only again", "../../src/db.rs", false).await;
    assert_eq!(scene.text(HELD), "second\n");
    scene.ben_releases(&[HELD, "src/auth/"]).await;
    shell.until("a file that was there from the start can be written", "../../src/db.rs", true).await;
    shell.until("a folder can be written", "../../src/auth/a.rs", true).await;
}

#[tokio::test]
async fn an_agent_under_exec_can_write_the_files_that_it_picks() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    scene.team.ready_feature("docs", &["docs/"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = scene.command(&["nexus", "exec", "--", "bash", "-c", "exec -a claude bash"]);
    command.env_remove("NEXUS_SESSION");
    let mut agent = Shell::start(command, folder.path());
    assert_eq!(agent.runs("nexus feature pick docs && nexus claim src/own.rs"), 0);
    assert!(agent.can_write("docs/notes.md") && agent.can_write("src/own.rs") && !agent.can_write(HELD));
    // A second agent of the same engineer is another holder.
    let other = scene.team.agent(&scene.team.admin, "other").await;
    other.post(&scene.team.path("/claims"), json!({ "paths": ["lib/"] })).await.data();
    agent.until("another agent's folder is read-only", "lib/deep/b.rs", false).await;
    assert!(agent.can_write("docs/notes.md") && agent.can_write("src/own.rs"));
    scene.ben_releases(&[HELD]).await;
    assert_eq!(agent.runs("nexus claim src/db.rs"), 0);
    agent.until("what was free and is claimed can be written", HELD, true).await;
}

#[tokio::test]
async fn a_command_runs_the_same_with_and_without_exec() {
    let scene = Scene::start().await;
    let bare = |line: &str| scene.runs(&["bash", "-c", line]);
    for line in [
        "exit 0",
        "exit 7",
        "kill -TERM $$",
        "kill -KILL $$",
        "kill -PIPE $$; exit 3",
        "grep SigBlk /proc/self/status",
        "exec 9<src/own.rs; nexus exec -- cat <&9",
        "pwd",
        "umask",
        "ulimit -n",
    ] {
        let (bare, confined) = (bare(line), scene.confined(line));
        assert_eq!((bare.code, &bare.stdout), (confined.code, &confined.stdout), "{line}: {confined:#?}");
    }
    let blocked = |words: &[&str]| {
        scene.runs(
            &[&["env", "--block-signal=USR1"], words, &["grep", "SigBlk", "/proc/self/status"]].concat(),
        )
    };
    assert_eq!(blocked(&[]).done().stdout, blocked(&["nexus", "exec", "--"]).done().stdout);
    // A known gap: a Rust program cannot find out whether it was started with SIGPIPE ignored.
    let ignored = "trap '' PIPE; nexus exec -- sed -n 's/^SigIgn:\\s*//p' /proc/self/status; true";
    // The process that runs the tests may ignore other signals.
    let signals = u64::from_str_radix(scene.runs(&["bash", "-c", ignored]).done().stdout.trim(), 16)
        .expect("signals are hexadecimal");
    assert_eq!(signals & (1 << 12), 0, "SIGPIPE is number 13");
    let unknown = |before: &[&str]| scene.runs(&[before, &["no-such-command"]].concat()).code;
    assert_eq!(unknown(&["nexus", "exec"]), unknown(&["env"]));
    assert_eq!(scene.runs(&["nexus", "exec", "--", "./docs"]).code, 126);
    // Arguments after the command belong to the command.
    assert_eq!(
        scene.runs(&["nexus", "exec", "echo", "--json", "--help", "--", "x"]).done().stdout,
        "--json --help -- x\n"
    );
    // It has the id, the input and the group of the started process, and no child that it did not start.
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell::start(scene.command(&["nexus", "exec", "--", "bash"]), folder.path());
    let pid = shell.child.id();
    assert_eq!(shell.run_line("echo $$"), pid.to_string());
    assert_eq!(shell.run_line("read -r x < /proc/self/task/$$/children; echo \"<$x>\""), "<>");
    assert_eq!(shell.run_line("trap 'echo caught; exit 9' TERM; echo ready"), "ready");
    let sent = Command::new("kill").arg(pid.to_string()).status().expect("kill is there");
    assert!(sent.success());
    // A shell that waits for a line handles signals after it. A faster shell has ended already.
    let _ = writeln!(shell.stdin);
    assert_eq!(shell.said(), "caught");
    assert_eq!(shell.child.wait().expect("it ends").code(), Some(9));
    // The end of a pipe depends only on the command.
    let over = folder.path().join("over");
    let line = "exec 9> >(cat; echo > \"$0\"); exec nexus exec -- bash -c 'exec 9>&-; exec bash'";
    let words = ["bash", "-c", line, over.to_str().expect("it is text")];
    let mut shell = Shell::start(scene.command(&words), folder.path());
    assert_eq!(shell.run_line("echo runs"), "runs");
    eventually("the pipe ends while the command runs", || async { over.exists().then_some(()) }).await;
    drop(shell);
    let output =
        scene.command(&["nexus", "exec", "--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = output.expect("it can be run");
    child.stdin.take().expect("it is piped").write_all(b"through\n").expect("it reads");
    assert_eq!(child.wait_with_output().expect("it ends").stdout, b"through\n");
}

#[tokio::test]
async fn a_command_cannot_unmount_the_protection() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let ways = |file: &str| {
        [
            format!("umount {file}"),
            format!("umount -l {file}"),
            format!("mount -o remount,bind,rw {file}"),
            format!("mount -o remount,rw {file}"),
            "umount -l src".to_owned(),
            format!("unshare -rm umount {file}"),
            format!("unshare -rm umount -l {file}"),
            format!("unshare -rm sh -c 'mount -o remount,bind,rw {file}; echo x > {file}'"),
            format!(
                "unshare -rm sh -c 'mkdir -p /tmp && mount --bind src /tmp && echo x > /tmp/${{0#src/}}' {file}"
            ),
            format!("nsenter -t 1 -m sh -c 'echo x > {}'", scene.root().join(file).display()),
            format!("echo x > /proc/1/root{}", scene.root().join(file).display()),
            format!("for p in /proc/[0-9]*; do echo x > $p/root{}; done", scene.root().join(file).display()),
            format!("for p in /proc/[0-9]*; do echo x > $p/cwd/{file}; done"),
        ]
    };
    for line in ways(HELD) {
        scene.confined(&format!("{line}; echo x > {HELD}; unshare -rm sh -c 'echo x > {HELD}'"));
        assert_eq!(scene.text(HELD), "first\n", "{line}");
    }
    // The same for later mounts.
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell::start(scene.command(&["nexus", "exec", "--", "bash"]), folder.path());
    scene.ben_claims(&["src/own.rs"]).await;
    shell.until("it is read-only", "src/own.rs", false).await;
    for line in ways("src/own.rs") {
        shell.runs(&format!("{line}; echo x > src/own.rs"));
        assert_eq!(scene.text("src/own.rs"), "first\n", "{line}");
    }
}

#[tokio::test]
async fn without_a_namespace_exec_warns_and_the_policy_decides_whether_it_runs() {
    let scene = Scene::start().await;
    // A user namespace in which no other can be made, by a process without privileges.
    let within = |words: &[&str]| {
        let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all \"$@\"";
        let has_some = scene.runs(&["unshare", "-r", "true"]).code == 0;
        let before: &[&str] = if has_some { &["unshare", "-r", "sh", "-c", none, "_"] } else { &[] };
        scene.runs(&[before, words].concat())
    };
    let ended = within(&["nexus", "exec", "--", "bash", "-c", "echo x > src/db.rs; exit 7"]);
    assert_eq!(ended.code, 7, "{ended:#?}");
    let said = "Files of others are not protected: this system gives no namespace for it";
    assert!(ended.stderr.contains(said), "{ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
    assert_eq!(scene.text(HELD), "x\n");
    let ended = within(&["nexus", "exec", "--require", "--", "bash", "-c", "echo y > src/db.rs"]);
    assert_eq!((ended.code, scene.text(HELD).as_str()), (1, "x\n"), "{ended:#?}");
    let ended = within(&["nexus", "exec", "--explain"]).done();
    assert!(ended.stderr.contains("Nothing can be protected on this machine"), "{ended:#?}");
}

#[tokio::test]
async fn without_a_server_the_policy_decides_whether_the_command_runs() {
    let scene = Scene::start().await;
    let silent = |policy: &str, words: &[&str]| {
        let mut command = scene.command(words);
        command.env("NEXUS_SERVER", "http://127.0.0.1:1").env("NEXUS_HOOK_POLICY", policy);
        let output = command.output().expect("it can be run");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = silent("fail-open", &["nexus", "exec", "--", "sh", "-c", "exit 7"]);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("Policy fail-open: nothing is protected until a server answers"), "{said}");
    let (code, said) = silent("fail-closed", &["nexus", "exec", "--", "sh", "-c", "exit 7"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("policy fail-closed: nothing runs until a server answers"), "{said}");
    // A refusal of a server is not an outage.
    let mut command = scene.command(&["nexus", "exec", "--", "sh", "-c", "exit 7"]);
    let output = command.env("NEXUS_TOKEN", "nexus_eng_unknown").output().expect("it can be run");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // Without a linked project there is nothing to check.
    let mut command = scene.command(&["nexus", "exec", "--", "sh", "-c", "exit 7"]);
    let output = command.current_dir(scene.checkout.home()).output().expect("it can be run");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no project is linked here"), "{output:?}");
}
