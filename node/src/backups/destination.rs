//! The place for backups: a folder, or a bucket of an object store. Credentials come from the environment alone, by the
//! names that each store's own tools use, and are never part of an address, so that an address can be logged and shown.

use crate::watch::disk::mib;
use anyhow::{Context, bail, ensure};
use object_store::{
    ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    local::LocalFileSystem,
    path::Path as Location,
};
use std::{
    fmt,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use url::Url;

/// The longest time of one request to a store: most of them carry eight MiB, which get through a slow line.
const REQUEST_TIMEOUT: &str = "300 seconds";
/// How long a request is repeated after errors that may pass. A backup that fails is tried again later in any case.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a request is repeated at most.
const MAX_RETRIES: usize = 5;
/// The longest explanation of an error, in bytes: a store may answer with a page.
const MAX_EXPLANATION_BYTES: usize = 500;
/// The beginning of a store's answer inside of the text of an error.
const ANSWERS: [&str; 4] = ["<?xml", "<!", "<Error", "<html"];

/// An address that was checked, without a connection to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A folder, by its absolute path.
    Folder(PathBuf),
    /// A bucket or a container, and maybe a prefix in it.
    Bucket(Url),
}

impl Address {
    /// Reads an address: a path, or an URL with one of the schemes `file`, `s3`, `gs` and `az`.
    ///
    /// # Errors
    /// When it has another scheme, or something that does not belong into it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        ensure!(!text.is_empty(), "the address is empty");
        if !text.contains("://") {
            let path = std::path::absolute(text).with_context(|| format!("cannot tell where {text} is"))?;
            return Ok(Self::Folder(path));
        }
        let url: Url = text.parse().map_err(|error| anyhow::anyhow!("{text} is no URL: {error}"))?;
        // Before anything shows the address.
        ensure!(
            url.username().is_empty() && url.password().is_none(),
            "an address has no user and no password: give credentials in the environment, such as AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY"
        );
        ensure!(
            url.query().is_none() && url.fragment().is_none(),
            "{} ends with its path: what follows ? or # is no part of an address",
            url.as_str().split(['?', '#']).next().unwrap_or_default()
        );
        match url.scheme() {
            "file" => {
                let path = url.to_file_path();
                Ok(Self::Folder(path.map_err(|()| anyhow::anyhow!("{url} names no folder of this machine"))?))
            }
            "s3" | "gs" | "az" => {
                ensure!(url.host_str().is_some(), "{url} names no bucket: write s3://BUCKET/PREFIX");
                Ok(Self::Bucket(url))
            }
            other => bail!("{other}:// is unknown: use a folder, file://, s3://, gs:// or az://"),
        }
    }

    /// Connects to it. A folder is made if it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made, or the environment lacks what the store needs.
    pub fn open(&self) -> anyhow::Result<Destination> {
        let (store, below): (Arc<dyn ObjectStore>, _) = match self {
            Self::Folder(folder) => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
                let store = LocalFileSystem::new_with_prefix(folder)
                    .with_context(|| format!("cannot use {}", folder.display()))?;
                (Arc::new(store.with_fsync(true)), Location::default())
            }
            Self::Bucket(url) => {
                let below = Location::from_url_path(url.path());
                let below = below.with_context(|| format!("{url} is no address of a store"))?;
                (bucket(url).with_context(|| format!("cannot use {url}"))?, below)
            }
        };
        let folder = match self {
            Self::Folder(folder) => Some(folder.clone()),
            Self::Bucket(_) => None,
        };
        Ok(Destination { store, below, folder, shown: self.to_string() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

fn bucket(url: &Url) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry =
        RetryConfig { max_retries: MAX_RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    // A client setting by itself, so that those of the environment stay, such as AWS_ALLOW_HTTP.
    let timeout = ClientConfigKey::Timeout;
    Ok(match url.scheme() {
        "gs" => Arc::new(
            GoogleCloudStorageBuilder::from_env()
                .with_url(url.as_str())
                .with_config(GoogleConfigKey::Client(timeout), REQUEST_TIMEOUT)
                .with_retry(retry)
                .build()?,
        ),
        "az" => Arc::new(
            MicrosoftAzureBuilder::from_env()
                .with_url(url.as_str())
                .with_config(AzureConfigKey::Client(timeout), REQUEST_TIMEOUT)
                .with_retry(retry)
                .build()?,
        ),
        _ => Arc::new(
            AmazonS3Builder::from_env()
                .with_url(url.as_str())
                .with_config(AmazonS3ConfigKey::Client(timeout), REQUEST_TIMEOUT)
                .with_retry(retry)
                .build()?,
        ),
    })
}

/// An error of a store in a line of bounded length: its own words and its root cause, since each of those in between
/// repeats the others. Of addresses it leaves the queries out, in which some stores expect credentials, and of an
/// answer all but its code and its message: stores repeat requests with their signatures.
pub fn explain(error: &anyhow::Error) -> String {
    let (top, root) = (error.to_string(), error.root_cause().to_string());
    let text = if top.contains(&root) { top } else { format!("{top}: {root}") };
    let text = without_answer(&text);
    let words = text.split_whitespace().map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => address,
        _ => word,
    });
    let mut line = words.collect::<Vec<_>>().join(" ");
    // An answer is hostile, and a line of a terminal or a log has no control characters.
    line.retain(|character| !character.is_control());
    line.truncate(line.floor_char_boundary(MAX_EXPLANATION_BYTES));
    line
}

/// A text with no more of the answer in it than what its elements `Code` and `Message` say.
fn without_answer(text: &str) -> String {
    let Some(begin) = ANSWERS.iter().filter_map(|mark| text.find(mark)).min() else { return text.to_owned() };
    let (before, answer) = text.split_at(begin);
    let mut parts = vec![before.trim_end_matches([':', ' '])];
    parts.extend(["Code", "Message"].into_iter().filter_map(|name| element(answer, name)));
    parts.join(": ")
}

/// The content of the first element of this name.
fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let (_, rest) = answer.split_once(begin.as_str())?;
    let (inside, _) = rest.split_once(end.as_str())?;
    Some(inside.trim())
}

/// A store of backups, and the prefix below which they are.
#[derive(Clone, Debug)]
pub struct Destination {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) below: Location,
    folder: Option<PathBuf>,
    shown: String,
}

impl Destination {
    /// A store of a test.
    #[cfg(test)]
    pub(super) fn of_test(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, below: Location::from("below"), folder: None, shown: "memory".to_owned() }
    }

    /// The folder, if it is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Checks that a folder has room for so many bytes, beyond those that are kept back. A bucket has room.
    ///
    /// # Errors
    /// When it has not, or does not report its free space.
    pub(crate) async fn check_room(&self, bytes: u64, reserve: u64) -> anyhow::Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let shown = folder.display().to_string();
        // Blocks on a folder that hangs.
        let found = tokio::task::spawn_blocking(move || rustix::fs::statvfs(folder.as_path())).await?;
        let found = found.with_context(|| format!("cannot tell how much space is free in {shown}"))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        ensure!(
            free >= bytes.saturating_add(reserve),
            "{shown} has {} MiB free: a backup takes {} MiB, and {} MiB are kept back by --disk-reserve-mib",
            mib(free),
            mib(bytes.saturating_add((1 << 20) - 1)),
            mib(reserve)
        );
        Ok(())
    }

    /// The location of a name below the prefix.
    pub(super) fn location(&self, name: impl ToString) -> Location {
        self.below.clone().join(name.to_string())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets_are_addresses() {
        for (text, shown) in [
            ("/mnt/backups", "/mnt/backups"),
            ("file:///mnt/backups", "/mnt/backups"),
            ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
            ("gs://bucket", "gs://bucket"),
            ("az://container/prefix", "az://container/prefix"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_wrong_address_is_refused_and_its_password_is_not_repeated() {
        for (text, hint) in [
            ("", "empty"),
            ("ftp://host/path", "s3://"),
            ("https://host/path", "s3://"),
            ("s3:///path", "s3:///path"),
            ("file://host/path", "this machine"),
            ("s3://bucket/path?X-Amz-Signature=hidden", "ends with its path"),
            ("s3://key:hidden@bucket/path", "AWS_SECRET_ACCESS_KEY"),
        ] {
            let error = format!("{:#}", Address::parse(text).unwrap_err());
            assert!(error.contains(hint) && !error.contains("hidden"), "{text}: {error}");
        }
    }

    #[test]
    fn an_error_of_a_store_is_one_line_without_what_an_address_may_hold() {
        let error = anyhow::anyhow!("GET https://host/bucket?sig=hidden&x=y denied")
            .context("some client: GET https://host/bucket?sig=hidden&x=y denied")
            .context("cannot list az://bucket");
        assert_eq!(explain(&error), "cannot list az://bucket: GET https://host/bucket denied");
        assert_eq!(explain(&anyhow::anyhow!("alone")), "alone");
    }

    #[test]
    fn of_the_answer_of_a_store_only_the_code_and_the_message_are_kept() {
        let answer = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error>\
                      <Code>SignatureDoesNotMatch</Code><Message>The signature\n does \u{1b}[31mnot match.</Message>\
                      <StringToSign>hidden</StringToSign></Error>";
        let error = anyhow::anyhow!(answer).context("cannot list s3://bucket");
        let expected = "cannot list s3://bucket: Server returned non-2xx status code: 403 Forbidden: \
                        SignatureDoesNotMatch: The signature does [31mnot match.";
        assert_eq!(explain(&error), expected);
        let page = anyhow::anyhow!("502 Bad Gateway: <html><h1>hidden</h1></html>");
        assert_eq!(explain(&page), "502 Bad Gateway");
        assert_eq!(explain(&anyhow::anyhow!("ä".repeat(9_999))).len(), MAX_EXPLANATION_BYTES);
    }

    #[tokio::test]
    async fn a_folder_without_room_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Address::Folder(folder.path().to_owned()).open().unwrap();
        destination.check_room(1, 0).await.unwrap();
        let error = destination.check_room(1, u64::MAX).await.unwrap_err().to_string();
        assert!(error.contains("MiB free"), "{error}");
    }

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a").join("b");
        Address::Folder(below.clone()).open().unwrap();
        assert_eq!(std::fs::metadata(below).unwrap().permissions().mode() & 0o077, 0);
    }
}
