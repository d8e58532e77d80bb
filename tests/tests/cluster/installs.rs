//! `nexus install` and `nexus uninstall` from outside: foreign content of the files stays, byte for byte, and new files
//! are deleted again.

mod summary;

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

/// An engineer at a machine without a cluster.
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

/// All files below a folder with their contents, except Git's own.
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
fn every_host_is_installed_and_uninstalled_without_leftovers() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let before = files(&root);
    let mut folders = BTreeSet::new();
    for host in hosts(&mut shell) {
        let shown = shell.runs(&format!("nexus install {host} --dry-run")).done();
        assert!(shown.stdout.starts_with("CHANGE") && !shown.stdout.contains("+++ "), "{shown:#?}");
        let shown = shell.runs(&format!("nexus install {host} --dry-run --diff")).done();
        assert!(shown.stdout.contains("+++ "), "{shown:#?}");
        assert_eq!(files(&root), before, "a dry run changes nothing");
        refused(&shell.runs(&format!("nexus install {host}")), "nobody is there to be asked");
        assert_eq!(files(&root), before);

        let ended = shell.runs(&format!("nexus install {host} --yes --json")).done().json();
        assert_eq!(ended["applied"], true, "{ended}");
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
        assert_eq!(files(&root), wired, "a second install changes nothing");

        shell.runs(&format!("nexus uninstall {host} --yes")).done();
        assert_eq!(files(&root), before, "{host}");
    }
    assert!(fs::read_dir(checkout.home().join("installed")).is_err(), "no record is left");
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
fn foreign_content_comes_back_byte_for_byte() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    for (name, text) in [
        // With comments, with another layout, compact, empty, and with an empty object.
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
    assert!(before.iter().all(|(path, text)| wired[path] != *text), "each file was changed");
    let guide = &wired[&root.join("GEMINI.md")];
    assert_eq!(guide.matches('\n').count(), guide.matches("\r\n").count(), "CRLF line ends stay");
    shell.runs("nexus uninstall --yes").done();
    assert_eq!(files(&root), before);
    let none = shell.runs("nexus uninstall --yes").done();
    assert_eq!(none.stdout, "Nothing to change\n");
}

#[test]
fn later_changes_and_earlier_files_are_kept() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let (settings, servers, guide) =
        (root.join(".claude/settings.json"), root.join(".mcp.json"), root.join("AGENTS.md"));
    write(&servers, "{\"mcpServers\":{}}");
    write(&guide, "");
    shell.runs("nexus install claude codex --yes").done();
    // The user adds something to the installed content, and removes it again.
    let text = fs::read_to_string(&settings).expect("it is there");
    write(&settings, &text.replacen('{', "{\n  \"model\": \"opus\",", 1));
    for file in [&servers, &guide] {
        let text = fs::read_to_string(file).expect("it is there");
        write(file, &format!("{text}\n"));
    }
    let ended = shell.runs("nexus uninstall --yes").done();
    let left: Value = serde_json::from_str(&fs::read_to_string(&settings).expect("it stays")).expect("JSON");
    assert_eq!(left, json!({ "model": "opus" }));
    assert!(servers.exists() && guide.exists(), "{ended:#?}");
    assert!(ended.stderr.contains(".mcp.json stays: it was there before"), "{ended:#?}");
}

#[test]
fn a_foreign_file_of_the_same_name_stays() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let (skill, rule) = (root.join(".claude/skills/nexus/SKILL.md"), root.join(".cursor/rules/nexus.mdc"));
    write(&skill, "Our own way with Nexus\n");
    let ended = shell.runs("nexus install claude cursor --yes").done();
    assert!(ended.stderr.contains("SKILL.md stays as it is"), "{ended:#?}");
    // An installed file that was changed is foreign content as well.
    let text = fs::read_to_string(&rule).expect("it was written");
    write(&rule, &text.replace("Before you edit", "Before you edit anything"));
    let changed = fs::read_to_string(&rule).expect("it was written");
    let ended = shell.runs("nexus uninstall --yes").done();
    assert!(ended.stderr.contains("nexus.mdc stays: it is not as nexus install wrote it"), "{ended:#?}");
    assert_eq!(fs::read_to_string(&skill).expect("it stays"), "Our own way with Nexus\n");
    assert_eq!(fs::read_to_string(&rule).expect("it stays"), changed);
}

#[test]
fn an_install_for_a_user_changes_only_the_home_folder() {
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
    let shown = shell.runs("nexus uninstall --user --dry-run --diff").done();
    assert!(shown.stdout.contains("nexus hook claude"), "{shown:#?}");
    assert_eq!(files(&home), wired);
    shell.runs("nexus uninstall --user --yes").done();
    assert_eq!(files(&home), before);
}

#[test]
fn the_closed_policy_also_holds_when_a_hook_cannot_be_run() {
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

/// A foreign hook that records its own name and its input.
fn hook(program: &str, notes: &Path) -> String {
    format!("#!{program}\n# Ours\necho \"$(basename \"$0\"): $(cat)\" >>'{}'\n", notes.display())
}

fn executable(path: &Path, text: &str) {
    write(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
}

#[tokio::test]
async fn an_earlier_hook_is_called_under_its_own_name_with_all_input_of_git() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let checkout =
        Checkout::of(&cluster.urls(), &team.project, team.admin.key().expect("the admin has a key"));
    let root = checkout.root();
    let (hooks, notes) = (root.join(".git/hooks"), root.with_file_name("notes"));
    let shared = root.with_file_name("shared.git");
    checkout.git(&root, &["init", "-q", "--bare", &shared.display().to_string()]);
    checkout.git(&root, &["remote", "add", "origin", &shared.display().to_string()]);
    // One is a shell script, and the other one a symlink to a program.
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

    let noted = || fs::read_to_string(&notes).unwrap_or_default();
    write(&root.join("src/a.rs"), "first\n");
    shell.runs("git add src && git commit -q -m First").done();
    assert_eq!(noted(), "pre-commit: \n");
    shell.runs("git push -q origin main").done();
    let pushed = noted();
    assert!(pushed.starts_with("pre-commit: \npre-push: refs/heads/main "), "{pushed}");

    // A file that another agent holds is refused before that.
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    write(&root.join("src/a.rs"), "second\n");
    refused(&shell.runs("git commit -q -am Second"), "src/a.rs is held by Root's agent \"other\"");
    assert_eq!(noted(), pushed);

    shell.runs("nexus uninstall git --yes").done();
    assert_eq!(fs::read_to_string(hooks.join("pre-commit")).expect("it is there"), commit);
    assert_eq!(fs::read_link(hooks.join("pre-push")).expect("it is a link again"), Path::new("tool"));
    assert_eq!(fs::read_to_string(hooks.join("tool")).expect("it is there"), push);
    assert!(!hooks.join("before-nexus").exists());
}

#[test]
fn a_change_of_hooks_for_all_repositories_is_reported() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let everywhere = root.with_file_name("everywhere");
    fs::create_dir(&everywhere).expect("a folder");
    checkout.git(&root, &["config", "core.hooksPath", &everywhere.display().to_string()]);
    let ended = shell.runs("nexus install git --yes").done();
    assert!(ended.stderr.contains("all repositories that use it get the guard"), "{ended:#?}");
    shell.runs("nexus uninstall git --yes").done();
    assert_eq!(files(&everywhere), BTreeMap::new());
    // A folder in the repository applies to all machines.
    checkout.git(&root, &["config", "core.hooksPath", ".githooks"]);
    let ended = shell.runs("nexus install git --yes").done();
    assert!(ended.stderr.contains("is committed for all"), "{ended:#?}");
    let hook = fs::read_to_string(root.join(".githooks/pre-commit")).expect("it is there");
    assert!(
        !hook.contains(&root.parent().expect("a folder").display().to_string()) && !hook.contains("nexus='"),
        "{hook}"
    );
}

#[test]
fn a_symlink_in_the_repository_leads_no_install_out_of_it() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    let own = checkout.home().join(".bashrc");
    write(&own, "mine\n");
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).expect("a link");
    link(&own, "AGENTS.md");
    let ended = shell.runs("nexus install codex --yes");
    refused(&ended, "AGENTS.md leads to");
    assert!(ended.stderr.contains(".bashrc"), "{ended:#?}");
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

    // A symlink within the repository is followed, and reported.
    let guide = "# Guide\n";
    write(&root.join("CLAUDE.md"), guide);
    fs::remove_file(root.join("GEMINI.md")).expect("a link");
    link(Path::new("CLAUDE.md"), "GEMINI.md");
    let ended = shell.runs("nexus install gemini --yes").done();
    assert!(
        ended.stderr.contains("GEMINI.md leads to") && ended.stderr.contains("that file is meant"),
        "{ended:#?}"
    );
    assert!(fs::symlink_metadata(root.join("GEMINI.md")).expect("it is there").is_symlink());
    assert!(fs::read_to_string(root.join("CLAUDE.md")).expect("it is there").contains(">>> nexus"));
    shell.runs("nexus uninstall gemini --yes").done();
    assert_eq!(fs::read_to_string(root.join("CLAUDE.md")).expect("it is there"), guide);

    // A pipe that would block the command, or a link that changes the target after the consent, is refused.
    let pipe = Command::new("mkfifo").arg(root.join(".mcp.json")).status().expect("mkfifo is there");
    assert!(pipe.success());
    fs::remove_file(root.join(".claude")).expect("a link");
    refused(&shell.runs("nexus install claude --yes"), ".mcp.json is no regular file");
    fs::remove_file(root.join(".mcp.json")).expect("a pipe");
    write(&root.join(".mcp.json"), "{\"a\": \"x\u{202e}y\u{9b}z\"}\n");
    let shown = shell.runs("nexus install claude --dry-run --diff").done();
    assert!(!shown.stdout.contains(['\u{202e}', '\u{9b}']), "{shown:#?}");
    assert!(shown.stdout.contains("x\u{fffd}y\u{fffd}z"), "{shown:#?}");
}

#[test]
fn ignored_hooks_of_a_tool_may_be_replaced() {
    let (checkout, mut shell) = somebody();
    let root = checkout.root();
    write(&root.join(".husky/_/.gitignore"), "*\n");
    let made = root.join(".husky/_/pre-commit");
    write(&made, "#!/bin/sh\n. \"${0%/*}/h\"\n");
    fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).expect("it is there");
    checkout.git(&root, &["config", "core.hooksPath", ".husky/_"]);
    let ended = shell.runs("nexus install git --yes").done();
    assert!(!ended.stderr.contains("committed for all"), "{ended:#?}");
    assert!(ended.stderr.contains("git ignores it"), "{ended:#?}");
    let doctor = shell.runs("nexus doctor");
    assert!(!doctor.stdout.contains("may have written it anew"), "{doctor:#?}");
    write(&made, "#!/bin/sh\n. \"${0%/*}/h\"\n");
    let doctor = shell.runs("nexus doctor");
    assert!(doctor.stdout.contains("may have written it anew"), "{doctor:#?}");
}

#[test]
fn the_plugin_has_the_same_hooks_as_the_settings() {
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
async fn a_complete_setup_leaves_no_finding_for_the_doctor() {
    let cluster = Cluster::start(1).await;
    let checkout = Checkout::new(&cluster.urls());
    let root = checkout.root();
    fs::create_dir(root.join(".claude")).expect("a folder of Claude");
    let mut shell = Agent::start(&checkout, &root, "bash");
    refused(&shell.runs("nexus setup"), "there is nobody to ask");
    let line = "nexus setup --yes --install --json -n Ana -e ana@example.com --project shop";
    let ended = shell.runs(line).done().json();
    assert_eq!(ended["engineer"]["email"], "ana@example.com", "{ended}");
    assert_eq!(ended["project"]["slug"], "shop");
    assert_eq!(ended["install"]["applied"], true);
    assert!(
        ended["install"]["found"].as_array().is_some_and(|found| found.contains(&json!("git"))),
        "{ended}"
    );
    let found = shell.runs("nexus doctor --json").done().json();
    let check = |name: &str| {
        let checks = found["checks"].as_array().cloned().unwrap_or_default();
        checks.into_iter().find(|check| check["name"] == name).unwrap_or_default()
    };
    for name in ["hooks of claude", "hooks of git", "key", "project"] {
        assert_eq!(check(name)["status"], "ok", "{found}");
    }
    // The installed hooks call the program by its name: it has to be on the PATH.
    let nexus = shell.runs("command -v nexus").done().stdout.trim().to_owned();
    let lost = shell.runs(&format!("PATH=/usr/bin:/bin {nexus} doctor --json"));
    assert_eq!(lost.code, 1, "{lost:#?}");
    let wrong = lost.json()["checks"].as_array().cloned().unwrap_or_default();
    let hooks = wrong.iter().find(|check| check["name"] == "hooks of claude").cloned().unwrap_or_default();
    assert_eq!(hooks["status"], "bad", "{hooks}");
    assert!(hooks["message"].as_str().is_some_and(|text| text.contains("not on the PATH")), "{hooks}");
    // A second run prints the current state, and changes nothing.
    let again = shell.runs("nexus setup --yes --install --json").done().json();
    assert_eq!(again["install"]["changes"], json!([]), "{again}");
}

/// Reads the output of a terminal until it contains this text, or ends.
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
async fn an_interactive_setup_ends_with_a_linked_repository() {
    let cluster = Cluster::start(1).await;
    let checkout = Checkout::new(&cluster.urls());
    let root = checkout.root();
    // `script` opens a terminal, and `timeout` closes it if no question comes.
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
