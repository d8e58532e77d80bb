//! The settings of TLS, from flags that name each file or a folder with all of them.

use super::args::TlsArgs;
use crate::tls::{KeyPairFiles, TlsFiles};
use anyhow::{bail, ensure};
use std::path::PathBuf;

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
