//! The files that `curl` and `wget` write: those that an option names, and those that are named like the last part of a
//! URL.

use super::{
    options::{Parsed, Spec},
    state::Shell,
    value::Value,
};

const CURL: Spec = Spec {
    short: "A:b:c:C:d:D:e:E:F:H:K:m:o:P:Q:r:t:T:u:U:w:x:X:y:Y:z:0123456afgGiIjJklLMnNOpqRsSvVZ#",
    long: &[
        "alt-svc:",
        "aws-sigv4:",
        "cacert:",
        "capath:",
        "cert:",
        "cert-type:",
        "ciphers:",
        "compressed",
        "config:",
        "connect-timeout:",
        "connect-to:",
        "continue-at:",
        "cookie:",
        "cookie-jar:",
        "create-dirs",
        "data:",
        "data-ascii:",
        "data-binary:",
        "data-raw:",
        "data-urlencode:",
        "dump-header:",
        "etag-compare:",
        "etag-save:",
        "expect100-timeout:",
        "fail",
        "form:",
        "form-string:",
        "get",
        "globoff",
        "head",
        "header:",
        "hsts:",
        "http1.1",
        "http2",
        "include",
        "insecure",
        "interface:",
        "json:",
        "keepalive-time:",
        "key:",
        "libcurl:",
        "limit-rate:",
        "location",
        "max-filesize:",
        "max-redirs:",
        "max-time:",
        "netrc",
        "netrc-file:",
        "noproxy:",
        "oauth2-bearer:",
        "output:",
        "output-dir:",
        "parallel",
        "parallel-max:",
        "pass:",
        "pinnedpubkey:",
        "post301",
        "proto:",
        "proto-redir:",
        "proxy:",
        "proxy-header:",
        "proxy-user:",
        "quote:",
        "range:",
        "rate:",
        "referer:",
        "remote-header-name",
        "remote-name",
        "remote-name-all",
        "remote-time",
        "request:",
        "request-target:",
        "resolve:",
        "retry:",
        "retry-all-errors",
        "retry-connrefused",
        "retry-delay:",
        "retry-max-time:",
        "show-error",
        "silent",
        "socks5:",
        "socks5-hostname:",
        "speed-limit:",
        "speed-time:",
        "stderr:",
        "time-cond:",
        "tls-max:",
        "trace:",
        "trace-ascii:",
        "unix-socket:",
        "upload-file:",
        "url:",
        "url-query:",
        "user:",
        "user-agent:",
        "verbose",
        "write-out:",
    ],
};
const CURL_OUTPUTS: &[&str] = &[
    "alt-svc",
    "c",
    "cookie-jar",
    "D",
    "dump-header",
    "etag-save",
    "hsts",
    "libcurl",
    "stderr",
    "trace",
    "trace-ascii",
];
/// `-nc`, `-nv` and the like are one option each, of two letters.
const WGET: Spec = Spec {
    short: "a:A:B:D:e:i:I:l:n::o:O:P:Q:R:t:T:U:w:X:46bcdEFhHkKLmNpqrSvVx",
    long: &[
        "accept:",
        "append-output:",
        "base:",
        "body-data:",
        "body-file:",
        "bind-address:",
        "ca-certificate:",
        "certificate:",
        "config:",
        "connect-timeout:",
        "continue",
        "cut-dirs:",
        "directory-prefix:",
        "dns-timeout:",
        "domains:",
        "exclude-directories:",
        "exclude-domains:",
        "execute:",
        "header:",
        "http-password:",
        "http-user:",
        "include-directories:",
        "input-file:",
        "level:",
        "limit-rate:",
        "load-cookies:",
        "max-redirect:",
        "method:",
        "mirror",
        "no-check-certificate",
        "no-clobber",
        "no-verbose",
        "output-document:",
        "output-file:",
        "page-requisites",
        "password:",
        "post-data:",
        "post-file:",
        "private-key:",
        "progress:",
        "quiet",
        "quota:",
        "read-timeout:",
        "recursive",
        "referer:",
        "regex-type:",
        "reject:",
        "save-cookies:",
        "secure-protocol:",
        "show-progress",
        "spider",
        "timeout:",
        "timestamping",
        "tries:",
        "user:",
        "user-agent:",
        "wait:",
        "waitretry:",
    ],
};
const WGET_OUTPUTS: &[&str] =
    &["O", "output-document", "o", "output-file", "a", "append-output", "save-cookies"];

/// Whether the program is one of them.
pub(super) fn is_known(name: &str) -> bool {
    matches!(name, "curl" | "wget")
}

/// Notes the files that such a program writes.
pub(super) fn run(shell: &mut Shell, name: &str, words: &[Value]) {
    match name {
        "curl" => curl(shell, words),
        "wget" => wget(shell, words),
        _ => {}
    }
}

fn curl(shell: &mut Shell, words: &[Value]) {
    let parsed = CURL.parse(words);
    let folder = parsed.values(&["output-dir"]).last().cloned().unwrap_or_default();
    let is_file = |file: &&Value| file.known() != Some("-");
    parsed.values(&["o", "output"]).filter(is_file).for_each(|file| shell.write(&within(&folder, file)));
    parsed.values(CURL_OUTPUTS).for_each(|file| shell.write(file));
    if parsed.has(&["O", "remote-name", "remote-name-all"]) {
        let urls = urls(&parsed).chain(parsed.values(&["url"]));
        urls.filter_map(last_part).for_each(|file| shell.write(&within(&folder, &Value::text(file))));
    }
}

fn wget(shell: &mut Shell, words: &[Value]) {
    let parsed = WGET.parse(words);
    parsed.values(WGET_OUTPUTS).for_each(|file| shell.write(file));
    if parsed.has(&["O", "output-document", "spider"]) {
        return;
    }
    let folder = parsed.values(&["P", "directory-prefix"]).last().cloned().unwrap_or_default();
    let is_tree = parsed.has(&["r", "recursive", "m", "mirror", "p", "page-requisites", "x"]);
    for url in urls(&parsed) {
        let name =
            if is_tree { host(url) } else { last_part(url).or_else(|| host(url).map(|_| "index.html")) };
        let Some(name) = name else { continue };
        let file = within(&folder, &Value::text(name));
        if is_tree { shell.may_write(&file, super::target::EVERYTHING) } else { shell.write(&file) }
    }
}

/// The URLs among the words: one without a scheme may be the value of an option that is not known.
fn urls(parsed: &Parsed) -> impl Iterator<Item = &Value> {
    let is_url = move |(at, word): &(usize, &Value)| !parsed.is_doubtful(*at) || word.head().contains("://");
    parsed.operands.iter().enumerate().filter(is_url).map(|(_, word)| word)
}

/// A file in a folder, or as it is without one.
fn within(folder: &Value, file: &Value) -> Value {
    if file.head().starts_with('/') { file.clone() } else { folder.join(file) }
}

/// The last part of a URL's path; none where the path has no name at its end.
fn last_part(url: &Value) -> Option<&str> {
    let (_, path) = parts(url)?;
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

fn host(url: &Value) -> Option<&str> {
    parts(url).map(|(host, _)| host).filter(|host| !host.is_empty())
}

/// The host of a URL, which may lack its scheme, and its path.
fn parts(url: &Value) -> Option<(&str, &str)> {
    let url = url.known()?;
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    Some(rest.split_once('/').unwrap_or((rest, "")))
}
