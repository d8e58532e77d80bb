//! `nexus cluster backup`: keeps all that the cluster keeps in a file. What is not whole never gets the
//! file's name.

use crate::{
    answer::Answer,
    client::{Download, Request},
    context::Context,
    error::Error,
    output::Progress,
};
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

/// Bytes of the SHA-256 at the end.
const CHECKSUM_BYTES: usize = 32;
/// The name when the server gives none.
const DEFAULT_NAME: &str = "nexus.backup";

/// Back up the cluster to one file
///
/// The file has the state of one moment, with everything that was written before. Only its owner can read it, since it
/// contains everybody's work and the hashes of their keys. It is checked while it arrives; nexusd check-backup reads
/// every record of it. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster backup
  nexus cluster backup -o /mnt/backups/monday.backup --timeout 10m
  nexus cluster backup --stale --server http://10.0.0.2:7401
  nexus cluster backup -o - | age -r KEY > monday.backup.age")]
pub(crate) struct Backup {
    /// File to write; - is stdout [default: in this folder, named after the cluster and the revision]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Back up the state of one server, even without a quorum; the last writes may be missing
    #[arg(long)]
    stale: bool,
}

impl Backup {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let to_stdout = self.output.as_deref() == Some(Path::new("-"));
        if to_stdout && io::stdout().is_terminal() {
            return Err(Error::misused("a backup is no text for a terminal")
                .hint("-o FILE writes it to a file; or pipe it into another program"));
        }
        // Before the cluster has any work with it.
        self.output.as_deref().filter(|_| !to_stdout).map_or(Ok(()), |path| self.check_free(path))?;
        let consistency = self.stale.then_some("stale");
        let get = |path| Request::get(path).query("consistency", consistency);
        let download = context.client.download(get("/auth/me"), get("/cluster/backup"));
        let progress = Progress::new(context.out.is_watched());
        let mut download = progress.during(download, |_| "A server prepares the backup".to_owned()).await?;
        let mut progress = Progress::new(context.out.is_watched());
        let revision = download.revision();
        if to_stdout {
            receive(&mut download, &mut io::stdout().lock(), &mut progress).await?;
            return Ok(());
        }
        let path = self.output.clone().unwrap_or_else(|| download.file_name().unwrap_or(DEFAULT_NAME).into());
        self.check_free(&path)?;
        let mut partial = Partial::create(&path)?;
        let bytes = receive(&mut download, &mut partial.file, &mut progress).await?;
        drop(progress);
        partial.keep_as(&path)?;
        let answer = json!({ "path": path.display().to_string(), "revision": revision, "bytes": bytes });
        context.out.answer(&Answer::new(answer), |_: Value| {
            context.out.line(path.display())?;
            let revision =
                revision.map_or_else(|| "an unknown revision".to_owned(), |at| format!("revision {at}"));
            context.out.note(format_args!("{bytes} bytes, {revision}; the checksum holds"));
            Ok(())
        })
    }

    fn check_free(&self, path: &Path) -> Result<(), Error> {
        if !self.force && path.symlink_metadata().is_ok() {
            return Err(Error::misused(format!("{} is there already", path.display()))
                .hint("--force replaces it; -o names another one"));
        }
        Ok(())
    }
}

/// Writes everything as it arrives. Returns its length once the checksum was verified.
async fn receive(
    download: &mut Download,
    to: &mut impl Write,
    progress: &mut Progress,
) -> Result<u64, Error> {
    let mut check = Check::default();
    while let Some(piece) = download.next().await? {
        to.write_all(&piece).map_err(|error| cannot_write(&error))?;
        check.take(piece);
        progress.update(|_| format!("{} MiB received", check.length >> 20));
    }
    to.flush().map_err(|error| cannot_write(&error))?;
    if check.holds() {
        return Ok(check.length);
    }
    Err(Error::local("what came is no whole backup: its checksum does not match").hint("run it again"))
}

fn cannot_write(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::OutputClosed,
        _ => Error::local(format!("cannot write the backup: {error}")),
    }
}

/// Whether the last bytes are the checksum of all before them.
#[derive(Default)]
struct Check {
    hash: Sha256,
    /// The last bytes so far, which may be the checksum.
    tail: Vec<u8>,
    length: u64,
}

impl Check {
    fn take(&mut self, piece: Bytes) {
        self.length += piece.len() as u64;
        self.tail.extend_from_slice(&piece);
        let sure = self.tail.len().saturating_sub(CHECKSUM_BYTES);
        self.hash.update(&self.tail[..sure]);
        self.tail.drain(..sure);
    }

    fn holds(&self) -> bool {
        self.tail[..] == self.hash.clone().finalize()[..]
    }
}

/// A file that is not whole yet: gone, unless it is kept.
struct Partial {
    file: File,
    path: Option<PathBuf>,
}

impl Partial {
    fn create(whole: &Path) -> Result<Self, Error> {
        let mut path = whole.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        // One that is left from before may be open to others.
        let _ = fs::remove_file(&path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&path)
            .map_err(|error| Error::local(format!("cannot write {}: {error}", path.display())))?;
        Ok(Self { file, path: Some(path) })
    }

    /// Renames the file to its final name, once it is on the disk.
    fn keep_as(mut self, whole: &Path) -> Result<(), Error> {
        let Some(path) = self.path.take() else { return Ok(()) };
        let kept = self.file.sync_all().and_then(|()| fs::rename(&path, whole));
        kept.map_err(|error| {
            let _ = fs::remove_file(&path);
            Error::local(format!("cannot write {}: {error}", whole.display()))
        })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The error is reported already.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn holds(bytes: &[u8], pieces: usize) -> bool {
        let mut check = Check::default();
        for piece in bytes.chunks(pieces) {
            check.take(Bytes::copy_from_slice(piece));
        }
        assert_eq!(check.length, bytes.len() as u64);
        check.holds()
    }

    #[test]
    fn a_backup_is_whole_only_with_every_bit_of_it() {
        let mut bytes = b"all that a cluster keeps".repeat(10);
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        for pieces in [1, 7, 31, 32, 33, 1_000] {
            assert!(holds(&bytes, pieces), "in pieces of {pieces}");
        }
        for length in 0..bytes.len() {
            assert!(!holds(&bytes[..length], 50), "cut after {length} bytes");
        }
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(!holds(&flipped, 50), "bit {at}");
        }
    }
}
