//! The authorities of a cluster in a folder: `ca.crt` has their certificates, and the first of them issues; `ca.key`
//! has their keys, in any order. There are two while one is being replaced by another.

use super::files::{self, CA_CERTIFICATE, CA_KEY, Found, NewFile, Readers};
use crate::{commands::expiry, error::Error};
use nexus_api_types::certificate::CertificateName;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd, string::Ia5String,
};
use rustls::pki_types::PrivateKeyDer;
use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// A certificate begins before it is made: clocks of other machines may be behind this one.
const BEGINS_BEFORE: Duration = Duration::from_secs(3600);

/// Seconds of a day.
const DAY_SECS: u64 = 86_400;

/// One authority of the cluster, with its key.
pub(super) struct Authority {
    /// The cluster whose nodes it issues certificates to.
    pub(super) cluster: Uuid,
    /// How many authorities the cluster has had, with this one.
    pub(super) generation: u64,
    pub(super) found: Found,
    key: KeyPair,
}

/// A certificate with its key, in PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The URI in the certificate of an authority, by which the folder cannot lose the cluster's id.
fn name(cluster: Uuid, generation: u64) -> String {
    format!("nexus://{cluster}/ca/{generation}")
}

fn parse_name(text: &str) -> Option<(Uuid, u64)> {
    let (cluster, generation) = text.strip_prefix("nexus://")?.split_once("/ca/")?;
    let parsed = (cluster.parse().ok()?, generation.parse().ok()?);
    (name(parsed.0, parsed.1) == text).then_some(parsed)
}

impl Authority {
    /// Makes an authority with a new key.
    ///
    /// # Errors
    /// When this machine cannot make a key.
    pub(super) fn make(cluster: Uuid, generation: u64, days: u32) -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = lasting(days, None);
        // The name differs from that of every other authority, so that a reader of a log can tell them apart.
        let random = Uuid::now_v7().simple().to_string();
        params.distinguished_name.push(DnType::CommonName, format!("Nexus CA {}", &random[24..]));
        params.subject_alt_names = vec![SanType::URI(ascii(&name(cluster, generation))?)];
        // Nodes are issued to by it alone, and by no authority below it.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).map_err(failed)?;
        let certificate = nexus_api_types::certificate::Certificate::read(pem.der()).map_err(failed)?;
        let found = Found { pem: pem.pem(), der: pem.der().clone(), certificate };
        Ok(Self { cluster, generation, found, key })
    }

    /// Issues a certificate, with a new key, for a node that clients ask by these hosts. It ends with the authority's
    /// own one at the latest.
    ///
    /// # Errors
    /// When the authority's certificate has ended, or this machine cannot make a key.
    pub(super) fn issue(&self, name: CertificateName, hosts: &[String], days: u32) -> Result<Issued, Error> {
        let end = self.found.certificate.not_after;
        if end <= expiry::now() {
            return Err(Error::local(format!("the certificate of {} has ended", self.subject()))
                .hint("nexus cluster certs rotate makes another authority"));
        }
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = lasting(days, Some(end));
        let subject = name.node.map_or_else(|| "node".to_owned(), |node| format!("node {node}"));
        params.distinguished_name.push(DnType::CommonName, subject);
        params.subject_alt_names = vec![SanType::URI(ascii(&name.to_string())?)];
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(ascii(host)?),
            });
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // A node is a server of some peers and a client of others.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let issuer = Issuer::from_ca_cert_der(&self.found.der, &self.key).map_err(failed)?;
        let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Its name, such as `CN=Nexus CA 5e2f90b1`.
    pub(super) fn subject(&self) -> &str {
        &self.found.certificate.subject
    }
}

/// How far the replacement of an authority is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// There is one authority.
    Settled,
    /// There is a new one, which nodes learn to trust; the old one still issues.
    Trusting,
    /// The new one issues; certificates of the old one are still accepted.
    Issuing,
}

/// The authorities in a folder, at least one and at most two. The first issues.
pub(super) struct Authorities(Vec<Authority>);

impl Authorities {
    /// The only authority, of a new folder.
    pub(super) fn of(only: Authority) -> Self {
        Self(vec![only])
    }

    /// Reads the authorities of a folder.
    ///
    /// # Errors
    /// When they are not those that `init` and `rotate` write, or a key is missing.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(CA_CERTIFICATE);
        if !path.exists() {
            return Err(Error::misused(format!("there is no {}", path.display()))
                .hint("nexus cluster certs init makes it; --dir names the folder where it is"));
        }
        let found = files::certificates(&path)?;
        let keys = files::keys(&folder.join(CA_KEY))?;
        let list = found.into_iter().map(|found| authority(found, &keys, folder));
        let list = list.collect::<Result<Vec<_>, _>>()?;
        let is_valid = match list.as_slice() {
            [_] => true,
            [one, other] => one.cluster == other.cluster && one.generation != other.generation,
            _ => false,
        };
        if !is_valid {
            return Err(Error::local(format!("{} holds authorities of other clusters", path.display()))
                .hint("keep the folder of each cluster as nexus cluster certs writes it"));
        }
        Ok(Self(list))
    }

    /// The authority that issues certificates now.
    pub(super) fn issuer(&self) -> &Authority {
        &self.0[0]
    }

    /// The authority that was made last.
    pub(super) fn newest(&self) -> &Authority {
        self.0.iter().max_by_key(|authority| authority.generation).expect("there is an authority")
    }

    /// The one that is being replaced, if there are two.
    pub(super) fn former(&self) -> Option<&Authority> {
        let newest = self.newest().generation;
        self.0.iter().find(|authority| authority.generation != newest)
    }

    /// How far the replacement of an authority is.
    pub(super) fn phase(&self) -> Phase {
        match self.former() {
            None => Phase::Settled,
            Some(former) if former.generation == self.issuer().generation => Phase::Trusting,
            Some(_) => Phase::Issuing,
        }
    }

    /// Adds an authority that does not issue yet.
    pub(super) fn add(&mut self, authority: Authority) {
        self.0.push(authority);
    }

    /// Lets the newest one issue.
    pub(super) fn promote_newest(&mut self) {
        self.0.sort_by_key(|authority| std::cmp::Reverse(authority.generation));
    }

    /// Drops all but the newest one.
    pub(super) fn drop_former(&mut self) {
        let newest = self.newest().generation;
        self.0.retain(|authority| authority.generation == newest);
    }

    /// The certificates of all of them, as nodes and clients get them.
    pub(super) fn bundle(&self) -> String {
        self.0.iter().map(|authority| authority.found.pem.as_str()).collect()
    }

    /// Writes them. In this order a crash leaves a key too many, and never a certificate without its key.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let keys = self.0.iter().map(|authority| authority.key.serialize_pem()).collect();
        let key = NewFile { name: CA_KEY, text: keys, readers: Readers::Owner };
        let certificate = NewFile { name: CA_CERTIFICATE, text: self.bundle(), readers: Readers::All };
        let is_shorter = folder.join(CA_KEY).exists() && self.0.len() == 1;
        files::replace(folder, &if is_shorter { [certificate, key] } else { [key, certificate] })
    }
}

fn authority(found: Found, keys: &[PrivateKeyDer<'static>], folder: &Path) -> Result<Authority, Error> {
    let file = folder.join(CA_CERTIFICATE);
    let named = found.certificate.names.iter().find_map(|name| parse_name(name));
    let Some((cluster, generation)) = named.filter(|_| found.certificate.is_authority) else {
        let message = format!("{} names no cluster: it is not from nexus cluster certs init", file.display());
        return Err(Error::local(message)
            .hint("let your own authority issue certificates with the URI nexus://CLUSTER/node/N"));
    };
    let key = keys.iter().find(|key| files::fits(&found.der, key)).ok_or_else(|| {
        let key = folder.join(CA_KEY);
        Error::local(format!("{} does not hold the key of {}", key.display(), found.certificate.subject))
            .hint("bring back both files from the same backup of the folder")
    })?;
    let key = KeyPair::try_from(key).map_err(failed)?;
    Ok(Authority { cluster, generation, found, key })
}

/// Parameters of a certificate of so many days, which ends at this second of 1970 at the latest.
fn lasting(days: u32, latest: Option<i64>) -> CertificateParams {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = now + Duration::from_secs(u64::from(days) * DAY_SECS);
    let latest = latest.map(|latest| Duration::from_secs(u64::try_from(latest).unwrap_or_default()));
    let mut params = CertificateParams::default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(BEGINS_BEFORE).as_secs());
    params.not_after = epoch + Duration::from_secs(latest.map_or(end, |latest| end.min(latest)).as_secs());
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn ascii(text: &str) -> Result<Ia5String, Error> {
    text.try_into().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::local(format!("cannot make a certificate: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_keeps_the_id_of_its_cluster_in_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Uuid::now_v7();
        Authorities::of(Authority::make(cluster, 1, 10).unwrap()).write(folder.path()).unwrap();
        let read = Authorities::read(folder.path()).unwrap();
        assert_eq!(
            (read.issuer().cluster, read.issuer().generation, read.phase()),
            (cluster, 1, Phase::Settled)
        );
        assert!(read.issuer().subject().starts_with("CN=Nexus CA "), "{}", read.issuer().subject());
        for text in ["nexus://x/ca/1", "nexus://0198c0de-0000-7000-8000-000000000001/node/1", "nexus://"] {
            assert_eq!(parse_name(text), None, "{text}");
        }
    }

    #[test]
    fn a_replacement_goes_through_three_phases() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Uuid::now_v7();
        let mut authorities = Authorities::of(Authority::make(cluster, 1, 10).unwrap());
        let mut phases = Vec::new();
        let mut keep = |authorities: &Authorities| {
            authorities.write(folder.path()).unwrap();
            let read = Authorities::read(folder.path()).unwrap();
            phases.push((read.phase(), read.issuer().generation, read.newest().generation));
        };
        keep(&authorities);
        authorities.add(Authority::make(cluster, 2, 10).unwrap());
        keep(&authorities);
        authorities.promote_newest();
        keep(&authorities);
        authorities.drop_former();
        keep(&authorities);
        assert_eq!(
            phases,
            [(Phase::Settled, 1, 1), (Phase::Trusting, 1, 2), (Phase::Issuing, 2, 2), (Phase::Settled, 2, 2)]
        );
    }

    #[test]
    fn a_certificate_does_not_outlive_its_authority() {
        let authority = Authority::make(Uuid::now_v7(), 1, 10).unwrap();
        let name = CertificateName { cluster: authority.cluster, node: Some(3) };
        let issued = authority.issue(name, &["a.example".to_owned(), "::1".to_owned()], 365).unwrap();
        let der = rustls::pki_types::pem::PemObject::from_pem_slice(issued.certificate.as_bytes());
        let der: rustls::pki_types::CertificateDer<'static> = der.unwrap();
        let made = nexus_api_types::certificate::Certificate::read(&der).unwrap();
        assert_eq!(made.names, [name.to_string(), "a.example".to_owned(), "::1".to_owned()]);
        assert_eq!((made.node_name(), made.subject.as_str()), (Some(name), "CN=node 3"));
        assert_eq!(made.issuer, authority.subject());
        assert_eq!(made.not_after, authority.found.certificate.not_after);
        assert!(made.not_before < expiry::now() - 3_000 && !made.is_authority);
    }
}
