//! The list of files that an install shows before it changes them.

use super::{somebody, write};

#[test]
fn an_install_lists_its_files_and_which_of_them_to_commit() {
    let (checkout, mut shell) = somebody();
    write(&checkout.root().join(".gitignore"), ".mcp.json\n");
    let listed = shell.runs("nexus install claude git --dry-run").done();
    let line = |name: &str| {
        let found = listed.stdout.lines().find(|line| line.contains(name));
        found.unwrap_or_else(|| panic!("{name}: {listed:#?}")).to_owned()
    };
    for (name, words) in [
        (".claude/settings.json", ["create", "claude", "yes: others get it by that"]),
        (".mcp.json", ["create", "claude", "no: Git ignores it"]),
        ("pre-commit", ["create", "git", "no: it is of this clone alone"]),
    ] {
        let line = line(name);
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    assert!(!listed.stdout.contains("+++"), "{listed:#?}");
    let made = shell.runs("nexus install claude git --yes").done();
    let next = made.stderr.lines().find(|line| line.starts_with("Commit ")).unwrap_or_default();
    assert!(next.contains(".claude/settings.json") && !next.contains(".mcp.json"), "{made:#?}");
    let user = shell.runs("nexus install codex --user --dry-run").done();
    assert!(user.stdout.contains("no: it is for all of your repositories"), "{user:#?}");
}
