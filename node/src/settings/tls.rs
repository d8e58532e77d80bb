//! The settings of TLS, from flags that name each file or a folder with all of them.

use crate::tls::{KeyPairFiles, TlsFiles};
use anyhow::{bail, ensure};
use clap::Args;
use std::path::PathBuf;

/// Certificates of `nexusd start`.
#[derive(Debug, Default, Args)]
pub struct TlsArgs {
    /// Folder with ca.crt, node.crt and node.key, as `nexus cluster certs issue` makes it: this node then talks to
    /// other nodes and to clients by TLS. Files that change are read again within ten seconds, and upon SIGHUP
    #[arg(long, env = "NEXUS_CERTS_DIR", value_name = "DIR")]
    pub certs_dir: Option<PathBuf>,
    /// Certificate for other nodes, in PEM, in place of node.crt; it names this node as
    /// nexus://CLUSTER-ID/node/NODE-ID
    #[arg(long, env = "NEXUS_PEER_CERT", value_name = "FILE")]
    pub peer_cert: Option<PathBuf>,
    /// Private key of --peer-cert
    #[arg(long, env = "NEXUS_PEER_KEY", value_name = "FILE")]
    pub peer_key: Option<PathBuf>,
    /// Authorities whose certificates are taken from other nodes, in PEM, in place of ca.crt
    #[arg(long, env = "NEXUS_PEER_CA", value_name = "FILE")]
    pub peer_ca: Option<PathBuf>,
    /// Certificate for clients, in PEM, in place of node.crt
    #[arg(long, env = "NEXUS_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert
    #[arg(long, env = "NEXUS_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Authorities that are trusted when this node joins by https [default: --peer-ca or ca.crt, else those of the
    /// system]
    #[arg(long, env = "NEXUS_JOIN_CA", value_name = "FILE")]
    pub join_ca: Option<PathBuf>,
    /// Let clients talk in plain text too, on the same port, while they are changed over to https
    #[arg(long, env = "NEXUS_PLAIN_CLIENTS")]
    pub plain_clients: bool,
}

impl TlsArgs {
    /// These settings, and where they say nothing, those of `file`. Either form of a certificate's pair overrides both
    /// of its files.
    pub(super) fn or(self, file: Self) -> Self {
        let pair = |(cert, key), file| if (&cert, &key) == (&None, &None) { file } else { (cert, key) };
        let (peer_cert, peer_key) = pair((self.peer_cert, self.peer_key), (file.peer_cert, file.peer_key));
        let (tls_cert, tls_key) = pair((self.tls_cert, self.tls_key), (file.tls_cert, file.tls_key));
        Self {
            certs_dir: self.certs_dir.or(file.certs_dir),
            peer_cert,
            peer_key,
            peer_ca: self.peer_ca.or(file.peer_ca),
            tls_cert,
            tls_key,
            join_ca: self.join_ca.or(file.join_ca),
            plain_clients: self.plain_clients || file.plain_clients,
        }
    }
}

/// The settings of TLS.
pub(super) struct TlsSettings {
    pub(super) files: TlsFiles,
    pub(super) join_ca: Option<PathBuf>,
    pub(super) plain_clients: bool,
}

/// The settings that these flags make. A flag that names a file has precedence over the folder.
pub(super) fn files(args: TlsArgs) -> anyhow::Result<TlsSettings> {
    let TlsArgs { certs_dir, peer_cert, peer_key, peer_ca, tls_cert, tls_key, join_ca, plain_clients } = args;
    if let Some(dir) = &certs_dir {
        ensure!(
            dir.is_dir(),
            "--certs-dir {} is not a folder; nexus cluster certs issue makes one for each node",
            dir.display()
        );
    }
    let in_folder = |name: &str| certs_dir.as_ref().map(|dir| dir.join(name));
    let folder =
        in_folder("node.crt").zip(in_folder("node.key")).map(|(cert, key)| KeyPairFiles { cert, key });
    let peers = pair(("--peer-cert", peer_cert), ("--peer-key", peer_key))?.or(folder.clone());
    let clients = pair(("--tls-cert", tls_cert), ("--tls-key", tls_key))?.or(folder);
    let authorities = peer_ca.or(in_folder("ca.crt"));
    ensure!(
        peers.is_some() == authorities.is_some(),
        "--peer-cert, --peer-key and --peer-ca belong together: nodes check each other's certificates"
    );
    ensure!(
        !plain_clients || clients.is_some(),
        "--plain-clients is for nodes with a certificate for clients: without one, clients talk in plain text anyway"
    );
    let join_ca = join_ca.or(authorities.clone());
    Ok(TlsSettings { files: TlsFiles { peers, authorities, clients }, join_ca, plain_clients })
}

fn pair(
    (cert_flag, cert): (&str, Option<PathBuf>),
    (key_flag, key): (&str, Option<PathBuf>),
) -> anyhow::Result<Option<KeyPairFiles>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(KeyPairFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("{cert_flag} needs {key_flag}: a certificate is of no use without its key"),
        (None, Some(_)) => bail!("{key_flag} needs {cert_flag}: a key is of no use without its certificate"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_everything_and_a_flag_goes_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let args = TlsArgs {
            certs_dir: Some(dir.path().to_owned()),
            tls_cert: Some("public.crt".into()),
            tls_key: Some("public.key".into()),
            ..TlsArgs::default()
        };
        let settings = files(args).unwrap();
        assert_eq!(settings.files.peers.unwrap().cert, dir.path().join("node.crt"));
        assert_eq!(settings.files.clients.unwrap().cert, PathBuf::from("public.crt"));
        assert_eq!(settings.join_ca, Some(dir.path().join("ca.crt")));
    }

    #[test]
    fn half_of_a_pair_is_refused() {
        let cases = [
            (TlsArgs { peer_cert: Some("a".into()), ..TlsArgs::default() }, "--peer-key"),
            (TlsArgs { tls_key: Some("a".into()), ..TlsArgs::default() }, "--tls-cert"),
            (
                TlsArgs { peer_cert: Some("a".into()), peer_key: Some("b".into()), ..TlsArgs::default() },
                "--peer-ca",
            ),
            (TlsArgs { certs_dir: Some("nowhere".into()), ..TlsArgs::default() }, "is not a folder"),
            (TlsArgs { plain_clients: true, ..TlsArgs::default() }, "--plain-clients"),
        ];
        for (args, hint) in cases {
            let error = files(args).err().unwrap().to_string();
            assert!(error.contains(hint), "{error} does not mention {hint}");
        }
    }
}
