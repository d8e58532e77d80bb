//! One `nexus exec` within another, and an agent in a namespace of its own: both let the agent write its own files.

use super::{Scene, Shell};
use nexus_tests::eventually;
use std::fs;

/// The mounts in the namespace of a process.
fn mounted(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/mountinfo")).expect("it lives")
}

#[tokio::test]
async fn an_agent_in_a_namespace_of_its_own_can_write_the_files_that_it_claims() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let starter = scene.team.agent(&scene.team.admin, "starter").await;
    for within in ["nexus exec --", "unshare -rm --propagation unchanged", "nexus exec -- nexus exec --"] {
        // The outer command is started by a session, and the agent is another one. The shell between them stays.
        let line = format!("env -u NEXUS_SESSION {within} bash -c 'exec -a claude bash'; exit");
        let mut command = scene.command(&["nexus", "exec", "--", "bash", "-c", &line]);
        command.env("NEXUS_SESSION", starter.session().expect("it is a session"));
        let folder = tempfile::tempdir().expect("a folder");
        let mut agent = Shell::start(command, folder.path());
        assert_eq!(agent.runs("nexus claim lib/deep/b.rs"), 0, "{within}");
        // A later entry in the log shows that the outer command has seen the claim.
        scene.ben_claims(&["src/own.rs"]).await;
        let outer = agent.child.id();
        eventually("the outer one follows", || async {
            mounted(outer).contains("/src/own.rs ").then_some(())
        })
        .await;
        assert!(!mounted(outer).contains("/lib/deep/b.rs "), "{within}");
        agent.until("so does the inner one", "src/own.rs", false).await;
        assert!(agent.can_write("lib/deep/b.rs"), "{within}");
        assert_eq!(agent.runs("nexus unclaim lib/deep/b.rs"), 0, "{within}");
        scene.ben_releases(&["src/own.rs"]).await;
    }
}
