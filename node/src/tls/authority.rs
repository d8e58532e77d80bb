//! An authority for tests, which issues certificates into folders as operators have them.

#![allow(clippy::unwrap_used)]

use super::{Certificates, KeyPairFiles, TlsFiles};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::{fs, path::Path};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes `node.crt` and `node.key` with these URIs, valid until the end of a year.
    pub(crate) fn issue(&self, dir: &Path, uris: &[&str], year: i32) {
        self.issue_for(dir, uris, year, true);
    }

    /// The same; not for clients unless `can_call`.
    pub(crate) fn issue_for(&self, dir: &Path, uris: &[&str], year: i32, can_call: bool) {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if can_call {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(dir.join("node.crt"), certificate.pem()).unwrap();
        fs::write(dir.join("node.key"), key.serialize_pem()).unwrap();
    }
}

/// Writes `ca.crt` with these authorities.
pub(crate) fn trust(dir: &Path, authorities: &[&Authority]) {
    let bundle: String = authorities.iter().map(|authority| authority.pem()).collect();
    fs::write(dir.join("ca.crt"), bundle).unwrap();
}

/// The files of a folder.
pub(crate) fn files(dir: &Path) -> TlsFiles {
    let pair = KeyPairFiles { cert: dir.join("node.crt"), key: dir.join("node.key") };
    TlsFiles { peers: Some(pair.clone()), authorities: Some(dir.join("ca.crt")), clients: Some(pair) }
}

/// The certificates of a folder, with this name and authority.
pub(crate) fn certificates(dir: &Path, authority: &Authority, uri: &str) -> Certificates {
    authority.issue(dir, &[uri], 2090);
    trust(dir, &[authority]);
    Certificates::read(files(dir)).unwrap()
}
