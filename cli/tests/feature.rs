//! The commands about features, as a person or an agent types them.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{
    ID, OTHER, Person, Server, claim, data, decision, failure, feature, held, learning, page, project,
};
use serde_json::{Value, json};

fn on(method: &str, rest: &str) -> String {
    format!("{method} /projects/{ID}/features{rest}")
}

fn members() -> mock::Reply {
    let mut detail = project("billing", ID);
    detail["members"] =
        json!([{ "engineerId": ID, "role": "lead", "name": "ana", "email": "ana@example.com" }]);
    data(detail)
}

#[test]
fn a_feature_is_written_down_with_everything_it_needs() {
    let server = Server::start()
        .on(&on("POST", ""), data(feature("api", "draft")))
        .on(&on("POST", "/api/ready"), data(feature("api", "ready")));
    let ana = Person::at_work(&[server.url()]);
    std::fs::write(ana.repository().join("api.md"), "# The API\n").unwrap();
    let ended = ana
        .types("feature create -s api -t 'The API' --from api.md --touches src/api/ src/db.rs --touches docs/{a,b}.md \
                --reads src/lib.rs --depends-on base core --lane now --priority 2 --ready")
        .done();
    assert_eq!(ended.stdout, "Made feature api: The API (ready, lane next, priority 3)\n");
    let requests = server.requests();
    assert_eq!(
        requests[0].body,
        json!({ "slug": "api", "title": "The API", "spec": "# The API\n", "lane": "now", "priority": 2,
        "touches": ["src/api/", "src/db.rs", "docs/{a,b}.md"], "reads": ["src/lib.rs"], "dependsOn": ["base", "core"] })
    );
    assert_eq!(requests[1].line, format!("POST /api/projects/{ID}/features/api/ready"));
}

#[test]
fn typed_paths_are_those_of_the_folder_and_written_ones_those_of_the_root() {
    let server = Server::start()
        .on(&on("POST", ""), data(feature("api", "draft")))
        .on(&on("PATCH", "/api"), data(feature("api", "draft")));
    let ana = Person::at_work(&[server.url()]);
    let deep = ana.repository().join("src/deep");
    std::fs::write(deep.join("api.md"), "---\ntouches: [docs/, 'lib\\db.rs']\n---\nText\n").unwrap();
    let create = "feature create -s api -t Api";
    for (typed, expected) in [
        (
            " --touches a.rs,b.rs --touches :/docs/ ../c.rs",
            json!(["src/deep/a.rs", "src/deep/b.rs", "docs/", "src/c.rs"]),
        ),
        (" --touches db\\x.rs :/src", json!(["src/deep/db/x.rs", "src/"])),
        (" --from api.md", json!(["docs/", "lib/db.rs"])),
    ] {
        ana.types_in(&deep, &format!("{create}{typed}"), "").done();
        assert_eq!(server.requests().last().unwrap().body["touches"], expected, "{typed}");
    }
    ana.types_in(&deep, "feature edit api --touches a.rs --reads :/b.rs", "").done();
    let body = server.requests().last().unwrap().body.clone();
    assert_eq!(body, json!({ "touches": ["src/deep/a.rs"], "reads": ["b.rs"] }));
    assert_eq!(ana.types_in(&deep, &format!("{create} --touches ../../../x"), "").code, 2);
}

#[test]
fn done_release_save_and_learn_are_about_the_feature_that_one_works_on() {
    let session = held("api")["sessionId"].as_str().expect("a held feature has a session").to_owned();
    let status = json!({ "activeFeatures": [held("api")], "claims": [], "sessions": [], "interrupted": [] });
    let server = Server::start()
        .on(&format!("GET /projects/{ID}/status"), data(status))
        .on(&on("POST", "/api/done"), data(feature("api", "done")))
        .on(&on("POST", "/api/release"), data(feature("api", "ready")))
        .on(&on("GET", "/billing"), data(feature("billing", "ready")))
        .on(
            &on("GET", "/nowhere"),
            failure(404, "NOT_FOUND", "no feature nowhere", json!({ "resource": "feature" })),
        )
        .on(&on("GET", "/the"), failure(404, "NOT_FOUND", "no feature the", json!({ "resource": "feature" })))
        .on(&on("POST", "/billing/learnings"), data(learning("x")))
        .on(&on("POST", "/api/learnings"), data(learning("x")));
    let ana = Person::at_work(&[server.url()]);
    let types = |line: &str| ana.types(&format!("{line} --session {session}"));
    for step in ["done", "release"] {
        for named in ["", " api", " -f api"] {
            let ended = types(&format!("feature {step}{named}")).done();
            assert!(ended.stdout.starts_with("api is "), "{ended:#?}");
        }
    }
    for (typed, slug, content) in [
        ("'Floats lie'", "api", "Floats lie"),
        ("billing 'x y'", "billing", "x y"),
        ("-f billing 'x y'", "billing", "x y"),
        ("the migration comes first", "api", "the migration comes first"),
    ] {
        types(&format!("learn {typed}")).done();
        let sent = server.requests().into_iter().rfind(|request| request.line.starts_with("POST")).unwrap();
        assert_eq!(sent.line, format!("POST /api/projects/{ID}/features/{slug}/learnings"), "{typed}");
        assert_eq!(sent.body, json!({ "content": content }), "{typed}");
    }
    let sent = server.requests().iter().filter(|request| request.line.starts_with("POST")).count();
    for typed in ["nowhere x", "billing", "billing is not done yet"] {
        let ended = types(&format!("learn {typed}"));
        assert!(ended.code != 0 && ended.stderr.contains("Hint: "), "{typed}: {ended:#?}");
    }
    let after = server.requests().iter().filter(|request| request.line.starts_with("POST")).count();
    assert_eq!(after, sent, "nothing was stored");
}

#[test]
fn a_spec_may_come_from_stdin_or_be_the_title() {
    let server = Server::start().on(&on("POST", ""), data(feature("api", "draft")));
    let ana = Person::at_work(&[server.url()]);
    ana.types_in(&ana.repository(), "feature create -s api -t Api --from -", "from stdin").done();
    ana.types("feature create -s api -t Api").done();
    let specs: Vec<_> = server.requests().into_iter().map(|request| request.body["spec"].clone()).collect();
    assert_eq!(specs, ["from stdin", "Api"]);
    assert_eq!(ana.types("feature create -s api -t Api --from missing.md").code, 1);
    assert_eq!(ana.types("feature create -s api -t Api --from a --spec b").code, 2);
}

#[test]
fn a_feature_that_cannot_be_made_ready_is_said_to_be_a_draft() {
    let refused = failure(
        400,
        "INVALID_STATUS_TRANSITION",
        "feature api is ready: it cannot become ready",
        json!({ "from": "ready" }),
    );
    let server = Server::start()
        .on(&on("POST", ""), data(feature("api", "draft")))
        .on(&on("POST", "/api/ready"), refused);
    let ended = Person::at_work(&[server.url()]).types("feature create -s api -t Api --ready");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with("Made feature api, but it is still a draft\nError: "), "{ended:#?}");
}

#[test]
fn a_pick_says_what_is_held_and_what_comes_next() {
    let mut picked = held("api");
    picked["claims"] = json!(["a", "b", "c", "d", "e"].map(|path| claim(path, "exclusive")));
    picked["claims"].as_array_mut().unwrap().push(claim("docs/", "shared"));
    let server = Server::start()
        .on(&on("POST", "/api/pick"), data(picked.clone()))
        .on(&on("POST", "/pick-next"), data(picked.clone()))
        .on(&on("GET", "/api/learnings"), page(&[learning("Floats lie")]))
        .on(&format!("GET /projects/{ID}/decisions"), page(&[decision("Money is cents")]));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("feature pick api").done();
    assert_eq!(
        ended.stdout,
        "\
Picked api: The API
Yours alone 5 paths: a, b, c, d and 1 more
Shared      1 path: docs/
Fence       1234
Lease       until 2025-01-31 (any moment now), renewed by every request
Laid out    REPOSITORY/.nexus/active/api
"
        .replace("REPOSITORY", &ana.repository().display().to_string())
    );
    assert_eq!(
        ended.stderr,
        "Next: nexus feature show api prints the spec; then nexus feature done api, or release api\n"
    );
    let ended = ana.types("feature pick --next --lane now --lane later --json").done();
    assert_eq!((ended.json(), ended.stderr.as_str()), (picked, ""));
    let requests = server.requests();
    let picks: Vec<&Value> = requests
        .iter()
        .filter(|request| request.line.starts_with("POST"))
        .map(|request| &request.body)
        .collect();
    assert_eq!(picks, [&Value::Null, &json!({ "lanes": ["now", "later"] })]);
    let laid_out =
        |name: &str| std::fs::read_to_string(ana.repository().join(".nexus/active/api").join(name)).unwrap();
    assert!(
        laid_out("spec.md").starts_with("---\nslug: api\n")
            && laid_out("spec.md").ends_with("Line one\nLine two\n")
    );
    assert!(laid_out("learnings.md").contains("Floats lie"));
    assert!(laid_out("decisions.md").contains("## Money is cents"));
    let ignored = std::fs::read_to_string(ana.repository().join(".nexus/active/.gitignore")).unwrap();
    assert_eq!(ignored, "*\n");
}

#[test]
fn a_refused_pick_names_the_holders() {
    let by = json!({ "engineerId": ID, "engineerName": "ana", "sessionId": OTHER, "agent": "build", "featureId": ID,
        "featureSlug": "billing-api", "claimedAt": "2025-01-31T14:02:00.000Z", "expiresAt": "2025-01-31T14:32:00.000Z" });
    let conflict = json!({ "filePath": "src/db.rs", "wantedPath": "src/db.rs", "claimedBy": by });
    let refused =
        failure(409, "FILE_ALREADY_CLAIMED", "file conflicts with ana", json!({ "conflicts": [conflict] }));
    let server = Server::start().on(&on("POST", "/api/pick"), refused);
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("feature pick api");
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_eq!(ended.stderr, "\
Error: src/db.rs is held by ana's agent \"build\" for feature billing-api, since 2025-01-31, until 2025-01-31 (any moment now)
Hint: nexus feature available shows what is free of it
");
    let error: Value = serde_json::from_str(&ana.types("feature pick api --json").stderr).unwrap();
    assert_eq!(error["error"]["code"], "FILE_ALREADY_CLAIMED");
    assert_eq!(error["error"]["requestId"], "req-1");
    assert_eq!(error["error"]["details"]["conflicts"][0]["filePath"], "src/db.rs");
}

#[test]
fn taking_again_what_is_ones_own_is_a_success_that_says_so() {
    let mine = held("api");
    let holder =
        json!({ "holder": { "engineerId": ID, "engineerName": "ana", "sessionId": mine["sessionId"] } });
    let refused = failure(409, "FEATURE_ALREADY_CLAIMED", "feature api is held by ana", holder);
    let server = Server::start()
        .on(&on("POST", "/api/pick"), refused)
        .on(&on("GET", "/api"), data(mine.clone()))
        .on(&format!("GET /projects/{ID}/claims/mine"), data(json!([claim("src/db.rs", "exclusive")])))
        .on(&on("GET", "/api/learnings"), page(&[]))
        .on(&format!("GET /projects/{ID}/decisions"), page(&[]));
    let ana = Person::at_work(&[server.url()]);
    let session = mine["sessionId"].as_str().expect("a held feature has a session");
    let ended = ana.types(&format!("feature pick api --session {session}")).done();
    assert!(ended.stdout.starts_with("You already work on api: The API\nYours alone"), "{ended:#?}");
    // Another session is refused as before.
    let ended = ana.types(&format!("feature pick api --session {ID}"));
    assert_eq!(ended.code, 1, "{ended:#?}");
}

#[test]
fn a_second_feature_is_taken_only_on_purpose() {
    let status = json!({ "activeFeatures": [held("api")], "claims": [], "sessions": [], "interrupted": [] });
    let server = Server::start()
        .on(&format!("GET /projects/{ID}/status"), data(status))
        .on(
            &on("POST", "/pick-next"),
            data({
                let mut picked = held("reports");
                picked["claims"] = json!([]);
                picked
            }),
        )
        .on(&on("GET", "/reports/learnings"), page(&[]))
        .on(&format!("GET /projects/{ID}/decisions"), page(&[]));
    let ana = Person::at_work(&[server.url()]);
    let session = held("api")["sessionId"].as_str().expect("a held feature has a session").to_owned();
    let ended = ana.types(&format!("next --session {session}"));
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert_eq!(
        ended.stderr,
        "\
Error: you already work on api
Hint: nexus feature done api or release api comes first; --also takes another one beside it
"
    );
    let ended = ana.types(&format!("next --also --session {session}")).done();
    assert!(ended.stdout.starts_with("Picked reports"), "{ended:#?}");
}

#[test]
fn available_features_are_listed_with_the_blockers_of_the_others() {
    let mut blocked = feature("reports", "ready");
    blocked["blockedBy"] = json!({ "dependsOn": ["api"] });
    let server =
        Server::start().on(&on("GET", "/available"), data(json!([feature("api", "ready"), blocked])));
    let ended = Person::at_work(&[server.url()]).types("feature available").done();
    assert_eq!(
        ended.stdout,
        "\
SLUG     LANE  PRIO  TITLE    FILES      STATE
api      next  3     The API  src/db.rs  free
reports  next  3     The API  src/db.rs  waits for api
"
    );
    assert!(ended.stderr.starts_with("1 free. Next: nexus feature pick"), "{ended:#?}");
}

#[test]
fn a_list_longer_than_a_page_is_put_together() {
    let page = |slugs: std::ops::Range<usize>, cursor: Value| {
        let items: Vec<_> = slugs.map(|number| feature(&format!("f{number}"), "ready")).collect();
        data(json!({ "items": items, "nextCursor": cursor, "hasMore": !cursor.is_null() }))
    };
    let server = Server::start()
        .on(&on("GET", ""), page(0..100, json!("c1")))
        .on(&on("GET", ""), page(100..150, json!("c2")));
    let ana = Person::at_work(&[server.url()]);
    let list = ana.types("feature list --limit 150 -s ready -l now --json").done().json();
    assert_eq!(list["items"].as_array().unwrap().len(), 150);
    assert_eq!((&list["nextCursor"], &list["hasMore"]), (&json!("c2"), &json!(true)));
    let lines: Vec<_> = server.requests().into_iter().map(|request| request.line).collect();
    assert!(lines[0].ends_with("/features?status=ready&lane=now&limit=100"), "{lines:?}");
    assert!(lines[1].ends_with("/features?status=ready&lane=now&limit=50&cursor=c1"), "{lines:?}");
}

#[test]
fn a_list_names_the_holders() {
    let server = Server::start()
        .on(&on("GET", ""), data(json!({ "items": [held("api")], "nextCursor": null, "hasMore": false })))
        .on(&format!("GET /projects/{ID}"), members());
    let ended = Person::at_work(&[server.url()]).types("feature list").done();
    assert_eq!(
        ended.stdout,
        "\
SLUG  STATUS  LANE  PRIO  TITLE    HOLDER
api   active  next  3     The API  ana's agent \"build\"
"
    );
}

#[test]
fn a_feature_is_shown_with_its_spec() {
    let server = Server::start()
        .on(&on("GET", "/api"), data(held("api")))
        .on(&format!("GET /projects/{ID}"), members());
    let ended = Person::at_work(&[server.url()]).types("feature show api").done();
    assert_eq!(
        ended.stdout,
        "\
api: The API
Status      active, held by ana's agent \"build\" since 2025-01-31
Fence       1234
Lane        next, priority 3
Touches     src/db.rs
Made        2025-01-31 by ana

Line one
Line two
"
    );
}

#[test]
fn the_steps_of_a_feature_are_one_word_each() {
    for step in ["ready", "release", "done", "cancel"] {
        let server = Server::start().on(&on("POST", &format!("/api/{step}")), data(feature("api", "ready")));
        let ana = Person::at_work(&[server.url()]);
        let ended = ana.types(&format!("feature {step} api --session {OTHER}")).done();
        assert!(ended.stdout.starts_with("api is "), "{ended:#?}");
        assert_eq!(server.only_request().header("x-nexus-session"), OTHER);
    }
}

#[test]
fn a_title_cannot_steer_the_terminal() {
    let mut hostile = feature("api", "ready");
    hostile["title"] = json!("\u{1b}]0;gone\u{7}\u{1b}[2JThe API");
    let server = Server::start().on(&on("GET", "/available"), data(json!([hostile])));
    let ended = Person::at_work(&[server.url()]).types("feature available").done();
    assert!(!ended.stdout.contains(['\u{1b}', '\u{7}']), "{:?}", ended.stdout);
}

#[test]
fn a_text_of_others_steers_no_terminal() {
    let mut odd = feature("api", "draft");
    odd["title"] = json!("a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{1b}[2Jf\u{9b}g");
    odd["spec"] = json!("one\ntwo\u{202a}\u{1b}[31m");
    let server = Server::start()
        .on(&on("GET", "/api"), data(odd.clone()))
        .on(&on("GET", "/none"), failure(404, "NOT_FOUND", "no feature \u{1b}[2Jx\u{202e}", Value::Null))
        .on(&format!("GET /projects/{ID}"), members());
    let ana = Person::at_work(&[server.url()]);
    let steers = |letter: char| {
        (letter.is_control() && letter != '\n') || "\u{202a}\u{202e}\u{2066}\u{200f}\u{61c}".contains(letter)
    };
    let shown = ana.types("feature show api").done();
    assert!(!shown.stdout.contains(steers), "{shown:#?}");
    assert!(
        shown.stdout.starts_with("api: a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}[2Jf\u{fffd}g\n"),
        "{shown:#?}"
    );
    // The JSON for a program has the same text, with all control characters escaped.
    let shown = ana.types("feature show api --json").done();
    assert!(!shown.stdout.contains(steers), "{shown:#?}");
    assert_eq!(shown.json(), odd);
    for line in ["feature show none", "feature show none --json"] {
        let refused = ana.types(line);
        assert!(!refused.stderr.contains(steers), "{refused:#?}");
    }
}
