//! The output for programs: one JSON document, whatever happens.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, KEY, Person, Server, data, me, project};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_misuse_is_reported_as_json_as_well() {
    let ana = Person::new();
    for (line, part) in [
        ("--json feature show", "SLUG"),
        ("--json feature list --lane nowhere", "nowhere"),
        ("frobnicate --json", "frobnicate"),
        ("--json feature", "requires a subcommand"),
    ] {
        let ended = ana.types(line);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{line}: {ended:#?}");
        let printed: Value =
            serde_json::from_str(&ended.stderr).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
        assert_eq!(printed["error"]["code"], "MISUSED", "{line}: {printed}");
        assert!(printed.to_string().contains(part), "{line}: {printed}");
    }
    assert!(ana.types("frobnicate").stderr.starts_with("error: unrecognized subcommand"));
    assert!(ana.types("feature list --help --json").done().stdout.contains("Examples:"));
}

#[test]
fn man_pages_and_completions_are_available_to_programs() {
    let ana = Person::new();
    let script = ana.types("completions bash").done().stdout;
    let printed = ana.types("completions bash --json").done().json();
    assert_eq!(printed["shell"], "bash");
    assert_eq!(printed["script"].as_str().unwrap().trim_end(), script.trim_end());
    let folder = ana.repository().join("man");
    let printed = ana.types(&format!("man {} --json", folder.display())).done().json();
    assert_eq!(printed, json!({ "path": folder.display().to_string() }));
    assert!(folder.join("nexus.1").exists());
}

#[test]
fn setting_up_is_one_document() {
    let registered =
        json!({ "engineer": { "id": ID, "name": "ana", "email": "ana@example.com" }, "apiKey": KEY });
    let server = Server::start()
        .on("POST /auth/register", data(registered))
        .on("GET /auth/me", data(me()))
        .on("GET /projects", data(json!([])))
        .on("POST /projects", data(project("billing", ID)));
    let ana = Person::new();
    let line =
        format!("setup --yes --json -n ana -e ana@example.com --project billing --server {}", server.url());
    let printed = ana.types(&line).done().json();
    let engineer = json!({ "id": ID, "name": "ana", "email": "ana@example.com" });
    let linked = json!({ "id": ID, "slug": "billing" });
    assert_eq!(printed, json!({ "engineer": engineer, "project": linked, "install": null }));
    assert!(!printed.to_string().contains(KEY), "the key is in the file alone");
    let link: Value = serde_json::from_str(&fs::read_to_string(ana.link()).unwrap()).unwrap();
    assert_eq!(link["projectSlug"], "billing");
    // An existing setup is printed in the same form.
    let again = ana.types("setup --yes --json").done().json();
    assert_eq!(again, printed);
}
