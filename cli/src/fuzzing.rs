//! The fuzz targets of this crate, for tests/fuzz and for the unit tests below and beside them.

pub use crate::hosts::fuzzing::{hook, shell};

use crate::{
    agent_run::RunKey,
    args::span,
    config::{link::Link, login::Login, stored::StoredPath},
    git,
    guard::receipt::Receipt,
    install::block::{self, Comment},
    server,
    spec::SpecFile,
    text::plain,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The output of git, as that of every call.
///
/// # Panics
/// If a name is empty, or a receipt of a message does not come back.
pub fn git_output(data: &[u8]) {
    let (_, commits) = git::read_all(data);
    for commit in commits {
        let receipts = Receipt::all_in(&commit.message);
        let lines: String = receipts.iter().map(|receipt| format!("{receipt}\n")).collect();
        assert_eq!(Receipt::all_in(&lines), receipts);
    }
    let text = String::from_utf8_lossy(data);
    let receipts = Receipt::all_in(&text);
    let lines: String = receipts.iter().map(|receipt| format!("{receipt}\n")).collect();
    assert_eq!(Receipt::all_in(&lines), receipts);
}

/// A file that the command line reads, or a text that a person types, as each of those that there are: it is refused,
/// or written and read as the same one.
///
/// # Panics
/// If one of these properties does not hold.
pub fn client_files(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    comes_back::<Link>(text);
    comes_back::<Login>(text);
    comes_back::<StoredPath>(text);
    if let Ok(login) = serde_json::from_str::<Login>(text) {
        let _ = login.servers();
    }
    if let Ok(file) = SpecFile::parse("a.md", text) {
        let written = file.text();
        let again = SpecFile::parse("a.md", &written);
        let again = again.unwrap_or_else(|error| panic!("{written:?} cannot be read again: {error}"));
        let without_spec = |file: &SpecFile| SpecFile { spec: String::new(), ..file.clone() };
        assert_eq!(without_spec(&again), without_spec(&file), "{written:?}");
        assert_eq!(again.spec.trim_end(), file.spec.trim_start_matches(['\n', '\r']).trim_end());
    }
    if let Ok(servers) = server::parse_list(text) {
        let written = server::list(&servers);
        assert!(server::parse_list(&written).is_ok_and(|again| again == servers), "{written:?}");
    }
    if let Some(key) = RunKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(span) = span::parse(text) {
        assert!(!span.is_zero() && span::from_now(span).is_ok());
    }
    let shown = plain(text);
    assert_eq!(plain(&shown), shown);
    assert!(shown.chars().all(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')), "{shown:?}");
    for comment in [Comment::Hash, Comment::Markdown] {
        if block::taken(text, comment).text == text {
            let with = block::with(Some(text), comment, "ours\nmore");
            assert_eq!(block::taken(&with, comment).text, text, "a block leaves no trace");
        }
    }
}

/// Checks that a value, if it can be read, is written and read as the same one.
fn comes_back<T: Serialize + DeserializeOwned>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else { return };
    let json = |value: &T| serde_json::to_value(value).expect("what was read can be written");
    let written = format!("{:#}", json(&value));
    let again = serde_json::from_str::<T>(&written);
    let again = again.unwrap_or_else(|error| panic!("{written} cannot be read again: {error}"));
    assert_eq!(without_fractions(json(&again)), without_fractions(json(&value)));
}

/// The value with null for each number that is not whole: those are read fast, and not to their last digit.
pub(crate) fn without_fractions(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => Value::Null,
        Value::Array(items) => items.into_iter().map(without_fractions).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, without_fractions(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    fn named<const N: usize>(seeds: [(&str, &str); N]) -> Vec<(String, Vec<u8>)> {
        seeds.map(|(name, text)| (name.to_owned(), text.into())).into()
    }

    #[test]
    fn outputs_of_git_pass_their_corpus() {
        const ID: &str = "1234567890123456789012345678901234567890";
        let object = "tree 0\nauthor Ana <ana@example.com> 1700000000 +0100\ncommitter Ben <b@example.com> 1700000001 +0000\n\n\
                      One\n\nNexus-Receipt: session=00000000-0000-0000-0000-000000000007, fence=42\n";
        let objects = format!("{ID} commit {}\n{object}\n", object.len());
        let raw = format!("{ID}\0:100644 100644 {ID} {ID} M\0src/a.rs\0:000000 160000 {ID} {ID} A\0sub\0");
        let heads = format!(
            "{ID}\t\tbranch 'it's' of https://example.org/app\n{ID}\tnot-for-merge\t'x' of ../other\n"
        );
        let seeds = named([
            (
                "status",
                "# branch.oid 12345\0# branch.head main\x001 .M N... 100644 100644 100644 12 12 src/a b.rs\0\
                 2 R. S... 100644 100644 100644 1 2 R100 new\0old\0u UU N... 1 2 3 4 5 6 7 both\0? new/\0? x\0",
            ),
            ("objects", &objects),
            ("raw", &raw),
            ("index", "H 100644 1234 0\tsrc/a.rs\0h 160000 1234 0\tsub\0S 120000 12 0\tlink\tx\0"),
            ("names", "M\0src/a.rs\0A\0src/b\0"),
            ("tree", "100644 blob 1234\ta\x00160000 commit 12\tb/c\0"),
            ("heads", &heads),
            ("lengths", "1234567890123456789012345678901234567890 commit 18446744073709551615\n"),
        ]);
        nexus_corpora::pass("git_output", super::git_output, seeds);
    }

    #[test]
    fn files_of_clients_pass_their_corpus() {
        let seeds = named([
            (
                "link",
                r#"{"projectId":"00000000-0000-0000-0000-000000000001","projectSlug":"billing","hooks":{"whenUnreachable":"fail-closed","x":[1.5,null]}}"#,
            ),
            (
                "login",
                r#"{"token":"nexus_eng_0","serverUrl":"https://a:7401/api#eu","servers":["b:1","http://[::1]:2/p"],"ca":[255,47],"region":"eu","engineerId":"00000000-0000-0000-0000-000000000001","engineerName":"Ana"}"#,
            ),
            (
                "spec",
                "---\nslug: billing-api\ntitle: 'The API: first part'\nlane: now\npriority: 3\ntouches:\n  - src/api/\n  \
                 - \"src/**/*.rs\"\nreads: [docs/]\ndepends-on: []\n---\n\n# What is to be done\n\n---\nmore\n",
            ),
            (
                "spec-texts",
                "\u{feff}---\ntitle: |\n  a\n  b\nslug: \"null\"\ntouches: [1.0, '#', \"\\u00e9\", yes]\n---\n",
            ),
            ("servers", "https://a.example/nexus/api#eu-west, localhost,[::1]:7401"),
            ("run", "claude:1f3a-2"),
            ("span", " 30 m "),
            ("block", "# a\r\n# >>> nexus >>> (joined)\r\nx\r\n# <<< nexus <<<\r\nb"),
        ]);
        nexus_corpora::pass("client_files", super::client_files, seeds);
    }
}
