//! Why a connection through TLS was not made, in one line that ends with what to do next.

use super::trust::Trust;
use crate::text::{Clock, format, plain};
use nexus_api_types::Moment;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, pki_types::UnixTime};

/// The reason, as the end of a line that begins with the server's address.
pub(super) fn explain(error: &Error, trust: &Trust, clock: &Clock) -> String {
    match error {
        Error::InvalidCertificate(problem) => certificate(problem, trust, clock),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => NO_TLS.to_owned(),
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(_) => {
            "it has no version of TLS in common with this nexus: it must speak TLS 1.2 or 1.3".to_owned()
        }
        other => {
            let other = plain(&other.to_string());
            format!("TLS failed ({other}): its log may say more")
        }
    }
}

/// The explanation of an `https` address of a server without TLS.
pub(super) const NO_TLS: &str = "it does not speak TLS: write http:// instead of https://";

/// The explanation of an `http` address of a server with TLS.
pub(super) const ONLY_TLS: &str = "it speaks TLS alone: write https:// instead of http://";

fn refused(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnrecognisedName => {
            "it has no certificate for this name: ask it by another one".to_owned()
        }
        AlertDescription::NoApplicationProtocol => {
            "it speaks TLS, but no HTTP: is this the port for its peers? name the one for clients".to_owned()
        }
        AlertDescription::CertificateRequired => {
            "it asks for a certificate: is this the port for its peers? name the one for clients".to_owned()
        }
        AlertDescription::ProtocolVersion => {
            "it has no version of TLS in common with this nexus: it must speak TLS 1.2 or 1.3".to_owned()
        }
        other => format!("it refused the TLS connection ({other:?}): its log says why"),
    }
}

fn certificate(problem: &CertificateError, trust: &Trust, clock: &Clock) -> String {
    match problem {
        CertificateError::UnknownIssuer => match trust {
            Trust::System => "its certificate is from an authority that this machine does not trust: \
                 --ca FILE or NEXUS_CA names the cluster's ca.crt"
                .to_owned(),
            Trust::File(path) => format!(
                "its certificate is from no authority in {}: get the cluster's present ca.crt, and name it by --ca FILE",
                path.display()
            ),
        },
        CertificateError::BadSignature => {
            "its certificate has the name of an authority that did not sign it: get the cluster's present ca.crt, and \
             name it by --ca FILE"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            let names = match hosts(presented).as_slice() {
                [] => "no host".to_owned(),
                hosts => format::list(hosts),
            };
            format!(
                "its certificate is for {names}, and not for {expected}: ask it by such a name, or issue one with \
                 --host {expected}"
            )
        }
        CertificateError::NotValidForName => {
            "its certificate is not for this name: issue one with --host and this name".to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            let ended = moment(*not_after);
            format!(
                "its certificate ended {} ({}): issue it again, or is this machine's clock wrong?",
                clock.short(ended),
                clock.ago(ended)
            )
        }
        CertificateError::Expired => {
            "its certificate has ended: issue it again, or is this machine's clock wrong?".to_owned()
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "its certificate is not valid before {}: wait until then, or is this machine's clock wrong?",
            clock.short(moment(*not_before))
        ),
        CertificateError::NotValidYet => {
            "its certificate is not valid yet: wait, or is this machine's clock wrong?".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for servers: issue one with nexus cluster certs issue".to_owned()
        }
        other => {
            let other = plain(&other.to_string());
            format!("its certificate is not accepted ({other}): nexus cluster certs show shows what is in it")
        }
    }
}

fn moment(time: UnixTime) -> Moment {
    Moment::from_millis(i64::try_from(time.as_secs()).map_or(i64::MAX, |secs| secs.saturating_mul(1_000)))
}

/// The hosts in names that the library writes as `DnsName("a.example")` and `IpAddress(10.0.0.1)`.
fn hosts(presented: &[String]) -> Vec<String> {
    let host = |name: &String| {
        let inner = name.strip_prefix("DnsName(").or_else(|| name.strip_prefix("IpAddress("))?;
        Some(plain(inner.strip_suffix(')')?.trim_matches('"')))
    };
    presented.iter().filter_map(host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;
    use std::{path::PathBuf, time::Duration};

    fn explained(problem: CertificateError, trust: &Trust) -> String {
        explain(&Error::InvalidCertificate(problem), trust, &Clock::fixed("2026-01-31T14:28:00Z"))
    }

    #[test]
    fn each_reason_is_one_line_that_says_what_to_do() {
        let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let file = Trust::File(PathBuf::from("/etc/nexus/ca.crt"));
        let named = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("127.0.0.1").expect("it is an address"),
            presented: [
                "DnsName(\"a.example\")",
                "IpAddress(10.0.0.1)",
                "UniformResourceIdentifier(\"nexus://x\")",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        for (problem, trust, line) in [
            (
                CertificateError::UnknownIssuer,
                &Trust::System,
                "its certificate is from an authority that this machine does not trust: --ca FILE or NEXUS_CA names the \
                 cluster's ca.crt",
            ),
            (
                CertificateError::UnknownIssuer,
                &file,
                "its certificate is from no authority in /etc/nexus/ca.crt: get the cluster's present ca.crt, and name \
                 it by --ca FILE",
            ),
            (
                named,
                &file,
                "its certificate is for a.example, 10.0.0.1, and not for 127.0.0.1: ask it by such a name, or issue one \
                 with --host 127.0.0.1",
            ),
            (
                CertificateError::ExpiredContext { time: at(1_769_869_680), not_after: at(1_769_696_880) },
                &file,
                "its certificate ended Jan 29 14:28 (2 d ago): issue it again, or is this machine's clock wrong?",
            ),
            (
                CertificateError::NotValidYetContext {
                    time: at(1_769_869_680),
                    not_before: at(1_769_956_080),
                },
                &file,
                "its certificate is not valid before Feb 1 14:28: wait until then, or is this machine's clock wrong?",
            ),
        ] {
            assert_eq!(explained(problem, trust), line);
        }
    }

    #[test]
    fn names_of_others_cannot_steer_the_terminal() {
        let presented = vec!["DnsName(\"a\u{1b}[2Jb\")".to_owned()];
        assert!(!hosts(&presented).concat().contains('\u{1b}'));
    }
}
