//! The table of ways to write a file from a shell (tests/data/shell-writes.tsv): each of them writes the file when it
//! is run bare, and none of them does under `nexus exec`.

use super::{HELD, Scene};
use nexus_tests::Checkout;
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The fewest ways that can be tried with the programs of any development machine.
const AT_LEAST: usize = 100;

/// A way to write `src/db.rs`.
struct Way {
    name: String,
    needs: Vec<String>,
    command: String,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn table() -> Vec<Way> {
    let text = fs::read_to_string(data("shell-writes.tsv")).expect("the table is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let way = |line: &str| {
        let [name, needs, command] =
            line.split('\t').collect::<Vec<_>>().try_into().expect("a name, what it needs, a command");
        let needs = str::split_whitespace(needs).map(str::to_owned).collect();
        Way { name: str::to_owned(name), needs, command: str::to_owned(command) }
    };
    lines.map(way).collect()
}

fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).exists())
}

fn run(checkout: &Checkout, at: &Path, words: &[&str]) {
    let mut command = Command::new(words[0]);
    checkout.surroundings(&mut command);
    command.env("NEXUS_SESSION", "none").args(&words[1..]).current_dir(at);
    // The exit code means nothing: only the file counts.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it can be run");
}

#[tokio::test]
async fn no_way_of_the_table_writes_a_protected_file() {
    let scene = Scene::start().await;
    let protects = scene.gives_namespaces();
    let ways = table();
    let names: BTreeSet<&str> = ways.iter().map(|way| way.name.as_str()).collect();
    assert_eq!(names.len(), ways.len(), "each way has a name of its own");

    let root = scene.root();
    let link = fs::read(root.join(".nexus.json")).expect("it is linked");
    fs::remove_dir_all(&root).expect("it can be removed");
    fs::create_dir_all(root.join(".git/info")).expect("a folder can be made");
    fs::write(root.join(".git/info/exclude"), "/.nexus*\n").expect("it can be written");
    run(&scene.checkout, &root, &["bash", data("shell-writes-checkout.sh").to_str().expect("it is text")]);
    fs::write(root.join(".nexus.json"), link).expect("it can be written");
    let first = fs::read(root.join(HELD)).expect("it was made");

    let copy = root.with_file_name("copy");
    let after = |words: &[&str]| {
        run(&scene.checkout, &root, &["cp", "-a", ".", copy.to_str().expect("it is text")]);
        run(&scene.checkout, &copy, &["git", "update-index", "-q", "--refresh"]);
        run(&scene.checkout, &copy, words);
        let after = fs::read(copy.join(HELD)).ok();
        fs::remove_dir_all(&copy).expect("it can be removed");
        after
    };
    let (mut tried, mut missing, mut got_through) = (0, Vec::new(), Vec::new());
    for way in &ways {
        if !way.needs.iter().all(|program| has(program)) {
            missing.push(&way.name);
            continue;
        }
        assert_ne!(
            after(&["bash", "-c", &way.command]).as_ref(),
            Some(&first),
            "{}: it writes nothing",
            way.name
        );
        tried += 1;
        if protects && after(&["nexus", "exec", "--", "bash", "-c", &way.command]).as_ref() != Some(&first) {
            got_through.push(&way.name);
        }
    }
    println!("{tried} of {} ways tried; not those that need what is not here: {missing:?}", ways.len());
    assert!(tried >= AT_LEAST, "{tried} only; what is missing for {missing:?}");
    assert_eq!(got_through, [""; 0]);
}
