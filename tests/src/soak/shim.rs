//! A library in front of the C library of a node's process: its wall clock jumps, its monotonic clock has another rate,
//! and its flushes fail or take long. The settings are in a file that the process maps, and change while it runs.

use std::{
    fs::{self, File},
    io::{self, Error},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The source of the library.
const SOURCE: &str = include_str!("shim.c");

/// The settings of one node, in the order of their places in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    WallAheadMs,
    FastPpm,
    FlushesFail,
    FlushDelayUs,
}

/// The bytes of one setting.
const SETTING_BYTES: u64 = 8;

/// The compiled library.
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Compiles the library into a folder.
    ///
    /// # Errors
    /// If there is no C compiler, or it fails.
    pub fn compile(folder: &Path) -> io::Result<Self> {
        let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
        fs::write(&source, SOURCE)?;
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()?;
        if !compiled.status.success() {
            return Err(Error::other(String::from_utf8_lossy(&compiled.stderr).into_owned()));
        }
        Ok(Self { library })
    }

    /// Writes the file of settings of a node. Nothing is wrong in the beginning.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn settings(&self, path: &Path) -> io::Result<Settings> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        file.set_len(SETTING_BYTES * 4)?;
        let words = [
            "env".to_owned(),
            format!("LD_PRELOAD={}", self.library.display()),
            format!("NEXUS_TEST_SHIM={}", path.display()),
        ];
        Ok(Settings { file, words: words.to_vec() })
    }
}

/// The settings of one node.
pub struct Settings {
    file: File,
    words: Vec<String>,
}

impl Settings {
    /// The arguments that run a program behind the library.
    pub fn wrapper(&self) -> Vec<String> {
        self.words.clone()
    }

    /// Sets how far the wall clock is ahead, in milliseconds.
    pub fn set_wall_ahead_ms(&self, ahead: i64) {
        self.set(Setting::WallAheadMs, ahead);
    }

    /// Sets how many parts of a million the monotonic clock is too fast, from the next start of the process on.
    pub fn set_fast_ppm(&self, ppm: i64) {
        self.set(Setting::FastPpm, ppm);
    }

    /// Lets all flushes fail, or succeed again.
    pub fn fail_flushes(&self, do_fail: bool) {
        self.set(Setting::FlushesFail, i64::from(do_fail));
    }

    /// Sets how much longer each flush takes.
    pub fn set_flush_delay(&self, delay: Duration) {
        self.set(Setting::FlushDelayUs, i64::try_from(delay.as_micros()).unwrap_or(i64::MAX));
    }

    fn set(&self, setting: Setting, to: i64) {
        let at = setting as u64 * SETTING_BYTES;
        self.file.write_all_at(&to.to_ne_bytes(), at).expect("an open file of a test can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_behind_it_has_another_time_and_cannot_flush() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let shim = Shim::compile(folder.path()).expect("building Nexus needs a C compiler, too");
        let settings = shim.settings(&folder.path().join("settings")).expect("it can be written");
        let run = |words: &[&str]| {
            let wrapper = settings.wrapper();
            Command::new(&wrapper[0]).args(&wrapper[1..]).args(words).output().expect("env is there")
        };
        let year = || String::from_utf8_lossy(&run(&["date", "+%Y"]).stdout).trim().parse::<i64>();
        let before = year().expect("a year");
        settings.set_wall_ahead_ms(2 * 366 * 24 * 3_600_000);
        assert!(year().expect("a year") >= before + 2);
        let flushed = || run(&["sync", &folder.path().join("shim.c").display().to_string()]).status.success();
        assert!(flushed());
        settings.fail_flushes(true);
        assert!(!flushed());
    }
}
