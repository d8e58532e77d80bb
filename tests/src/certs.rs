//! Certificates for the nodes of a cluster, made by the command line as an operator makes them.

use crate::programs::binary;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A private authority in a folder.
#[derive(Clone, Debug)]
pub struct Certs {
    dir: PathBuf,
}

impl Certs {
    /// Makes an authority, of a new cluster or of one that there is.
    pub fn init(dir: &Path, cluster: Option<&str>) -> Self {
        let certs = Self { dir: dir.to_owned() };
        let named = cluster.map_or_else(Vec::new, |id| vec!["--cluster-id", id]);
        certs.run(&[&["init"], named.as_slice()].concat());
        certs
    }

    /// The file with the authorities.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The folder of a node.
    pub fn of(&self, node: u64) -> PathBuf {
        self.dir.join(format!("node-{node}"))
    }

    /// The folder of a node that joins.
    pub fn joining(&self) -> PathBuf {
        self.dir.join("joining")
    }

    /// Runs `nexus cluster certs` on this authority.
    ///
    /// # Panics
    /// When the command fails.
    pub fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(binary("nexus"));
        command.args(["cluster", "certs"]).args(args);
        if args.first() != Some(&"show") {
            command.arg("--dir").arg(&self.dir);
        }
        let Output { status, stdout, stderr } =
            command.env("HOME", &self.dir).output().expect("nexus can be started");
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "nexus cluster certs {args:?}: {said}");
        said
    }
}
