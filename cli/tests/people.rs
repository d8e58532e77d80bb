//! People by e-mail address, name or id, the settings of the cluster, and files that are taken away.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, KEY, OTHER, Person, Server, data, failure, feature, me, page};
use serde_json::{Value, json};

fn ben() -> Value {
    json!({ "id": OTHER, "name": "Ben", "email": "ben@example.com", "role": "engineer" })
}

fn project(rest: &str) -> String {
    format!("/projects/{ID}{rest}")
}

fn member() -> Value {
    json!({ "engineerId": OTHER, "name": "Ben", "email": "ben@example.com", "role": "member" })
}

fn minted(project: Value, expires: Value) -> Value {
    json!({ "id": OTHER, "label": "given by ana@example.com", "expiresAt": expires, "projectId": project,
        "readonly": false, "createdAt": "2026-01-31T12:00:00.000Z", "apiKey": KEY })
}

#[test]
fn a_member_is_added_and_removed_by_address_name_or_id() {
    let add = format!("POST {}", project("/members"));
    let remove = |who: &str| format!("DELETE {}", project(&format!("/members/{who}")));
    let server = Server::start()
        .on(&add, data(member()))
        .on(&remove("ben%40example%2Ecom"), data(json!({ "removed": true })))
        .on(&remove("Ben%20B"), data(json!({ "removed": true })));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("project add-member ben@example.com").done();
    assert_eq!(ended.stdout, "Added Ben <ben@example.com> as member\n");
    assert_eq!(server.only_request().body, json!({ "engineerId": "ben@example.com" }));
    ana.types(&format!("project add-member {OTHER} --role lead")).done();
    assert_eq!(server.requests()[1].body, json!({ "engineerId": OTHER, "role": "lead" }));
    ana.types("project remove-member ben@example.com").done();
    ana.types("project remove-member 'Ben B'").done();
    for nobody in ["''", "..", "."] {
        assert_eq!(ana.types(&format!("project add-member {nobody}")).code, 2, "{nobody}");
    }
}

#[test]
fn a_name_of_several_is_refused_with_all_of_them() {
    let other = json!({ "id": ID, "name": "Ben", "email": "other@example.com", "role": "engineer" });
    let message = "Ben is the name of 2 engineers, ben@example.com, other@example.com: say which one by e-mail \
                   address or id";
    let details = json!({ "engineerId": [message], "candidates": [ben(), other] });
    let server = Server::start().on("GET /engineers/Ben", failure(400, "VALIDATION_ERROR", message, details));
    let ended = Person::at_work(&[server.url()]).types("people show Ben");
    assert_eq!(ended.code, 1);
    let expected = format!(
        "Error: {message}\n  Ben <ben@example.com>  {OTHER}\n  Ben <other@example.com>  {ID}\nHint: name one of them \
         by e-mail address or by id\n"
    );
    assert_eq!(ended.stderr, expected);
}

#[test]
fn somebody_unknown_leads_to_the_list_and_to_an_invitation() {
    let unknown = failure(404, "NOT_FOUND", "no engineer x@example.com", json!({ "resource": "engineer" }));
    let server = Server::start().on("GET /engineers/x%40example%2Ecom", unknown);
    let ended = Person::at_work(&[server.url()]).types("people show x@example.com");
    assert!(
        ended.stderr.contains("Hint: nexus people list") && ended.stderr.contains("invite"),
        "{ended:#?}"
    );
}

#[test]
fn people_are_listed_shown_given_roles_and_removed() {
    let one = format!("/engineers/{OTHER}");
    let mut shown = ben();
    shown["createdAt"] = json!("2025-01-31T12:00:00.000Z");
    shown["projects"] = json!([{ "id": ID, "slug": "billing", "name": "Billing", "role": "lead" }]);
    let mut readonly = ben();
    readonly["role"] = json!("readonly");
    let server = Server::start()
        .on("GET /engineers", page(&[me(), ben()]))
        .on("GET /engineers/Ben", data(shown))
        .on(&format!("PATCH {one}"), data(readonly))
        .on(&format!("DELETE {one}"), data(json!({ "deleted": true })));
    let ana = Person::at_work(&[server.url()]);
    let listed = ana.types("people list").done().stdout;
    assert!(listed.contains("ben@example.com") && listed.lines().count() == 3, "{listed}");
    let shown = ana.types("people show Ben").done().stdout;
    assert!(shown.contains("Ben <ben@example.com>") && shown.contains("billing"), "{shown}");
    let changed = ana.types("people role Ben readonly").done().stdout;
    assert_eq!(changed, "Ben <ben@example.com> has the role readonly now\n");
    let refused = ana.types("people remove Ben");
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("Ben <ben@example.com>") && refused.stderr.contains("--yes"),
        "{refused:#?}"
    );
    for line in ["people remove Ben --yes", "cluster delete-engineer Ben --yes"] {
        assert_eq!(ana.types(line).done().stdout, "Ben <ben@example.com> is out of the cluster\n");
    }
    let removals: Vec<_> =
        server.requests().into_iter().filter(|one| one.line.starts_with("DELETE")).collect();
    assert!(removals.len() == 2 && removals.iter().all(|one| one.line.ends_with(OTHER)), "{removals:#?}");
}

#[test]
fn an_invitation_prints_the_key_alone_to_stdout() {
    let registered =
        json!({ "engineer": { "id": OTHER, "name": "Ben", "email": "ben@example.com" }, "apiKey": KEY });
    let server = Server::start().on("POST /auth/register", data(registered));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("people invite -n Ben -e ben@example.com").done();
    assert_eq!(ended.stdout, format!("{KEY}\n"));
    assert!(ended.stderr.contains("nexus project add-member ben@example.com"), "{ended:#?}");
    assert_eq!(server.only_request().header("authorization"), format!("Bearer {KEY}"));
    assert_eq!(ana.saved()["token"], KEY, "it stays the inviter's own");
    assert_eq!(Person::new().types("people invite -n Ben -e ben@example.com").code, 1);
}

#[test]
fn an_admin_resets_a_key_for_everything_and_a_lead_for_the_project() {
    const SHOW: &str = "GET /engineers/ben%40example%2Ecom";
    let reset = format!("POST /engineers/{OTHER}/keys");
    let mut shown = ben();
    shown["createdAt"] = json!("2025-01-31T12:00:00.000Z");
    shown["projects"] = json!([]);
    let mut admin = me();
    admin["role"] = json!("admin");
    let server = Server::start()
        .on(SHOW, data(shown.clone()))
        .on("GET /auth/me", data(admin))
        .on(&reset, data(minted(Value::Null, Value::Null)));
    let ana = Person::at_work(&[server.url()]);
    let asked = ana.types("people reset-key ben@example.com");
    assert_eq!((asked.code, asked.stdout.as_str()), (1, ""), "{asked:#?}");
    assert!(asked.stderr.contains("Ben <ben@example.com>") && asked.stderr.contains("--yes"), "{asked:#?}");
    assert_eq!(server.requests().len(), 2, "nothing was sent that changes something");
    let ended = ana.types("people reset-key ben@example.com --yes").done();
    assert_eq!(ended.stdout, format!("{KEY}\n"));
    assert!(ended.stderr.contains("New key of Ben <ben@example.com>"), "{ended:#?}");
    assert!(ended.stderr.contains("Their former keys do not work any more"), "{ended:#?}");
    assert_eq!(server.requests()[4].body, json!({}));

    let until = json!("2100-01-31T12:00:00.000Z");
    let server = Server::start()
        .on(SHOW, data(shown))
        .on("GET /auth/me", data(me()))
        .on(&reset, data(minted(json!(ID), until)));
    let ended = Person::at_work(&[server.url()]).types("people reset-key ben@example.com --yes").done();
    assert!(ended.stderr.contains("in this project alone, until 2100"), "{ended:#?}");
    assert_eq!(server.requests()[2].body, json!({ "projectId": ID }));
}

#[test]
fn settings_are_shown_and_changed() {
    let settings = json!({ "registration": "invite", "session.timeout": 90.0, "events.revisions": 100_000 });
    let server = Server::start()
        .on("GET /cluster/settings", data(settings.clone()))
        .on("PATCH /cluster/settings", data(settings));
    let ana = Person::at_work(&[server.url()]);
    let shown = ana.types("cluster settings").done().stdout;
    assert!(shown.contains("session.timeout") && shown.contains("90s"), "{shown}");
    ana.types("cluster settings registration=invite session.timeout=90s events.revisions=100000").done();
    let expected = json!({ "registration": "invite", "session.timeout": 90.0, "events.revisions": 100_000 });
    assert_eq!(server.requests()[1].body, expected);
    for line in ["registration", "session.timeout=soon", "a=1 a=2"] {
        assert_eq!(ana.types(&format!("cluster settings {line}")).code, 2, "{line}");
    }
}

#[test]
fn a_file_is_taken_away_with_a_reason() {
    let force = format!("POST {}", project("/claims/force-release"));
    let server = Server::start()
        .on(&force, data(json!({ "released": ["src/db.rs"], "count": 1 })))
        .on(&force, data(json!({ "released": [], "count": 0 })));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("force-release src/db.rs --reason 'ana is ill'").done();
    assert_eq!(ended.stdout, "Free now: src/db.rs\n");
    assert_eq!(server.requests()[0].body, json!({ "paths": ["src/db.rs"], "reason": "ana is ill" }));
    let ended = ana.types("force-release src/db.rs --reason 'ana is ill'");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("nobody holds exactly src/db.rs\nHint: nexus why"), "{ended:#?}");
    assert_eq!(ana.types("force-release src/db.rs").code, 2, "it needs a reason");
}

#[test]
fn the_roadmap_alone_shows_it_and_has_all_verbs_under_each_name() {
    let lanes = json!([{ "lane": "now", "features": [feature("api", "ready")] }]);
    let server = Server::start()
        .on(&format!("GET {}", project("/roadmap")), data(json!({ "projectId": ID, "lanes": lanes })))
        .on(&format!("GET {}", project("/features/api")), data(feature("api", "ready")))
        .on(&format!("PATCH {}", project("/roadmap/api/lane")), data(feature("api", "ready")));
    let ana = Person::at_work(&[server.url()]);
    for name in ["roadmap", "rm", "roadmap-ops"] {
        let shown = ana.types(name).done().stdout;
        assert!(shown.contains("The API"), "{name}: {shown}");
        assert_eq!(ana.types(&format!("{name} show --all")).done().stdout, shown);
        assert_eq!(ana.types(&format!("{name} --all")).done().stdout, shown);
        for verb in ["promote api", "defer api", "move api --lane now"] {
            ana.types(&format!("{name} {verb}")).done();
        }
    }
}
