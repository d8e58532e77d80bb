//! A file is one file however checkouts spell its name: in another case, or with other code points.

use nexus_tests::{Agent, Checkout, Cluster, Team};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

#[tokio::test]
async fn a_checkout_on_a_file_system_that_ignores_case_makes_its_project_ignore_it() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let [ben, eva] = [team.engineer("ben").await, team.engineer("eva").await];
    let (ben, eva) = (team.agent(&ben.client, "build").await, team.agent(&eva.client, "review").await);
    let claims = team.path("/claims");
    let claim = |path: &str| json!({ "paths": [path] });
    ben.post(&claims, claim("docs/README.md")).await.data();
    eva.post(&claims, claim("docs/Readme.md")).await.data();

    let key = team.admin.key().expect("the admin has a key").to_owned();
    let checkout = Checkout::of(&cluster.urls(), &team.project, &key);
    let root = checkout.root();
    fs::create_dir_all(root.join("Docs")).expect("a folder can be made");
    fs::write(root.join("Docs/ReadMe.md"), "first\n").expect("a file can be written");
    checkout.git(&root, &["config", "core.ignorecase", "true"]);
    let project = team.admin.get(&team.path("")).await;
    assert_eq!(project.data()["case"], "sensitive");
    let link = format!("nexus project link {}", project.data()["slug"].as_str().expect("a slug"));

    // Two sessions hold paths that would be one file: this is reported, and the project is linked all the same.
    let mut ana = Agent::start(&checkout, &root, "ana");
    let linked = ana.runs(&link);
    assert_eq!(linked.code, 0, "{linked:#?}");
    assert!(linked.stderr.contains("ignores case (core.ignorecase), and"), "{linked:#?}");
    assert!(linked.stderr.contains("docs/README.md"), "{linked:#?}");
    assert_eq!(team.admin.get(&team.path("")).await.data()["case"], "sensitive");

    let body = claim("docs/Readme.md");
    eva.send(Method::DELETE, &claims, Some(&body)).await.expect("an answer").data();
    let linked = ana.runs(&link);
    assert!(linked.stderr.contains("from now on"), "{linked:#?}");
    assert_eq!(ana.runs(&link).stderr.matches("core.ignorecase").count(), 0, "it is reported once");
    for url in cluster.urls() {
        let refused = eva.via(&url).post(&claims, claim("DOCS/Readme.md")).await;
        assert_eq!(refused.code(), "FILE_ALREADY_CLAIMED");
        assert!(refused.body.to_string().contains("docs/README.md"), "{}", refused.body);
    }
    let checked = eva.post(&team.path("/claims/check"), claim("docs/readme.md")).await;
    assert!(checked.body.to_string().contains("held"), "{}", checked.body);

    // If the file has another spelling on the disk, that file is protected.
    let explained: Value = ana.runs("nexus --session none exec --explain --json").done().json();
    if explained["available"] == true {
        let ended = ana.runs("nexus --session none exec -- sh -c 'echo x > Docs/ReadMe.md'");
        assert_ne!(ended.code, 0, "{ended:#?}");
        assert_eq!(fs::read_to_string(root.join("Docs/ReadMe.md")).expect("it is there"), "first\n");
    }

    // Leads can switch back to case-sensitive names; members cannot.
    let body = json!({ "case": "sensitive" });
    assert_eq!(eva.patch(&team.path(""), body).await.code(), "INSUFFICIENT_ROLE");
    ana.runs("nexus project update --case sensitive").done();
    eva.post(&claims, claim("docs/Readme.md")).await.data();
}

#[tokio::test]
async fn composed_and_decomposed_letters_name_one_file() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let [ben, eva] = [team.engineer("ben").await, team.engineer("eva").await];
    let (ben, eva) = (team.agent(&ben.client, "build").await, team.agent(&eva.client, "review").await);
    let claims = team.path("/claims");
    ben.post(&claims, json!({ "paths": ["caf\u{e9}.rs"] })).await.data();
    let refused = eva.post(&claims, json!({ "paths": ["cafe\u{301}.rs"] })).await;
    assert_eq!(refused.code(), "FILE_ALREADY_CLAIMED");
    // The claim is listed as it was spelled.
    assert!(refused.body.to_string().contains("caf\u{e9}.rs"), "{}", refused.body);
    let checked = ben.post(&team.path("/claims/check"), json!({ "paths": ["cafe\u{301}.rs"] })).await;
    assert!(checked.body.to_string().contains("mine"), "{}", checked.body);
}
