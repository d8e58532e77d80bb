//! Certificates of nodes: the name that they give, and what people want to know of them.
//!
//! A node's certificate names the cluster and the node in a URI among its subject's alternative names. Host names and
//! addresses beside it are for clients alone: nodes move, and their names in the cluster do not.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;
use uuid::Uuid;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The scheme of the URI.
const SCHEME: &str = "nexus://";

/// The name that a certificate gives to a node, as `nexus://CLUSTER/node/3`. A certificate for a node that is about to
/// join leaves out the number: `nexus://CLUSTER/node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CertificateName {
    /// The cluster that the node belongs to.
    pub cluster: Uuid,
    /// The id of the node; none for any node of the cluster.
    pub node: Option<u64>,
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/node", self.cluster)?;
        match self.node {
            Some(node) => write!(f, "/{node}"),
            None => Ok(()),
        }
    }
}

/// A URI is not the name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the name of a node, such as nexus://0198c0de-0000-7000-8000-000000000001/node/3")]
pub struct InvalidCertificateName(String);

impl FromStr for CertificateName {
    type Err = InvalidCertificateName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidCertificateName(text.escape_debug().take(200).collect());
        let name = text.strip_prefix(SCHEME).ok_or_else(invalid)?;
        let (cluster, node) = name.split_once('/').ok_or_else(invalid)?;
        let cluster = cluster.parse().map_err(|_| invalid())?;
        let node = match node.strip_prefix("node").ok_or_else(invalid)? {
            "" => None,
            id => {
                let id = id.strip_prefix('/').and_then(|id| id.parse().ok()).filter(|id| *id > 0);
                Some(id.ok_or_else(invalid)?)
            }
        };
        let parsed = Self { cluster, node };
        // One form alone, so that two certificates of one node cannot differ in it.
        if parsed.to_string() == text { Ok(parsed) } else { Err(invalid()) }
    }
}

/// A certificate as people look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The names in it: of a node, of hosts, and addresses.
    #[serde(default)]
    pub names: Vec<String>,
    /// The subject, such as `CN=node 3`.
    pub subject: String,
    /// The subject of the authority that issued it.
    pub issuer: String,
    /// The serial number in hexadecimal digits.
    pub serial: String,
    /// The first moment at which it is valid, in seconds since 1970.
    pub not_before: i64,
    /// The last moment at which it is valid, in seconds since 1970.
    pub not_after: i64,
    /// Whether it may issue certificates.
    #[serde(default)]
    pub is_authority: bool,
}

/// The certificates that a node uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCertificates {
    /// The certificate that it shows to other nodes; none when nodes talk in plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Certificate>,
    /// The certificate that it shows to clients; none when it serves them in plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Certificate>,
    /// The authorities whose certificates it takes from other nodes.
    #[serde(default)]
    pub authorities: Vec<Certificate>,
}

/// A certificate cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a certificate: {0}")]
pub struct UnreadableCertificate(String);

impl Certificate {
    /// Reads a certificate in its binary form (DER).
    ///
    /// # Errors
    /// When the bytes are no certificate.
    pub fn read(der: &[u8]) -> Result<Self, UnreadableCertificate> {
        let unreadable = |reason: &dyn fmt::Display| UnreadableCertificate(reason.to_string());
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| unreadable(&error))?;
        let alternative = certificate.subject_alternative_name().map_err(|error| unreadable(&error))?;
        let names = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(name);
        Ok(Self {
            names: names.collect(),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            is_authority: certificate.is_ca(),
        })
    }

    /// The name of the node that the certificate is for; none when it names no node, or more than one.
    pub fn node_name(&self) -> Option<CertificateName> {
        let mut names = self.names.iter().filter(|name| name.starts_with(SCHEME));
        match (names.next(), names.next()) {
            // Some tools write UUIDs in capitals.
            (Some(name), None) => name.to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }
}

/// A name as people write it; none for the kinds that neither nodes nor clients look at.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => {
                let bytes = <[u8; 16]>::try_from(*bytes).ok()?;
                Some(std::net::Ipv6Addr::from(bytes).to_string())
            }
        },
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_and_read_in_one_form_alone() {
        let cluster: Uuid = "0198c0de-0000-7000-8000-000000000001".parse().unwrap();
        for (node, text) in [
            (Some(3), "nexus://0198c0de-0000-7000-8000-000000000001/node/3"),
            (None, "nexus://0198c0de-0000-7000-8000-000000000001/node"),
        ] {
            let name = CertificateName { cluster, node };
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
        let wrong = [
            "",
            "nexus://",
            "nexus://0198c0de-0000-7000-8000-000000000001",
            "nexus://0198c0de-0000-7000-8000-000000000001/node/",
            "nexus://0198c0de-0000-7000-8000-000000000001/node/0",
            "nexus://0198c0de-0000-7000-8000-000000000001/node/03",
            "nexus://0198c0de-0000-7000-8000-000000000001/node3",
            "nexus://0198C0DE-0000-7000-8000-000000000001/node/3",
            "nexus://0198c0de00007000800000000000 0001/node/3",
            "spiffe://0198c0de-0000-7000-8000-000000000001/node/3",
            "nexus://cluster/node/3",
        ];
        for text in wrong {
            assert!(text.parse::<CertificateName>().is_err(), "{text}");
        }
    }
}
