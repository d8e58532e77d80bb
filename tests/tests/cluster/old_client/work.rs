//! Features and their holders, as an old client sees them.

use super::{NOT_FOUND, Scene, TRANSITION, VALIDATION, slugs, text};
use nexus_tests::contract::{self, CLAIM, ENGINEER, FEATURE, Form, SESSION, has, page};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_old_client_takes_a_feature_through_its_life() {
    let scene = Scene::set().await;
    let (ana, ben) = (&scene.ana, &scene.ben);
    let list = scene.at("/features");
    let draft = scene.draft("one", &["./src//a.rs", "lib/"]).await;
    has(&draft, FEATURE);
    assert_eq!(
        json!([draft["status"], draft["lane"], draft["priority"], draft["touches"], draft["createdBy"]]),
        json!(["draft", "next", 1, ["src/a.rs", "lib/"], scene.ana_id])
    );
    assert_eq!(
        json!([draft["claimedBy"], draft["claimedAt"], draft["completedAt"]]),
        json!([null, null, null])
    );
    assert_eq!(scene.draft("two", &[]).await["priority"], 2, "the highest priority of the lane plus one");
    let body = json!({ "slug": "9-9", "title": "t".repeat(200), "spec": "s", "lane": "now", "priority": 40 });
    let third = ben.make(&list, body).await;
    assert_eq!((&third["lane"], &third["priority"]), (&json!("now"), &json!(40)));
    assert_eq!(third["touches"], json!([]));
    let fourth = json!({ "slug": "s".repeat(100), "title": "t", "spec": "s", "lane": "now" });
    assert_eq!(ben.make(&list, fourth).await["priority"], 41);
    for (field, value) in [
        ("slug", json!("s".repeat(101))),
        ("slug", json!("")),
        ("slug", json!("under_score")),
        ("title", json!("")),
        ("title", json!("t".repeat(201))),
        ("spec", json!("")),
        ("spec", json!(null)),
        ("lane", json!("soon")),
        ("priority", json!(0)),
        ("priority", json!(-1)),
        ("priority", json!(1.5)),
        ("priority", json!("1")),
        ("touches", json!("a")),
        ("touches", json!(["/a"])),
        ("touches", json!(["a/../../b"])),
    ] {
        let mut body = json!({ "slug": "x", "title": "t", "spec": "s" });
        body[field] = value;
        ana.wrong(&list, body, field).await;
    }
    let again = json!({ "slug": "one", "title": "t", "spec": "s" });
    ana.refused((409, "ALREADY_EXISTS"), Method::POST, &list, Some(again)).await;

    // The list is ordered by lane, by priority, then newest first; it can be filtered and paged.
    let tie = json!({ "slug": "tie", "title": "t", "spec": "s", "priority": 1 });
    ana.make(&list, tie).await;
    let whole = slugs(page(&ana.get(&list).await, FEATURE));
    assert_eq!(whole, ["9-9", &"s".repeat(100), "tie", "one", "two"]);
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let found = ben.get(&format!("{list}?limit=2{cursor}")).await;
        paged.extend(slugs(page(&found, FEATURE)));
        assert!(found["items"].as_array().is_some_and(|items| items.len() <= 2));
        let Some(next) = found["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, whole);
    for (query, expected) in [
        ("?lane=now", &whole[..2]),
        ("?lane=next&status=draft", &whole[2..]),
        ("?status=active", &[]),
        ("?lane=icebox", &[]),
    ] {
        assert_eq!(slugs(page(&ana.get(&format!("{list}{query}")).await, FEATURE)), expected, "{query}");
    }
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x", "status=over", "lane=soon"] {
        ana.refused(VALIDATION, Method::GET, &format!("{list}?{query}"), None).await;
    }

    // A single feature.
    let one = scene.at("/features/one");
    assert_eq!(ben.get(&one).await, draft);
    ben.refused(NOT_FOUND, Method::GET, &scene.at("/features/none"), None).await;
    let patch = json!({ "title": "Uno", "spec": "more", "lane": "later", "priority": 9, "touches": ["b"] });
    let patched = ben.patch(&one, patch.clone()).await;
    for field in ["title", "spec", "lane", "priority", "touches"] {
        assert_eq!(has(&patched, FEATURE)[field], patch[field]);
    }
    assert_eq!(ana.get(&one).await, patched);
    ana.refused(VALIDATION, Method::PATCH, &one, Some(json!({ "title": "" }))).await;

    // Every step from every status: only those of the lifecycle are possible.
    let steps = ["ready", "pick", "release", "done", "cancel"];
    let path = |slug: &str, step: &str| scene.at(&format!("/features/{slug}/{step}"));
    for (status, way, allowed) in [
        ("draft", &[][..], &["ready", "cancel"][..]),
        ("ready", &["ready"], &["pick", "cancel"]),
        ("active", &["ready", "pick"], &["release", "done", "cancel"]),
        ("done", &["ready", "pick", "done"], &[]),
        ("cancelled", &["ready", "pick", "cancel"], &[]),
    ] {
        for step in steps {
            let slug = format!("from-{status}-{step}");
            scene.draft(&slug, &[]).await;
            for step in way {
                scene.step(ana, &slug, step).await;
            }
            let now = ana.get(&scene.at(&format!("/features/{slug}"))).await;
            assert_eq!(has(&now, FEATURE)["status"], status);
            if allowed.contains(&step) {
                let after = scene.step(ana, &slug, step).await;
                let expected = match step {
                    "ready" | "release" => "ready",
                    "pick" => "active",
                    "done" => "done",
                    _ => "cancelled",
                };
                assert_eq!(has(&after, FEATURE)["status"], expected, "{slug}");
            } else if (status, step) == ("active", "pick") {
                ana.refused((409, "FEATURE_ALREADY_CLAIMED"), Method::POST, &path(&slug, step), None).await;
            } else {
                ana.refused(TRANSITION, Method::POST, &path(&slug, step), None).await;
            }
        }
        let slug = format!("from-{status}-delete");
        scene.draft(&slug, &[]).await;
        for step in way {
            scene.step(ana, &slug, step).await;
        }
        let there = scene.at(&format!("/features/{slug}"));
        if status == "draft" {
            assert_eq!(ben.delete(&there).await, json!({ "deleted": true }));
            ben.refused(NOT_FOUND, Method::GET, &there, None).await;
        } else {
            let answer = ben.ask(Method::DELETE, &there, None).await;
            assert_eq!(answer.status, 400, "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn an_old_client_picks_collides_and_learns_the_holder() {
    let scene = Scene::set().await;
    let (ana, ben) = (&scene.ana, &scene.ben);
    scene.ready("one", &["src/a.rs", "lib/"]).await;
    scene.ready("two", &["lib/b.rs"]).await;
    scene.ready("three", &["docs/"]).await;
    let picked = scene.step(ana, "one", "pick").await;
    has(&picked, FEATURE);
    assert_eq!(
        json!([picked["status"], picked["claimedBy"], picked["spec"]]),
        json!(["active", scene.ana_id, "do it"])
    );
    let claims = contract::all(&picked["claims"], CLAIM);
    let paths: Vec<&Value> = claims.iter().map(|claim| &claim["filePath"]).collect();
    assert_eq!(paths, ["src/a.rs", "lib/"]);
    assert_eq!((&claims[0]["featureId"], &claims[0]["engineerName"]), (&picked["id"], &json!("Ana")));

    let path = |slug: &str, step: &str| scene.at(&format!("/features/{slug}/{step}"));
    let conflict = ben.refused((409, "FILE_ALREADY_CLAIMED"), Method::POST, &path("two", "pick"), None).await;
    let message = text(&conflict["message"]);
    assert!(message.contains("file conflicts with") && message.contains("Ana"), "{message}");
    let path_conflict = &conflict["details"]["conflicts"][0];
    assert_eq!(path_conflict["filePath"], "lib/");
    assert_eq!(has(&path_conflict["claimedBy"], contract::CLAIMED_BY)["featureSlug"], "one");
    let taken = ben.refused((409, "FEATURE_ALREADY_CLAIMED"), Method::POST, &path("one", "pick"), None).await;
    assert!(text(&taken["message"]).contains("Ana"), "{taken}");

    let available = ben.get(&scene.at("/features/available")).await;
    let features = contract::all(&available, FEATURE);
    assert_eq!(slugs(features), ["three", "two"], "available features come first");
    assert!(features[0].get("blockedBy").is_none_or(Value::is_null), "{}", features[0]);
    let blocked = &features[1]["blockedBy"];
    assert_eq!(
        json!([blocked["engineerId"], blocked["engineerName"], blocked["featureSlug"]]),
        json!([scene.ana_id, "Ana", "one"])
    );

    // Nobody else may end it, and the refusal names the holder.
    for step in ["release", "done"] {
        let refused = ben.refused(VALIDATION, Method::POST, &path("one", step), None).await;
        assert!(text(&refused["message"]).contains("Ana"), "{refused}");
    }
    let claims = ben.get(&scene.at("/claims")).await;
    assert_eq!(contract::all(&claims, CLAIM).len(), 2);
    assert_eq!(ana.get(&scene.at("/claims/mine")).await, claims);
    assert_eq!(ben.get(&scene.at("/claims/mine")).await, json!([]));
    let mut refreshed = ana.post(&scene.at("/claims/refresh"), json!({})).await;
    refreshed["refreshed"].as_array_mut().expect("a list").sort_by_key(Value::to_string);
    assert_eq!(refreshed, json!({ "refreshed": ["lib/", "src/a.rs"], "notOwned": [] }));
    // Also without a body.
    let answer = ben.ask(Method::POST, &scene.at("/claims/refresh"), None).await;
    assert_eq!(answer.data(), &json!({ "refreshed": [], "notOwned": [] }));

    // The engineer has one session: an old client collides only with other engineers.
    scene.ready("four", &["src/"]).await;
    scene.step(ana, "four", "pick").await;
    let status = has(
        &ben.get(&scene.at("/status")).await,
        &[("activeFeatures", Form::List), ("claims", Form::List), ("sessions", Form::List)],
    )
    .clone();
    assert_eq!(contract::all(&status["activeFeatures"], FEATURE).len(), 2);
    assert_eq!(contract::all(&status["claims"], CLAIM).len(), 3);
    let sessions =
        contract::all(&status["sessions"], &[("session", Form::Object), ("engineer", Form::Object)]);
    assert_eq!(sessions.len(), 2, "each engineer has one session, made on demand");
    has(&sessions[0]["session"], SESSION);
    has(&sessions[0]["engineer"], ENGINEER);

    let released = scene.step(ana, "one", "release").await;
    assert_eq!(
        json!([released["status"], released["claimedBy"], released["claimedAt"]]),
        json!(["ready", null, null])
    );
    scene.step(ben, "two", "pick").await;
    let done = scene.step(ben, "two", "done").await;
    assert_eq!((&done["status"], done["completedAt"].is_string()), (&json!("done"), true));
    // Any member of the project may cancel an active feature of another one.
    assert_eq!(scene.step(ben, "four", "cancel").await["status"], "cancelled");
    assert_eq!(ana.get(&scene.at("/claims")).await, json!([]));
    let fresh = scene.step(ana, "one", "pick").await;
    assert!(fresh["claims"].as_array().is_some_and(|claims| claims.len() == 2));
}
