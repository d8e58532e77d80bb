//! Authorities and certificates for servers of tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DAY: Duration = Duration::from_secs(86_400);

/// An authority with a key of its own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Makes one; several may have the same name.
    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The certificate of the server.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server of these hosts, whose certificate is valid between these days, counted from now.
    pub fn server(&self, hosts: &[&str], days: std::ops::Range<i64>) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let at = |days: i64| {
            let distance = DAY * u32::try_from(days.unsigned_abs()).unwrap();
            date_time_ymd(1970, 1, 1) + if days < 0 { now - distance } else { now + distance }
        };
        (params.not_before, params.not_after) = (at(days.start), at(days.end));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        config(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// A server of this machine, whose certificate is valid for long.
    pub fn local(&self) -> ServerConfig {
        self.server(&["127.0.0.1"], -1..300)
    }
}

/// A server with the certificate of a node, as nexusd reads it from a folder.
pub fn of_folder(folder: &Path) -> ServerConfig {
    let certificate = fs::read(folder.join("node.crt")).unwrap();
    let key = fs::read(folder.join("node.key")).unwrap();
    config(
        vec![CertificateDer::from_pem_slice(&certificate).unwrap()],
        PrivateKeyDer::from_pem_slice(&key).unwrap(),
    )
}

fn config(certificates: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap()
}
