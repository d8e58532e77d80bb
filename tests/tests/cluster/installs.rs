//! `nexus install` and `nexus uninstall` from outside: everything that others wrote in those files stays, byte for
//! byte, and what was not there before is gone again.

use nexus_tests::{Agent, Checkout, Cluster, Team, agent::CommandOutput};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Somebody at a machine where no cluster is needed.
fn somebody() -> (Checkout, Agent) {
    let checkout = Checkout::new(&["http://127.0.0.1:1".to_owned()]);
    let shell = Agent::start(&checkout, &checkout.root(), "bash");
    (checkout, shell)
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
    fs::write(path, text).expect("the file can be written");
}

/// The agent hosts that this version of nexus knows, by their names.
fn hosts(shell: &mut Agent) -> Vec<String> {
    let shown = shell.runs("nexus install --dry-run --json").done().json();
    let names = |list: &str| shown[list].as_array().cloned().unwrap_or_default();
    let names = names("found").into_iter().chain(names("notFound"));
    let hosts: Vec<String> = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let hosts: Vec<String> = hosts.into_iter().filter(|name| name != "git").collect();
    assert!(hosts.len() >= 4, "{shown}");
    hosts
}

/// The first folder on the way to a file; none for a file in the root.
fn top_folder(path: &Path) -> Option<&Path> {
    path.parent()?.ancestors().filter(|folder| !folder.as_os_str().is_empty()).last()
}

/// All files below, but Git's own, with what they say.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.extend((entry.file_name() != ".git").then_some(path));
            } else {
                let text = fs::read(&path).expect("it can be read");
                found.insert(path, String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
    found
}

#[track_caller]
fn refused(ended: &CommandOutput, why: &str) {
    assert_ne!(ended.code, 0, "{ended:#?}");
    assert!(ended.stderr.contains(why), "{ended:#?}");
}

#[test]
fn every_host_is_wired_and_unwired_and_nothing_is_left() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let before = files(&root);
    let mut folders = BTreeSet::new();
    for host in hosts(&mut shell) {
        let shown = shell.runs(&format!("nexus install {host} --dry-run")).done();
        assert!(shown.stdout.contains("+++ "), "{shown:#?}");
        assert_eq!(files(&root), before, "a dry run changes nothing");
        refused(&shell.runs(&format!("nexus install {host}")), "nobody is there to be asked");
        assert_eq!(files(&root), before);

        let told = shell.runs(&format!("nexus install {host} --yes --json")).done().json();
        assert_eq!(told["applied"], true, "{told}");
        let wired = files(&root);
        assert_ne!(wired, before);
        let new = wired.keys().filter(|path| !before.contains_key(*path));
        folders.extend(new.filter_map(|path| Some(top_folder(path.strip_prefix(&root).ok()?)?.to_owned())));
        let named: Vec<&String> =
            wired.values().filter(|text| text.contains(&format!("nexus hook {host} "))).collect();
        assert_eq!(named.len(), 1, "{host}: its hooks are in one file");
        assert!(wired.values().any(|text| text.contains("\"mcp\"")), "{host} has the tools: {wired:#?}");
        let again = shell.runs(&format!("nexus install {host} --yes")).done();
        assert_eq!(again.stdout, "Nothing to change\n");
        assert_eq!(files(&root), wired, "twice is once");

        shell.runs(&format!("nexus uninstall {host} --yes")).done();
        assert_eq!(files(&root), before, "{host}");
    }
    assert!(fs::read_dir(checkout.home().join("installed")).is_err(), "there was nothing to remember");
    for folder in &folders {
        assert!(!root.join(folder).exists(), "{} was made by us", folder.display());
        fs::create_dir(root.join(folder)).expect("a folder");
    }
    shell.runs("nexus install all --yes").done();
    shell.runs("nexus uninstall all --yes").done();
    for folder in &folders {
        assert!(root.join(folder).is_dir(), "{} was there before", folder.display());
    }
}

#[test]
fn what_others_wrote_comes_back_byte_for_byte() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    for (name, text) in [
        // With comments, in a layout of their own, compact, empty, and with nothing in it.
        (".claude/settings.json", "{\n  // mine\n  \"model\": \"opus\", /* why not */\n  \"hooks\": {}\n}\n"),
        (".mcp.json", "{\"mcpServers\":{}}"),
        (".codex/hooks.json", "{}"),
        (".codex/config.toml", "model = \"o5\" # mine"),
        ("AGENTS.md", ""),
        (".cursor/hooks.json", "{\"hooks\":{\"stop\":[{\"command\":\"say done\"}]}}"),
        (".cursor/mcp.json", "{\"mcpServers\":{\"docs\":{\"command\":\"docs\"}}}"),
        (".gemini/settings.json", ""),
        ("GEMINI.md", "# Ours\r\n\r\nBe kind.\r\n"),
    ] {
        write(&root.join(name), text);
    }
    let before = files(&root);
    shell.runs("nexus install claude codex cursor gemini --yes").done();
    let wired = files(&root);
    assert!(before.iter().all(|(path, text)| wired[path] != *text), "each of them has something of ours");
    let guide = &wired[&root.join("GEMINI.md")];
    assert_eq!(guide.matches('\n').count(), guide.matches("\r\n").count(), "a text of Windows stays one");
    shell.runs("nexus uninstall --yes").done();
    assert_eq!(files(&root), before);
    let none = shell.runs("nexus uninstall --yes").done();
    assert_eq!(none.stdout, "Nothing to change\n");
}

#[test]
fn what_was_changed_since_is_kept_and_a_file_that_was_there_is_not_deleted() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let (settings, servers, guide) =
        (root.join(".claude/settings.json"), root.join(".mcp.json"), root.join("AGENTS.md"));
    write(&servers, "{\"mcpServers\":{}}");
    write(&guide, "");
    shell.runs("nexus install claude codex --yes").done();
    // Somebody adds something of their own to what is there now, and takes it away again.
    let text = fs::read_to_string(&settings).expect("it is there");
    write(&settings, &text.replacen('{', "{\n  \"model\": \"opus\",", 1));
    for file in [&servers, &guide] {
        let text = fs::read_to_string(file).expect("it is there");
        write(file, &format!("{text}\n"));
    }
    let told = shell.runs("nexus uninstall --yes").done();
    let left: Value = serde_json::from_str(&fs::read_to_string(&settings).expect("it stays")).expect("JSON");
    assert_eq!(left, json!({ "model": "opus" }));
    assert!(servers.exists() && guide.exists(), "{told:#?}");
    assert!(told.stderr.contains(".mcp.json stays: it was there before"), "{told:#?}");
}

#[test]
fn a_text_of_the_same_name_that_is_not_ours_stays() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let (skill, rule) = (root.join(".claude/skills/nexus/SKILL.md"), root.join(".cursor/rules/nexus.mdc"));
    write(&skill, "Our own way with Nexus\n");
    let told = shell.runs("nexus install claude cursor --yes").done();
    assert!(told.stderr.contains("SKILL.md stays as it is"), "{told:#?}");
    // One that was ours and was changed is somebody's work as well.
    let text = fs::read_to_string(&rule).expect("it was written");
    write(&rule, &text.replace("Before you edit", "Before you edit anything"));
    let changed = fs::read_to_string(&rule).expect("it was written");
    let told = shell.runs("nexus uninstall --yes").done();
    assert!(told.stderr.contains("nexus.mdc stays: it is not as nexus install wrote it"), "{told:#?}");
    assert_eq!(fs::read_to_string(&skill).expect("it stays"), "Our own way with Nexus\n");
    assert_eq!(fs::read_to_string(&rule).expect("it stays"), changed);
}

#[test]
fn a_person_is_wired_in_their_home_folder_and_the_repository_is_not_touched() {
    let (checkout, mut shell) = somebody();
    let home = checkout.home();
    write(&home.join(".claude/settings.json"), "{\"model\":\"opus\"}\n");
    let (before, root) = (files(&home), files(&checkout.root()));
    refused(&shell.runs("nexus install git --user --yes"), "git hooks belong to a repository");
    let hosts = hosts(&mut shell);
    shell.runs(&format!("nexus install {} --user --yes", hosts.join(" "))).done();
    let wired = files(&home);
    for host in hosts {
        let hooks = format!("nexus hook {host} ");
        assert!(wired.values().any(|text| text.contains(&hooks)), "{host}");
    }
    assert_eq!(files(&checkout.root()), root);
    let shown = shell.runs("nexus uninstall --user --dry-run").done();
    assert!(shown.stdout.contains("nexus hook claude"), "{shown:#?}");
    assert_eq!(files(&home), wired);
    shell.runs("nexus uninstall --user --yes").done();
    assert_eq!(files(&home), before);
}

#[test]
fn a_policy_that_is_closed_also_holds_when_a_hook_cannot_be_run() {
    let (checkout, mut shell) = somebody();
    let hooks = |name: &str| {
        let text = fs::read_to_string(checkout.root().join(name)).expect("it is there");
        serde_json::from_str::<Value>(&text).expect("JSON")["hooks"].clone()
    };
    shell.runs("nexus install claude cursor --yes").done();
    let open = (hooks(".claude/settings.json").to_string(), hooks(".cursor/hooks.json").to_string());
    assert!(!open.0.contains("onFailure") && !open.1.contains("failClosed"), "{open:?}");
    let link = json!({ "projectId": "019a0000-0000-7000-8000-000000000001", "hooks": { "whenUnreachable": "fail-closed" } });
    write(&checkout.root().join(".nexus.json"), &link.to_string());
    shell.runs("nexus install claude cursor --yes").done();
    let (claude, cursor) = (hooks(".claude/settings.json"), hooks(".cursor/hooks.json"));
    assert_eq!(claude["PreToolUse"][0]["hooks"][0]["onFailure"], "block");
    assert_eq!(claude["PreToolUse"].as_array().map(Vec::len), Some(1), "{claude}");
    assert_eq!(claude["Stop"][0]["hooks"][0]["onFailure"], Value::Null);
    for event in ["preToolUse", "beforeShellExecution"] {
        assert_eq!(cursor[event][0]["failClosed"], true, "{cursor}");
    }
    assert_eq!(cursor["stop"][0]["failClosed"], Value::Null);
}

/// A hook of somebody, which writes down what it is called by, and what it reads.
fn hook(program: &str, notes: &Path) -> String {
    format!("#!{program}\n# Ours\necho \"$(basename \"$0\"): $(cat)\" >>'{}'\n", notes.display())
}

fn executable(path: &Path, text: &str) {
    write(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
}

#[tokio::test]
async fn a_hook_that_was_there_is_called_under_its_own_name_with_all_that_git_says() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let checkout =
        Checkout::of(&cluster.urls(), &team.project, team.admin.key().expect("the admin has a key"));
    let root = checkout.root();
    let (hooks, notes) = (root.join(".git/hooks"), root.with_file_name("notes"));
    let shared = root.with_file_name("shared.git");
    checkout.git(&root, &["init", "-q", "--bare", &shared.display().to_string()]);
    checkout.git(&root, &["remote", "add", "origin", &shared.display().to_string()]);
    // One for a shell, and one for a program that is none, which is a link besides.
    let (commit, push) = (hook("/bin/sh", &notes), hook("/usr/bin/env -S bash", &notes));
    executable(&hooks.join("pre-commit"), &commit);
    executable(&hooks.join("tool"), &push);
    std::os::unix::fs::symlink("tool", hooks.join("pre-push")).expect("a link");

    let mut shell = Agent::start(&checkout, &root, "claude");
    shell.runs("nexus install git --yes").done();
    let guarded = fs::read_to_string(hooks.join("pre-commit")).expect("it is there");
    assert!(
        guarded.starts_with("#!/bin/sh\n# >>> nexus >>>\n") && guarded.contains("\n# Ours\n"),
        "{guarded}"
    );
    assert_eq!(shell.runs("nexus install git --yes").done().stdout, "Nothing to change\n");

    let told = || fs::read_to_string(&notes).unwrap_or_default();
    write(&root.join("src/a.rs"), "first\n");
    shell.runs("git add src && git commit -q -m First").done();
    assert_eq!(told(), "pre-commit: \n");
    shell.runs("git push -q origin main").done();
    let pushed = told();
    assert!(pushed.starts_with("pre-commit: \npre-push: refs/heads/main "), "{pushed}");

    // A file that somebody else holds does not even get that far.
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    write(&root.join("src/a.rs"), "second\n");
    refused(&shell.runs("git commit -q -am Second"), "src/a.rs is held by Root's agent \"other\"");
    assert_eq!(told(), pushed);

    shell.runs("nexus uninstall git --yes").done();
    assert_eq!(fs::read_to_string(hooks.join("pre-commit")).expect("it is there"), commit);
    assert_eq!(fs::read_link(hooks.join("pre-push")).expect("it is a link again"), Path::new("tool"));
    assert_eq!(fs::read_to_string(hooks.join("tool")).expect("it is there"), push);
    assert!(!hooks.join("before-nexus").exists());
}

#[test]
fn hooks_of_all_repositories_are_not_changed_without_a_word() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let everywhere = root.with_file_name("everywhere");
    fs::create_dir(&everywhere).expect("a folder");
    checkout.git(&root, &["config", "core.hooksPath", &everywhere.display().to_string()]);
    let told = shell.runs("nexus install git --yes").done();
    assert!(told.stderr.contains("all repositories that use it get the guard"), "{told:#?}");
    shell.runs("nexus uninstall git --yes").done();
    assert_eq!(files(&everywhere), BTreeMap::new());
    // A folder in the repository is for everybody's machines.
    checkout.git(&root, &["config", "core.hooksPath", ".githooks"]);
    let told = shell.runs("nexus install git --yes").done();
    assert!(told.stderr.contains("is committed for all"), "{told:#?}");
    let hook = fs::read_to_string(root.join(".githooks/pre-commit")).expect("it is there");
    assert!(
        !hook.contains(&root.parent().expect("a folder").display().to_string()) && !hook.contains("nexus='"),
        "{hook}"
    );
}

#[test]
fn a_link_of_the_repository_leads_an_install_nowhere_else() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let own = checkout.home().join(".bashrc");
    write(&own, "mine\n");
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).expect("a link");
    link(&own, "AGENTS.md");
    let told = shell.runs("nexus install codex --yes");
    refused(&told, "AGENTS.md leads to");
    assert!(told.stderr.contains(".bashrc"), "{told:#?}");
    fs::remove_file(root.join("AGENTS.md")).expect("a link");
    link(&checkout.home(), ".codex");
    refused(&shell.runs("nexus install codex --yes"), ".codex leads to");
    link(Path::new("../home"), ".claude");
    refused(&shell.runs("nexus install claude --yes"), ".claude leads to ../home");
    link(Path::new(".git/config"), "GEMINI.md");
    refused(&shell.runs("nexus install gemini --yes"), "GEMINI.md leads to");
    checkout.git(&root, &["config", "core.hooksPath", "hooks"]);
    link(&checkout.home(), "hooks");
    refused(&shell.runs("nexus install git --yes"), "hooks leads to");
    assert_eq!(fs::read_to_string(&own).expect("it is there"), "mine\n");
    let home: Vec<_> = fs::read_dir(checkout.home()).expect("a folder").flatten().collect();
    assert_eq!(home.len(), 1, "{home:?}");

    // One that stays in the repository is followed, and said.
    let guide = "# Guide\n";
    write(&root.join("CLAUDE.md"), guide);
    fs::remove_file(root.join("GEMINI.md")).expect("a link");
    link(Path::new("CLAUDE.md"), "GEMINI.md");
    let told = shell.runs("nexus install gemini --yes").done();
    assert!(
        told.stderr.contains("GEMINI.md leads to") && told.stderr.contains("that file is meant"),
        "{told:#?}"
    );
    assert!(fs::symlink_metadata(root.join("GEMINI.md")).expect("it is there").is_symlink());
    assert!(fs::read_to_string(root.join("CLAUDE.md")).expect("it is there").contains(">>> nexus"));
    shell.runs("nexus uninstall gemini --yes").done();
    assert_eq!(fs::read_to_string(root.join("CLAUDE.md")).expect("it is there"), guide);

    // What keeps a command waiting, or turns around what a person agrees to, does not.
    let pipe = Command::new("mkfifo").arg(root.join(".mcp.json")).status().expect("mkfifo is there");
    assert!(pipe.success());
    fs::remove_file(root.join(".claude")).expect("a link");
    refused(&shell.runs("nexus install claude --yes"), ".mcp.json is no regular file");
    fs::remove_file(root.join(".mcp.json")).expect("a pipe");
    write(&root.join(".mcp.json"), "{\"a\": \"x\u{202e}y\u{9b}z\"}\n");
    let shown = shell.runs("nexus install claude --dry-run").done();
    assert!(!shown.stdout.contains(['\u{202e}', '\u{9b}']), "{shown:#?}");
    assert!(shown.stdout.contains("x\u{fffd}y\u{fffd}z"), "{shown:#?}");
}

#[test]
fn hooks_that_a_tool_makes_are_no_part_of_the_repository_and_may_be_written_anew() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    write(&root.join(".husky/_/.gitignore"), "*\n");
    let made = root.join(".husky/_/pre-commit");
    write(&made, "#!/bin/sh\n. \"${0%/*}/h\"\n");
    fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).expect("it is there");
    checkout.git(&root, &["config", "core.hooksPath", ".husky/_"]);
    let told = shell.runs("nexus install git --yes").done();
    assert!(!told.stderr.contains("committed for all"), "{told:#?}");
    assert!(told.stderr.contains("git ignores it"), "{told:#?}");
    let doctor = shell.runs("nexus doctor");
    assert!(!doctor.stdout.contains("may have written it anew"), "{doctor:#?}");
    write(&made, "#!/bin/sh\n. \"${0%/*}/h\"\n");
    let doctor = shell.runs("nexus doctor");
    assert!(doctor.stdout.contains("may have written it anew"), "{doctor:#?}");
}

#[test]
fn the_plugin_says_the_same_as_the_settings() {
    let (checkout, mut shell) = somebody();
    let plugin = checkout.root().join("plugin");
    shell.runs("nexus install --plugin plugin --yes").done();
    shell.runs("nexus install claude --yes").done();
    let json = |path: PathBuf| {
        serde_json::from_str::<Value>(&fs::read_to_string(path).expect("it was written")).expect("JSON")
    };
    assert_eq!(json(plugin.join(".claude-plugin/plugin.json"))["name"], "nexus");
    assert_eq!(json(plugin.join(".claude-plugin/marketplace.json"))["plugins"][0]["source"], "./");
    let settings = json(checkout.root().join(".claude/settings.json"));
    assert_eq!(json(plugin.join("hooks/hooks.json"))["hooks"], settings["hooks"]);
    assert_eq!(json(plugin.join(".mcp.json")), json(checkout.root().join(".mcp.json")));
    let skill =
        |folder: PathBuf| fs::read_to_string(folder.join("skills/nexus/SKILL.md")).expect("it was written");
    assert_eq!(skill(plugin), skill(checkout.root().join(".claude")));
}

#[tokio::test]
async fn whoever_sets_everything_up_is_wired_and_the_doctor_finds_nothing() {
    let cluster = Cluster::start(1).await;
    let checkout = Checkout::new(&cluster.urls());
    let root = checkout.root();
    fs::create_dir(root.join(".claude")).expect("a folder of Claude");
    let mut shell = Agent::start(&checkout, &root, "bash");
    refused(&shell.runs("nexus setup"), "there is nobody to ask");
    let line = "nexus setup --yes --install --json -n Ana -e ana@example.com --project shop";
    let told = shell.runs(line).done().json();
    assert_eq!(told["engineer"]["email"], "ana@example.com", "{told}");
    assert_eq!(told["project"]["slug"], "shop");
    assert_eq!(told["install"]["applied"], true);
    assert!(told["install"]["found"].as_array().is_some_and(|found| found.contains(&json!("git"))), "{told}");
    let found = shell.runs("nexus doctor --json").done().json();
    let check = |name: &str| {
        let checks = found["checks"].as_array().cloned().unwrap_or_default();
        checks.into_iter().find(|check| check["name"] == name).unwrap_or_default()
    };
    for name in ["hooks of claude", "hooks of git", "key", "project"] {
        assert_eq!(check(name)["status"], "ok", "{found}");
    }
    // What is wired calls a program by its name alone: it has to be found.
    let nexus = shell.runs("command -v nexus").done().stdout.trim().to_owned();
    let lost = shell.runs(&format!("PATH=/usr/bin:/bin {nexus} doctor --json"));
    assert_eq!(lost.code, 1, "{lost:#?}");
    let wrong = lost.json()["checks"].as_array().cloned().unwrap_or_default();
    let hooks = wrong.iter().find(|check| check["name"] == "hooks of claude").cloned().unwrap_or_default();
    assert_eq!(hooks["status"], "bad", "{hooks}");
    assert!(hooks["message"].as_str().is_some_and(|text| text.contains("not on the PATH")), "{hooks}");
    // Whoever runs it again is told what there is, and nothing is done twice.
    let again = shell.runs("nexus setup --yes --install --json").done().json();
    assert_eq!(again["install"]["changes"], json!([]), "{again}");
}

/// Reads what a terminal shows until there is this text in it, or nothing more comes.
fn shows(terminal: &mut impl Read, seen: &mut String, text: &str) {
    let from = seen.len();
    let mut bytes = [0; 4_096];
    while !seen[from..].contains(text) {
        let read = terminal.read(&mut bytes).expect("the terminal is open");
        assert!(read > 0, "{text:?} is not asked: {seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

#[tokio::test]
async fn whoever_is_asked_step_by_step_ends_in_a_linked_repository() {
    let cluster = Cluster::start(1).await;
    let checkout = Checkout::new(&cluster.urls());
    let root = checkout.root();
    // `script` opens a terminal, and `timeout` closes one at which nothing is asked any more.
    let mut terminal = Command::new("timeout");
    checkout.surroundings(&mut terminal);
    let mut terminal = terminal
        .args(["60", "script", "-qec", "nexus setup", "/dev/null"])
        .current_dir(&root)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is part of every Linux");
    let mut keys = terminal.stdin.take().expect("it is piped");
    let mut screen = terminal.stdout.take().expect("it is piped");
    let mut seen = String::new();
    for (question, answer) in [
        ("Servers", ""),
        ("Your key", ""),
        ("Name that others see", "Ana"),
        ("E-mail address", "ana@example.com"),
        ("The project of this repository", ""),
        ("Short name", ""),
        ("Wire the agents", "y"),
    ] {
        shows(&mut screen, &mut seen, question);
        keys.write_all(format!("{answer}\r").as_bytes()).expect("the terminal is open");
    }
    shows(&mut screen, &mut seen, "Next: nexus doctor");
    assert!(terminal.wait().expect("it ends").success(), "{seen}");
    let link: Value =
        serde_json::from_str(&fs::read_to_string(root.join(".nexus.json")).expect("it is linked"))
            .expect("JSON");
    assert_eq!(link["projectSlug"], "repository", "{seen}");
    assert!(root.join(".git/hooks/pre-commit").exists(), "{seen}");
    let mut shell = Agent::start(&checkout, &root, "bash");
    assert!(shell.runs("nexus whoami").done().stdout.contains("Ana <ana@example.com>"));
}
