//! The settings of scheduled backups.

use super::args::BackupArgs;
use crate::backups::{
    destination::Address,
    schedule::{Retention, Schedule},
};
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    num::NonZeroUsize,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

/// Default of `--backup-every`: what is lost with every disk is at most an hour of work.
const EVERY: Duration = Duration::from_secs(3600);
/// Shortest and longest `--backup-every`. Each backup costs a snapshot; a longer time is a typing error.
const EVERY_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(366 * 86_400);
/// Default of `--backup-keep`: two days of hourly backups.
const KEEP: NonZeroUsize = NonZeroUsize::new(48).expect("48 is not 0");

/// The schedule that these flags make for a node with this data folder; none without `--backup-to`.
pub(super) fn schedule(args: BackupArgs, data_dir: &Path) -> anyhow::Result<Option<Schedule>> {
    let BackupArgs { backup_to, backup_every, backup_keep, backup_keep_for } = args;
    let Some(to) = backup_to else {
        for (flag, is_given) in [
            ("--backup-every", backup_every.is_some()),
            ("--backup-keep", backup_keep.is_some()),
            ("--backup-keep-for", backup_keep_for.is_some()),
        ] {
            ensure!(!is_given, "{flag} needs --backup-to: nothing says where backups go");
        }
        return Ok(None);
    };
    let to = Address::parse(&to).context("--backup-to cannot be used")?;
    if let Address::Folder(folder) = &to {
        ensure!(
            !resolved(folder).starts_with(resolved(data_dir)),
            "--backup-to {} is inside of --data-dir {}: backups would be lost with the data",
            folder.display(),
            data_dir.display()
        );
    }
    let every = backup_every.map_or(Ok(EVERY), |text| duration("--backup-every", &text))?;
    ensure!(EVERY_RANGE.contains(&every), "--backup-every must be from 1s to 366d");
    let keep = backup_keep.map_or(Some(KEEP), NonZeroUsize::new);
    let keep = keep.context("--backup-keep must be at least 1: the last backup is never deleted")?;
    let keep_for = backup_keep_for.map(|text| duration("--backup-keep-for", &text)).transpose()?;
    if let Some(keep_for) = keep_for.filter(|keep_for| *keep_for < every) {
        let (keep_for, every) = (humantime::format_duration(keep_for), humantime::format_duration(every));
        bail!(
            "--backup-keep-for {keep_for} is shorter than --backup-every {every}: each backup would be the only one"
        );
    }
    Ok(Some(Schedule { to, every, retention: Retention { keep, keep_for } }))
}

/// The absolute path of a folder, which may be missing, with the links followed as far as it exists.
fn resolved(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let found = absolute.ancestors().find_map(|above| {
        let rest = absolute.strip_prefix(above).ok()?;
        Some(fs::canonicalize(above).ok()?.join(rest))
    });
    found.unwrap_or_else(|| absolute.clone())
}

fn duration(flag: &str, text: &str) -> anyhow::Result<Duration> {
    humantime::parse_duration(text)
        .map_err(|error| anyhow::anyhow!("{flag} {text} must be a time such as 30m, 1h or 7d: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The data folder of these nodes, which does not exist.
    const DATA: &str = "/no-such/data";

    fn args(to: &str, every: Option<&str>, keep: Option<usize>, keep_for: Option<&str>) -> BackupArgs {
        BackupArgs {
            backup_to: Some(to.to_owned()).filter(|to| !to.is_empty()),
            backup_every: every.map(Into::into),
            backup_keep: keep,
            backup_keep_for: keep_for.map(Into::into),
        }
    }

    #[test]
    fn an_hour_and_two_days_are_usual() {
        let usual = schedule(args("s3://bucket/nexus", None, None, None), DATA.as_ref()).unwrap().unwrap();
        assert_eq!((usual.every, usual.retention.keep.get(), usual.retention.keep_for), (EVERY, 48, None));
        let own =
            schedule(args("/mnt/b", Some("30m"), Some(10), Some("7d")), DATA.as_ref()).unwrap().unwrap();
        assert_eq!(own.every, Duration::from_secs(1_800));
        let retention = Retention {
            keep: NonZeroUsize::new(10).unwrap(),
            keep_for: Some(Duration::from_secs(7 * 86_400)),
        };
        assert_eq!(own.retention, retention);
        assert_eq!(schedule(args("", None, None, None), DATA.as_ref()).unwrap(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_flag() {
        for (args, hint) in [
            (args("", Some("1h"), None, None), "--backup-every needs --backup-to"),
            (args("", None, Some(3), None), "--backup-keep needs --backup-to"),
            (args("", None, None, Some("1d")), "--backup-keep-for needs --backup-to"),
            (args("ftp://host", None, None, None), "--backup-to"),
            (args("/no-such/data/backups", None, None, None), "inside of --data-dir"),
            (args("/no-such/data/", None, None, None), "inside of --data-dir"),
            (args("/b", Some("soon"), None, None), "--backup-every soon"),
            (args("/b", Some("0s"), None, None), "--backup-every"),
            (args("/b", None, Some(0), None), "--backup-keep must be at least 1"),
            (args("/b", None, None, Some("1m")), "--backup-keep-for 1m is shorter"),
        ] {
            let error = format!("{:#}", schedule(args, DATA.as_ref()).unwrap_err());
            assert!(error.contains(hint), "{error} does not mention {hint}");
        }
    }

    #[test]
    fn a_link_into_the_data_folder_is_inside_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&data, &link).unwrap();
        let to = |path: PathBuf| schedule(args(&path.display().to_string(), None, None, None), &data);
        assert!(to(link.join("backups")).unwrap_err().to_string().contains("inside of --data-dir"));
        to(folder.path().join("data-backups")).unwrap();
    }
}
