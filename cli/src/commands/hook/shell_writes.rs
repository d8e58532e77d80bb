//! The table of ways to write a file from a shell (tests/data/shell-writes.tsv), held against what is read before a
//! command and what is looked at after it. Each way is seen by one of them at least.

use crate::{
    git::WorkTree,
    guard::snapshot::{PriorContent, WorkTreeSnapshot},
    hosts::shell::{self, ordinary::refused_for},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The file that another session holds.
const HELD: &str = "src/db.rs";

/// The fewest ways that can be tried with the programs of any development machine.
const AT_LEAST: usize = 200;

/// The least percentage of ways that are found before they run.
const SEEN_BEFORE_OF_HUNDRED: usize = 85;

struct WriteCase {
    name: String,
    needs: Vec<String>,
    command: String,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

fn table() -> Vec<WriteCase> {
    let text = fs::read_to_string(data("shell-writes.tsv")).expect("the table is there");
    let way = |line: &str| {
        let [name, needs, command] =
            line.split('\t').collect::<Vec<_>>().try_into().expect("a name, what it needs, a command");
        let needs = needs.split_whitespace().map(str::to_owned).collect();
        WriteCase { name: name.to_owned(), needs, command: command.to_owned() }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(way).collect()
}

fn has(program: &String) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// How a command ends says nothing: what counts is the file.
fn run(home: &Path, at: &Path, words: &[&str]) {
    let mut command = Command::new("timeout");
    command.arg("60").args(words).current_dir(at).env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it can be run");
}

#[test]
fn each_way_to_write_a_file_is_seen_before_or_afterwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = fs::canonicalize(folder.path()).expect("it is there");
    let (base, copy) = (home.join("base"), home.join("copy"));
    fs::create_dir(&base).expect("a folder");
    run(&home, &base, &["bash", data("shell-writes-checkout.sh").to_str().expect("it is text")]);
    let first = fs::read(base.join(HELD)).expect("it was made");

    let (mut tried, mut before, mut afterwards, mut by_neither) = (0, 0, 0, Vec::new());
    for way in table().iter().filter(|way| way.needs.iter().all(has)) {
        run(&home, &home, &["cp", "-a", "base", "copy"]);
        run(&home, &copy, &["git", "update-index", "-q", "--refresh"]);
        let is_before = !refused_for(&shell::writes(&way.command, &copy), &copy, &[HELD]).is_empty();
        let snapshot = WorkTreeSnapshot::of_run(home.join("run"));
        let trees = vec![WorkTree::at(&copy).expect("it is one")];
        snapshot.before("toolu_1", trees, Vec::new());
        run(&home, &copy, &["bash", "-c", &way.command]);
        let is_changed = fs::read(copy.join(HELD)).ok().as_ref() != Some(&first);
        let changes = snapshot.after("toolu_1").expect("it was looked at before").changes;
        let found = changes.iter().find(|change| change.path == copy.join(HELD));
        if let Some(found) = found {
            // It was as in HEAD: Git can give it back.
            assert!(matches!(found.prior, PriorContent::Committed(_)), "{}: {found:?}", way.name);
        }
        tried += 1;
        before += usize::from(is_before);
        afterwards += usize::from(found.is_some());
        let sign = |is_so| if is_so { "yes" } else { "-" };
        println!("{:<44} before {:<4} afterwards {}", way.name, sign(is_before), sign(found.is_some()));
        if !is_before && found.is_none() {
            by_neither.push(format!("{}: {} (it wrote: {is_changed})", way.name, way.command));
        }
        fs::remove_dir_all(&copy).expect("it can be removed");
    }
    println!("{tried} ways: {before} seen before, {afterwards} afterwards");
    assert!(
        by_neither.is_empty(),
        "{} of {tried} are seen by neither:\n{}",
        by_neither.len(),
        by_neither.join("\n")
    );
    assert!(tried >= AT_LEAST, "{tried} only");
    assert!(before * 100 >= tried * SEEN_BEFORE_OF_HUNDRED, "{before} of {tried} seen before");
}
