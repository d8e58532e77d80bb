//! Projects, and the file that links a repository to one.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, OTHER, Person, Server, data, failure, feature, project};
use serde_json::{Value, json};
use std::fs;

fn link(person: &Person) -> Value {
    serde_json::from_str(&fs::read_to_string(person.link()).unwrap()).unwrap()
}

fn unlinked(server: &Server) -> Person {
    let person = Person::at_work(&[server.url()]);
    fs::remove_file(person.link()).unwrap();
    person
}

#[test]
fn a_new_project_is_linked_to_the_root_of_the_repository() {
    let server = Server::start().on("POST /projects", data(project("billing", ID)));
    let ana = unlinked(&server);
    let deep = ana.repository().join("src/deep");
    let ended = ana
        .types_in(&deep, "project create -n Billing -s billing --repo-url https://example.com/b.git", "")
        .done();
    assert_eq!(ended.stdout, "Made project billing: BILLING\n");
    assert_eq!(link(&ana), json!({ "projectId": ID, "projectSlug": "billing" }));
    let body = json!({ "name": "Billing", "slug": "billing", "repoUrl": "https://example.com/b.git" });
    assert_eq!(server.only_request().body, body);
}

#[test]
fn a_linked_repository_gets_no_second_project_by_accident() {
    let server = Server::start().on("POST /projects", data(project("shop", OTHER)));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("project create -n Shop -s shop");
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.starts_with("Error: this repository is linked to billing already\nHint: "),
        "{ended:#?}"
    );
    assert_eq!(server.requests().len(), 0);
    ana.types("project create -n Shop -s shop --no-link").done();
    assert_eq!(link(&ana)["projectSlug"], "billing");
}

#[test]
fn a_repository_is_linked_by_slug() {
    let server =
        Server::start().on("GET /projects", data(json!([project("shop", OTHER), project("billing", ID)])));
    let ana = unlinked(&server);
    assert_eq!(ana.types("project link billing").done().stdout, "Linked to billing: BILLING\n");
    assert_eq!(link(&ana)["projectId"], ID);
    assert_eq!(ana.types("project link shop --json").done().json()["id"], OTHER);
    assert_eq!(link(&ana)["projectId"], OTHER);

    let ended = ana.types("project link unknown");
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.stderr,
        "Error: no project unknown among yours\nHint: you are in shop, billing; a lead of another one can add you\n"
    );
    assert_eq!(ana.types("project link").code, 2, "which of the two?");
}

#[test]
fn the_only_project_needs_no_name() {
    let server = Server::start().on("GET /projects", data(json!([project("billing", ID)])));
    let ana = unlinked(&server);
    ana.types("project link").done();
    assert_eq!(link(&ana)["projectId"], ID);
}

#[test]
fn a_link_is_found_from_below_and_can_be_taken_off() {
    let server = Server::start().on(
        &format!("GET /projects/{ID}/features"),
        data(json!({ "items": [], "nextCursor": null, "hasMore": false })),
    );
    let ana = Person::at_work(&[server.url()]);
    let deep = ana.repository().join("src/deep");
    ana.types_in(&deep, "feature list", "").done();
    ana.types_in(&deep, "project unlink", "").done();
    assert!(!ana.link().exists());
    let ended = ana.types_in(&deep, "feature list", "");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("Hint: nexus project link SLUG"), "{ended:#?}");
}

#[test]
fn another_project_may_be_named_for_one_command() {
    let server = Server::start()
        .on("GET /projects", data(json!([project("shop", OTHER)])))
        .on(&format!("GET /projects/{OTHER}/features/api"), data(feature("api", "ready")))
        .on(&format!("GET /projects/{ID}/features/api"), data(feature("api", "ready")));
    let ana = Person::at_work(&[server.url()]);
    ana.types("feature show api --json --project shop").done();
    ana.types(&format!("feature show api --json --project {OTHER}")).done();
    ana.types("feature show api --json --project billing").done();
    let lines: Vec<_> = server.requests().into_iter().map(|request| request.line).collect();
    let shown = |id: &str| format!("GET /api/projects/{id}/features/api");
    assert_eq!(lines, ["GET /api/projects".to_owned(), shown(OTHER), shown(OTHER), shown(ID)]);
}

#[test]
fn a_list_says_which_one_is_linked_here() {
    let server =
        Server::start().on("GET /projects", data(json!([project("billing", ID), project("shop", OTHER)])));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("project list").done();
    assert_eq!(
        ended.stdout,
        "\
SLUG     NAME     REPOSITORY
billing  BILLING              linked here
shop     SHOP
"
    );
    assert_eq!(ana.types("project list --json").done().json()[0]["slug"], "billing");
}

#[test]
fn a_stranger_learns_whom_to_ask() {
    let refused = failure(
        403,
        "NOT_PROJECT_MEMBER",
        "you are not a member of this project; ask one of its leads to add you",
        Value::Null,
    );
    let server = Server::start().on(&format!("GET /projects/{ID}"), refused);
    let ended = Person::at_work(&[server.url()]).types("project info");
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .stderr
            .ends_with("Hint: nexus project list shows your projects; a lead of this one can add you\n"),
        "{ended:#?}"
    );
}

#[test]
fn a_project_is_shown_with_its_members() {
    let mut detail = project("billing", ID);
    detail["members"] =
        json!([{ "engineerId": ID, "role": "lead", "name": "ana", "email": "ana@example.com" }]);
    let server = Server::start().on(&format!("GET /projects/{ID}"), data(detail));
    let ended = Person::at_work(&[server.url()]).types("project info").done();
    assert!(ended.stdout.contains("ana     ana@example.com  lead"), "{}", ended.stdout);
}
