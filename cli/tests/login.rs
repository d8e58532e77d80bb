//! Registering, logging in and out, and the own identity.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, KEY, NOBODY, Person, Server, data, failure, me};
use serde_json::{Value, json};

const ME: &str = "GET /auth/me";
const REGISTER: &str = "POST /auth/register";

fn registered() -> Value {
    json!({ "engineer": { "id": ID, "name": "ana", "email": "ana@example.com" }, "apiKey": KEY })
}

#[test]
fn a_registered_engineer_is_logged_in() {
    let server = Server::start().on(REGISTER, data(registered())).on(ME, data(me()));
    let ana = Person::new();
    let ended = ana
        .types(&format!(
            "login --register -n ana -e ana@example.com --bootstrap-token T --server {}",
            server.url()
        ))
        .done();
    assert_eq!(ended.stdout, "Registered ana <ana@example.com>\n");
    assert!(!ended.stdout.contains(KEY) && !ended.stderr.contains(KEY), "the key is not shown: {ended:#?}");
    let request = server.only_request();
    assert_eq!(request.body, json!({ "name": "ana", "email": "ana@example.com", "bootstrapToken": "T" }));
    assert_eq!(request.header("authorization"), "");
    assert_ne!(request.header("idempotency-key"), "");
    let expected =
        json!({ "token": KEY, "serverUrl": server.url(), "engineerId": ID, "engineerName": "ana" });
    let mut saved = ana.saved();
    saved.as_object_mut().unwrap().retain(|name, _| name != "servers");
    assert_eq!(saved, expected);

    let ended = ana.types("whoami").done();
    assert!(ended.stdout.contains("ana <ana@example.com>"), "{ended:#?}");
    assert_eq!(server.requests()[1].header("authorization"), format!("Bearer {KEY}"));
}

#[cfg(unix)]
#[test]
fn the_saved_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start().on(REGISTER, data(registered()));
    let ana = Person::new();
    ana.types(&format!("login --register -n ana -e ana@example.com --server {}", server.url())).done();
    assert_eq!(std::fs::metadata(ana.config()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_key_that_works_is_not_overwritten_by_registering_again() {
    let server = Server::start().on(REGISTER, data(registered())).on(ME, data(me()));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("login --register -n bob -e bob@example.com");
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.starts_with("Error: you are logged in as ana <ana@example.com>\nHint: nexus logout"),
        "{ended:#?}"
    );
    assert_eq!(ana.saved()["token"], KEY);
}

#[test]
fn a_key_of_a_former_cluster_prevents_no_registration() {
    let unknown = failure(401, "INVALID_API_KEY", "the API key is unknown", Value::Null);
    let server = Server::start().on(ME, unknown).on(REGISTER, data(registered()));
    Person::at_work(&[server.url()]).types("login --register -n ana -e ana@example.com").done();
}

#[test]
fn a_key_is_tried_before_it_is_saved() {
    let server = Server::start().on(ME, data(me()));
    let ana = Person::new();
    let ended = ana.types(&format!("login --token {KEY} --server {}", server.url())).done();
    assert_eq!(ended.stdout, "Logged in as ana <ana@example.com>\n");
    assert_eq!(ana.saved()["engineerName"], "ana");

    let bob = Person::new();
    let server =
        Server::start().on(ME, failure(401, "INVALID_API_KEY", "the API key is unknown", Value::Null));
    let ended = bob.types(&format!("login --token wrong --server {}", server.url()));
    assert_eq!(ended.code, 1);
    assert!(!bob.config().exists());
}

#[test]
fn a_key_may_come_through_stdin_where_no_process_list_shows_it() {
    let server = Server::start().on(ME, data(me()));
    let ana = Person::new();
    let line = format!("login --token - --server {}", server.url());
    let ended = ana.types_in(&ana.repository(), &line, &format!("{KEY}\n")).done();
    assert_eq!(ended.stdout, "Logged in as ana <ana@example.com>\n");
    assert_eq!(ana.saved()["token"], KEY);
}

/// The files in the home folder whose names begin with this.
fn files(ana: &Person, prefix: &str) -> Vec<std::path::PathBuf> {
    let folder = std::fs::read_dir(ana.config().parent().unwrap()).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect()
}

#[test]
fn logging_out_keeps_the_servers_and_a_copy_of_the_key_that_logs_in_again() {
    let server = Server::start().on(ME, data(me()));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("logout").done();
    assert_eq!(ended.stdout, "Logged out\n");
    assert_eq!(ana.saved(), json!({ "servers": [server.url()] }));
    let kept = files(&ana, "logged-out-");
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read_to_string(&kept[0]).unwrap(), format!("{KEY}\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(ended.stderr.contains(&format!("nexus login --token - < {}", kept[0].display())), "{ended:#?}");
    assert!(!ended.stderr.contains(KEY));

    assert_eq!(ana.types("logout --json").done().json(), json!({ "loggedOut": false }));
    let ended = ana.types("whoami");
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.starts_with("Error: you are not logged in\nHint: nexus login --register"),
        "{ended:#?}"
    );

    let key = std::fs::read_to_string(&kept[0]).unwrap();
    ana.types_in(&ana.repository(), "login --token -", &key).done();
    assert_eq!(ana.saved()["token"], KEY);
    assert_eq!(files(&ana, "logged-out-").len(), 0, "the key is saved again: no copy stays");
}

#[test]
fn logging_in_with_another_key_keeps_the_one_that_was_saved() {
    let server = Server::start().on(ME, data(me()));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("login --token another").done();
    let kept = files(&ana, "logged-out-");
    assert_eq!(std::fs::read_to_string(&kept[0]).unwrap(), format!("{KEY}\n"));
    assert!(ended.stderr.contains(&kept[0].display().to_string()), "{ended:#?}");
    ana.types("login --token another").done();
    assert_eq!(files(&ana, "logged-out-").len(), 1);
}

#[test]
fn a_key_is_forgotten_for_good_only_by_name() {
    let ana = Person::at_work(&["http://a:1"]);
    let ended = ana.types("logout --forget").done();
    assert_eq!(files(&ana, "logged-out-").len(), 0);
    assert!(ended.stderr.contains("nexus people reset-key"), "{ended:#?}");
    let ben = Person::at_work(&["http://a:1"]);
    let ended = ben.types("logout --yes --json").done().json();
    assert_eq!(ended["loggedOut"], true);
    assert!(std::path::Path::new(ended["keptIn"].as_str().unwrap()).exists());
}

#[cfg(unix)]
#[test]
fn a_key_that_cannot_be_kept_is_not_forgotten() {
    use std::os::unix::fs::PermissionsExt;
    let ana = Person::at_work(&["http://a:1"]);
    let folder = ana.config().parent().unwrap().to_owned();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    let is_root = std::fs::write(folder.join("probe"), "").is_ok();
    let ended = ana.types("logout");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Nothing is forbidden to root.
    if !is_root {
        assert_eq!(ended.code, 1);
        assert!(ended.stderr.contains("cannot keep the key"), "{ended:#?}");
        assert_eq!(ana.saved()["token"], KEY);
    }
}

#[test]
fn profiles_are_several_identities_on_one_machine() {
    let server = Server::start().on(REGISTER, data(registered())).on(ME, data(me()));
    let ana = Person::at_work(&[server.url()]);
    let line = |rest: &str| format!("{rest} --server {}", server.url());
    ana.types(&line("login --profile work -r -n ana -e ana@example.com")).done();
    let work = ana.config().with_file_name("profiles").join("work/config.json");
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(&work).unwrap()).unwrap();
    assert_eq!((&saved["token"], &saved["engineerName"]), (&json!(KEY), &json!("ana")));
    assert_eq!(
        ana.saved(),
        json!({ "token": KEY, "servers": [server.url()] }),
        "the default one stays as it was"
    );

    let ended = ana.types("whoami").done();
    assert!(ended.stdout.contains("default; others: work"), "{ended:#?}");
    assert!(ana.types("whoami --profile work").done().stdout.contains("Profile     work"));
    let ended = ana.types("status --profile wrok");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with("Error: you are not logged in under the profile wrok\n"), "{ended:#?}");
    assert!(ended.stderr.contains("acts as another one: work"), "{ended:#?}");

    let ended = ana.types("logout --profile work").done();
    assert!(ended.stderr.contains("nexus login --profile work --token - < "), "{ended:#?}");
    assert_eq!(ana.saved()["token"], KEY);
    assert_eq!(ana.types("whoami --profile default").done().code, 0);
    for name in ["../home", "Work", "a/b"] {
        assert_eq!(ana.types(&format!("whoami --profile {name}")).code, 2, "{name}");
    }
}

#[test]
fn a_misspelt_profile_is_up_to_the_policy_of_a_hook() {
    let ana = Person::at_work(&[NOBODY]);
    let event = json!({ "session_id": "s", "hook_event_name": "PreToolUse", "cwd": ana.repository(),
        "tool_name": "Write", "tool_input": { "file_path": ana.repository().join("src/new.rs"), "content": "" } });
    let hook = || {
        let line = "--profile Work hook claude pre-tool-use";
        let ended = ana.types_in(&ana.repository(), line, &event.to_string());
        (ended.code, ended.stdout + &ended.stderr)
    };
    let (code, said) = hook();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Work") && said.contains("let through"), "{said}");
    let closed = json!({ "projectId": ID, "hooks": { "whenUnreachable": "fail-closed" } });
    std::fs::write(ana.link(), closed.to_string()).unwrap();
    let (_, said) = hook();
    assert!(said.contains("Work") && said.contains("nothing is written"), "{said}");
}

#[test]
fn the_short_flags_of_login_mean_the_long_ones() {
    let server = Server::start().on(REGISTER, data(registered())).on(ME, data(me()));
    let ana = Person::new();
    ana.types(&format!("login -r -n ana -e ana@example.com -s {}", server.url())).done();
    let ben = Person::new();
    ben.types(&format!("login -t {KEY} -s {}", server.url())).done();
    assert_eq!(ben.saved()["token"], KEY);
    assert_eq!(ben.saved()["serverUrl"], server.url());
}

#[test]
fn a_flag_goes_before_what_is_saved() {
    let server = Server::start().on(ME, data(me()));
    let ana = Person::at_work(&[NOBODY]);
    let line = format!("whoami --token other-key --session {ID} --server {}", server.url());
    ana.types(&line).done();
    let request = server.only_request();
    assert_eq!(
        (request.header("authorization"), request.header("x-nexus-session")),
        ("Bearer other-key", ID)
    );
}

#[test]
fn nonsense_is_a_misuse() {
    let ana = Person::new();
    for line in [
        "login",
        "login --register -n ana",
        "login --register --token T",
        "login -n ana -e a@b",
        "whoami --session nonsense",
        "whoami --server ftp://a",
        "whoami --timeout soon",
        "whoami --unknown",
        "feature pick",
        "feature pick api --next",
        "feature show ../../projects",
        "feature list --limit 0",
        "nonsense",
        "",
    ] {
        let ended = ana.types(line);
        assert_eq!(ended.code, 2, "nexus {line}: {ended:#?}");
        assert_eq!(ended.stdout, "", "nexus {line}");
    }
}

#[test]
fn help_and_version_are_data() {
    let ana = Person::new();
    assert!(ana.types("--version").done().stdout.starts_with(concat!("nexus ", env!("CARGO_PKG_VERSION"))));
    assert!(
        ana.types("feature pick --help")
            .done()
            .stdout
            .contains("Examples:\n  nexus feature pick billing-api")
    );
    assert!(ana.types("completions bash").done().stdout.contains("nexus"));
}
