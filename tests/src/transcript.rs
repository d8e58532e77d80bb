//! Transcripts: the commands that people and agents type into their shells, and the output. A line such as
//! `ana$ nexus status` is typed by Ana, `ana/claude$ …` by an agent in her checkout; the indented lines
//! beneath are the output, with `!` in front of standard error. All other lines are prose.

use crate::{Agent, Checkout, Cluster, eventually};
use regex::Regex;
use std::{collections::BTreeMap, fs};
use tempfile::TempDir;

/// The engineers of a transcript, each on a machine of their own.
pub struct TranscriptRunner {
    servers: Vec<String>,
    bootstrap: String,
    /// A folder through which they exchange files, `$SHARED` in the scripts.
    shared: TempDir,
    machines: BTreeMap<String, Checkout>,
    shells: BTreeMap<String, Agent>,
    unsteady: Vec<(Regex, &'static str)>,
}

/// Parts of the output that differ in each run, and their replacements. The width of columns depends on such parts, so
/// two of the spaces between columns are left. Empty lines are left out.
const UNSTEADY: [(&str, &str); 22] = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"nexus_eng_[A-Za-z0-9]+", "nexus_eng_KEY"),
    (r"\bnexus/\d+\.\d+\.\d+", "nexus/VERSION"),
    (r"nexus_join_[A-Za-z0-9_]+", "nexus_join_TOKEN"),
    (r"http://127\.0\.0\.1:\d{4,5}", "SERVER"),
    (r"127\.0\.0\.1:\d{4,5}", "ADDRESS"),
    (r"/[^ ]*/repository\b", "~/repository"),
    (r"/[^ ]*/home\b", "~"),
    (r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?|\b([A-Z][a-z]{2} \d{1,2} )?\d\d:\d\d\b", "TIME"),
    (r"\b(terminal|claude|codex)-[0-9a-f-]+\b", "$1-RUN"),
    (r"\b(terminal|claude|codex):[0-9a-f-]+\b", "$1:RUN"),
    (r"\b\d+ (s|ms|min|h|d)( \d+ (s|min|h))? ago\b|\bjust now\b", "N ago"),
    (r"\bin \d+ (s|ms|min|h|d)( \d+ (s|min|h))?\b|\bany moment now\b", "in N"),
    (r"\(process \d+\)", "(process N)"),
    // Whether the first heartbeat was sent by then.
    (r"\brenewed (while it runs|by its requests)", "renewed by LIFE"),
    (r#""lease": ?"(un)?attended""#, "\"lease\":LEASE"),
    (r"\bFence( +)\d+", "Fence${1}N"),
    (r#""(fence|revision|seq)": ?\d+"#, "\"$1\":N"),
    (r"^   +\d+  TIME", "  N  TIME"),
    (r"the cluster is at \d+", "the cluster is at N"),
    (r"\b[0-9a-f]{7,40}\b", "COMMIT"),
    (r"(\S) {2,}", "$1  "),
];

impl TranscriptRunner {
    /// Makes a runner without engineers for a new cluster.
    pub async fn of(cluster: &Cluster) -> Self {
        let token = || async { cluster.bootstrap_tokens().pop() };
        let bootstrap = eventually("there is a token for the first admin", token).await;
        Self {
            servers: cluster.urls(),
            bootstrap,
            shared: tempfile::tempdir().expect("a folder for all engineers"),
            machines: BTreeMap::new(),
            shells: BTreeMap::new(),
            unsteady: unsteady(),
        }
    }

    /// Runs a script and returns it with the current output.
    pub fn play(&mut self, script: &str) -> String {
        let mut happened = String::new();
        for line in script.lines().filter(|line| !line.starts_with("  ")) {
            happened.push_str(line);
            happened.push('\n');
            let typed = line.split_once("$ ").filter(|(who, _)| !who.is_empty() && !who.contains(' '));
            if let Some((who, line)) = typed {
                happened.push_str(&self.types(who, line));
            }
        }
        happened
    }

    fn types(&mut self, who: &str, line: &str) -> String {
        let (person, host) = who.split_once('/').unwrap_or((who, "bash"));
        let machine = self.machines.entry(person.to_owned()).or_insert_with(|| {
            let machine = Checkout::new(&self.servers);
            fs::write(machine.home().join("bootstrap-token"), &self.bootstrap).expect("a home folder");
            machine
        });
        let shell =
            self.shells.entry(who.to_owned()).or_insert_with(|| Agent::start(machine, &machine.root(), host));
        let ended = shell.runs(&format!("SHARED='{}'; {line}", self.shared.path().display()));
        let lines = |text: &str, mark: &str| {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(|line| format!("  {mark}{line}")).collect::<Vec<_>>()
        };
        let mut seen = lines(&ended.stdout, "");
        seen.extend(lines(&ended.stderr, "! "));
        if ended.code != 0 {
            seen.push(format!("  [{}]", ended.code));
        }
        seen.into_iter().map(|line| steady(&self.unsteady, line.trim_end()) + "\n").collect()
    }
}

fn unsteady() -> Vec<(Regex, &'static str)> {
    UNSTEADY
        .into_iter()
        .map(|(pattern, name)| (Regex::new(pattern).expect("it is a pattern"), name))
        .collect()
}

fn steady(unsteady: &[(Regex, &str)], line: &str) -> String {
    unsteady
        .iter()
        .fold(line.to_owned(), |line, (pattern, name)| pattern.replace_all(&line, *name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_time_on_any_day() {
        for time in ["14:32", "Nov 26 00:01", "2027-01-01", "2026-11-25T21:57:28Z"] {
            let printed =
                steady(&unsteady(), &format!("  Lease  until {time} (in 4 min), renewed by every request"));
            assert_eq!(printed, "  Lease  until TIME (in N), renewed by every request");
        }
    }
}
