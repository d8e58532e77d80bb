//! Agents as their hosts run them: processes of their own in a checkout, which call `nexus`. Everything
//! ends with the value.

use crate::programs::binary;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

/// A repository on an engineer's machine, with a home folder.
pub struct Checkout {
    folder: TempDir,
    servers: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct CommandOutput {
    /// The exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// Fails unless the command succeeded.
    ///
    /// # Panics
    /// When it did not succeed.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// The output as JSON.
    ///
    /// # Panics
    /// When the output is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl Checkout {
    /// A repository on the machine of an engineer who has not logged in yet.
    ///
    /// # Panics
    /// When there is no Git, or the folder cannot be written to.
    pub fn new(urls: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for a checkout");
        let checkout = Self { folder, servers: urls.join(",") };
        fs::create_dir_all(checkout.home()).expect("a home folder");
        fs::create_dir_all(checkout.root().join("src")).expect("a repository");
        checkout.git(&checkout.root(), &["init", "-q", "-b", "main"]);
        checkout
    }

    /// A repository that is linked to the project, on the machine of the engineer with this key.
    ///
    /// # Panics
    /// When there is no Git, or the folder cannot be written to.
    pub fn of(urls: &[String], project: &str, key: &str) -> Self {
        let checkout = Self::new(urls);
        let login = json!({ "token": key, "servers": urls });
        fs::write(checkout.home().join("config.json"), login.to_string()).expect("a login");
        let link = json!({ "projectId": project, "projectSlug": "demo" });
        fs::write(checkout.root().join(".nexus.json"), link.to_string()).expect("a link");
        checkout
    }

    /// The root of the repository.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// The folder in which `nexus` stores its files.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Runs Git in a folder.
    ///
    /// # Panics
    /// When it fails.
    pub fn git(&self, at: &Path, args: &[&str]) {
        let mut git = Command::new("git");
        self.surroundings(&mut git);
        let output = git.arg("-C").arg(at).args(args).output().expect("git is there");
        assert!(output.status.success(), "git {args:?}: {output:?}");
    }

    /// The environment of a command: it contains nothing of the machine that runs the tests.
    pub fn surroundings(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        let nexus = binary("nexus");
        let bin = nexus.parent().expect("nexus is in a folder").display().to_string();
        command
            .env_clear()
            .env("PATH", format!("{bin}:{path}"))
            .env("HOME", self.home())
            .env("NEXUS_HOME", self.home())
            .env("NEXUS_SERVER", &self.servers)
            .env("TZ", "UTC")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "ana")
            .env("GIT_AUTHOR_EMAIL", "ana@example.com")
            .env("GIT_COMMITTER_NAME", "ana")
            .env("GIT_COMMITTER_EMAIL", "ana@example.com");
    }

    /// The records of runs on this machine.
    pub fn records(&self) -> Vec<Value> {
        let entries = |folder: PathBuf| {
            let found = fs::read_dir(folder).into_iter().flatten();
            found.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>()
        };
        let files = entries(self.home().join("runs")).into_iter().flat_map(entries);
        let records = files.filter(|file| file.extension().is_some_and(|end| end == "json"));
        records.filter_map(|file| serde_json::from_slice(&fs::read(file).ok()?).ok()).collect()
    }

    /// The keep-alive processes of the runs on this machine.
    pub fn keep_alive_processes(&self) -> Vec<u32> {
        let mark = format!("NEXUS_HOME={}", self.home().display());
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let keep_alive = |folder: PathBuf| {
            let read = |name| fs::read(folder.join(name)).unwrap_or_default();
            let words = read("cmdline");
            let is_one = words.split(|byte| *byte == 0).nth(1) == Some(b"keeper".as_slice())
                && read("environ").split(|byte| *byte == 0).any(|line| line == mark.as_bytes());
            is_one.then(|| folder.file_name()?.to_str()?.parse().ok()).flatten()
        };
        processes.filter_map(|entry| keep_alive(entry.ok()?.path())).collect()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // Keep-alive processes end by themselves when their runs are gone. None has to be killed here, but one would
        // create its folder again if the folder was removed first.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !self.keep_alive_processes().is_empty() && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// One agent: a process that runs command lines, one at a time.
pub struct Agent {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Agent {
    /// Starts an agent in a folder of the checkout. Its process has the name of an agent host.
    ///
    /// # Panics
    /// When there is no bash.
    pub fn start(checkout: &Checkout, at: &Path, name: &str) -> Self {
        let mut command = Command::new("bash");
        checkout.surroundings(&mut command);
        let mut child = command
            .args(["-c", &format!("exec -a {name} bash")])
            .current_dir(at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("bash is there");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, stdin, stdout, folder: tempfile::tempdir().expect("a folder for what it says") }
    }

    /// The id of the host's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a command line in the agent.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn runs(&mut self, line: &str) -> CommandOutput {
        self.runs_with(line, "")
    }

    /// Runs a command line in the agent, with this as its standard input.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn runs_with(&mut self, line: &str, stdin: &str) -> CommandOutput {
        let at = |name: &str| self.folder.path().join(name);
        let [script, read, out, err] = ["line", "in", "out", "err"].map(at);
        // In a shell of its own, as agents do: a shell that is forked from the agent would have its name.
        fs::write(&script, line).expect("a file for what it runs");
        fs::write(&read, stdin).expect("a file for what it reads");
        let quoted = |path: &Path| format!("'{}'", path.display());
        let line = [&script, &read, &out, &err].map(|path| quoted(path));
        let line = format!("bash {} <{} >{} 2>{}; echo $?\n", line[0], line[1], line[2], line[3]);
        self.stdin.write_all(line.as_bytes()).expect("the agent lives");
        let mut code = String::new();
        self.stdout.read_line(&mut code).expect("the agent lives");
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let code = code.trim().parse().expect("the agent lives");
        CommandOutput { code, stdout: text(&out), stderr: text(&err) }
    }

    /// Ends the host's process at once, as `kill -9` does.
    pub fn kill(mut self) {
        // `drop` waits for its end.
        let _ = self.child.kill();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // The process may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that an agent's host runs beside the agent. Each message is a line of JSON.
pub struct McpProcess {
    to: fs::File,
    from: BufReader<fs::File>,
    last: u64,
}

impl Agent {
    /// Starts a server of the Model Context Protocol, as a child of the agent itself.
    ///
    /// # Panics
    /// When the server does not start.
    pub fn serves(&mut self, line: &str) -> McpProcess {
        let [to, from] = ["to", "from"].map(|name| self.folder.path().join(name));
        let made = Command::new("mkfifo").args([&to, &from]).status().expect("mkfifo is there");
        assert!(made.success(), "pipes are made");
        let line = format!("{line} <'{}' >'{}' &\n", to.display(), from.display());
        self.stdin.write_all(line.as_bytes()).expect("the agent lives");
        let to = fs::File::options().write(true).open(&to).expect("the program reads");
        let from = BufReader::new(fs::File::open(&from).expect("the program answers"));
        McpProcess { to, from, last: 0 }
    }
}

impl McpProcess {
    /// Sends a request, and waits for the answer.
    ///
    /// # Panics
    /// When the program is gone.
    pub fn asks(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send_message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            let read = self.from.read_line(&mut line).expect("the program answers");
            assert!(read > 0, "the program is gone");
            let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// Sends a notification.
    ///
    /// # Panics
    /// When the program is gone.
    pub fn notify(&mut self, method: &str) {
        self.send_message(&json!({ "jsonrpc": "2.0", "method": method }));
    }

    fn send_message(&mut self, message: &Value) {
        writeln!(self.to, "{message}").expect("the program reads");
    }
}
