//! Routes that old clients do not use refuse unknown fields: a misspelt restriction must not be ignored.

use nexus_tests::{Cluster, Team};
use reqwest::Method;
use serde_json::{Value, json};

/// Routes of old clients, which may send further fields.
const OLD: [&str; 16] = [
    "POST /auth/register",
    "POST /projects",
    "POST /projects/{project}/members",
    "POST /projects/{project}/features",
    "PATCH /projects/{project}/features/{slug}",
    "DELETE /projects/{project}/features/{slug}",
    "POST /projects/{project}/features/{slug}/ready",
    "POST /projects/{project}/features/{slug}/pick",
    "POST /projects/{project}/features/{slug}/release",
    "POST /projects/{project}/features/{slug}/done",
    "POST /projects/{project}/features/{slug}/cancel",
    "POST /projects/{project}/claims/refresh",
    "POST /projects/{project}/sessions",
    "POST /projects/{project}/sessions/{session}/heartbeat",
    "POST /projects/{project}/sessions/checkpoints",
    "POST /projects/{project}/features/{slug}/learnings",
];
const OLD_WITH_OTHER_WORDS: [&str; 3] = [
    "POST /projects/{project}/decisions",
    "PATCH /projects/{project}/roadmap/{slug}/lane",
    // Its fields are lanes, and an unknown one was always refused.
    "PATCH /projects/{project}/roadmap/reorder",
];

#[tokio::test]
async fn a_misspelt_restriction_makes_no_key_at_all() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await.client;
    let before = ana.get("/auth/keys").await.data().clone();
    let expires = json!("2030-01-01T00:00:00.000Z");
    let misspelt = [
        (json!({ "read_only": true }), "read_only", "readonly"),
        (json!({ "project": team.project }), "project", "projectId"),
        (json!({ "expires_at": expires }), "expires_at", "expiresAt"),
        (json!({ "label": "ci", "readonly": true, "expires": expires }), "expires", "expiresAt"),
    ];
    for (body, field, meant) in misspelt {
        let refused = ana.post("/auth/keys", body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"), "{field}");
        let problem = refused.body["error"]["details"][field][0].as_str().unwrap_or_default();
        assert!(problem.contains(&format!("did you mean {meant}?")), "{field}: {}", refused.body);
    }
    assert_eq!(ana.get("/auth/keys").await.data(), &before);
    // In either valid spelling.
    for body in [json!({ "readonly": true }), json!({ "readOnly": true })] {
        assert_eq!(ana.post("/auth/keys", body).await.data()["readonly"], true);
    }
}

#[tokio::test]
async fn every_route_unknown_to_old_clients_refuses_unknown_fields() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    let document = team.admin.get("/openapi.json").await.body;
    let methods = [("post", Method::POST), ("patch", Method::PATCH), ("delete", Method::DELETE)];
    let mut asked = 0;
    for (template, operations) in document["paths"].as_object().expect("a document has paths") {
        for (name, method) in &methods {
            let route = template.strip_prefix("/api").unwrap_or(template);
            let named = format!("{method} {route}");
            let is_old = OLD.contains(&&*named) || OLD_WITH_OTHER_WORDS.contains(&&*named);
            if operations[name] == Value::Null || is_old {
                continue;
            }
            let nobody = uuid::Uuid::now_v7().to_string();
            let path =
                route.replace("{project}", &team.project).replace("{slug}", "one").replace("{node}", "1");
            let path =
                ["{engineer}", "{session}", "{key}"].iter().fold(path, |path, id| path.replace(id, &nobody));
            let body = json!({ "noSuchField": true });
            let refused = team.admin.send(method.clone(), &path, Some(&body)).await.expect("an answer");
            assert_eq!(refused.status.as_u16(), 400, "{named}: {}", refused.body);
            assert!(refused.body["error"]["details"]["noSuchField"].is_array(), "{named}: {}", refused.body);
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked} routes are more than old clients know");
    // An old client's body is still accepted.
    let old = json!({ "slug": "two", "title": "t", "spec": "s", "colour": "red" });
    assert_eq!(team.admin.post(&team.path("/features"), old).await.status.as_u16(), 201);
}
