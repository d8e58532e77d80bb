//! The command line can do what REST can: each operation has its command, or a reason why it has none. The description
//! of the API says which.

use nexus_tests::{Agent, Checkout, Cluster, Team};

#[tokio::test]
async fn each_operation_has_its_command_or_a_reason_why_not() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let document = team.admin.get("/openapi.json").await.body;
    let checkout = Checkout::new(&cluster.urls());
    let mut shell = Agent::start(&checkout, &checkout.root(), "bash");
    let mut commands = 0;
    for (route, operations) in document["paths"].as_object().expect("a document has paths") {
        for (method, operation) in operations.as_object().expect("a path has operations") {
            let Some(command) = operation["x-nexus-command"].as_str() else {
                let reason = operation["x-nexus-no-command"].as_str().unwrap_or_default();
                assert!(!reason.is_empty(), "{method} {route}: name its command, or why there is none");
                continue;
            };
            // The words of the command, up to its first argument.
            let words: Vec<&str> = command.split(' ').collect();
            let is_argument = |word: &&&str| word.starts_with('-') || word.contains(char::is_uppercase);
            let own: Vec<&str> = words.iter().take_while(|word| !is_argument(word)).copied().collect();
            let help = shell.runs(&format!("{} --help", own.join(" "))).done().stdout;
            assert!(
                help.contains(&format!("Usage: {}", own.join(" "))),
                "{method} {route}: {command}\n{help}"
            );
            for flag in words.iter().filter(|word| word.starts_with('-')) {
                assert!(
                    help.contains(&format!("{flag}, "))
                        || help.contains(&format!("{flag} "))
                        || help.contains(&format!("{flag}\n")),
                    "{command}: {flag} is not in its help\n{help}"
                );
            }
            commands += 1;
        }
    }
    assert!(commands > 60, "{commands}");
}
