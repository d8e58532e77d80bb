//! The ends of certificates, and from when on people are warned of them.

use super::check::State;
use crate::text::Clock;
use nexus_api_types::{
    Moment,
    certificate::{Certificate, CertificateName},
    cluster::ClusterStatus,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The days before its end from which a certificate is mentioned: time to renew it in working hours.
const WARN_DAYS: i64 = 14;
/// The days before its end from which a certificate counts as a fault: a weekend is as long.
const FAIL_DAYS: i64 = 3;
/// Seconds of a day.
const DAY_SECS: i64 = 86_400;

/// The present second since 1970.
pub(super) fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// The whole days that a certificate is still valid for; below zero, those since its end.
pub(super) fn days_left(certificate: &Certificate) -> i64 {
    certificate.not_after.saturating_sub(now()).div_euclid(DAY_SECS)
}

/// Whether a certificate is valid for long enough.
pub(super) fn state(certificate: &Certificate) -> State {
    match days_left(certificate) {
        _ if certificate.not_before > now() => State::Bad,
        left if left < FAIL_DAYS => State::Bad,
        left if left < WARN_DAYS => State::Warning,
        _ => State::Ok,
    }
}

/// `ends Jan 31 14:32 (in 12 d)`, `ended Jan 2 10:00 (29 d ago)`, `is not valid before Feb 1 08:00`
pub(super) fn sentence(certificate: &Certificate, clock: &Clock) -> String {
    let at = |seconds: i64| Moment::from_millis(seconds.saturating_mul(1_000));
    let end = at(certificate.not_after);
    if certificate.not_before > now() {
        format!("is not valid before {}", clock.short(at(certificate.not_before)))
    } else if certificate.not_after <= now() {
        format!("ended {} ({})", clock.short(end), clock.ago(end))
    } else {
        format!("ends {}", clock.until(end))
    }
}

/// A certificate that a running node uses.
pub(super) struct InUse<'a> {
    /// Its purpose, such as `certificate of node 2 for peers`.
    pub(super) what: String,
    pub(super) certificate: &'a Certificate,
    /// How another one is made.
    pub(super) fix: String,
}

/// The certificates that the members of a cluster use, and those of the authorities that they trust, each once.
pub(super) fn in_use(status: &ClusterStatus) -> Vec<InUse<'_>> {
    let mut found: Vec<InUse<'_>> = Vec::new();
    for node in &status.nodes {
        let Some(certificates) = &node.certificates else { continue };
        let mut add = |what: String, certificate, fix: String| {
            if found.iter().all(|known: &InUse<'_>| known.certificate != certificate) {
                found.push(InUse { what, certificate, fix });
            }
        };
        let issue =
            || format!("nexus cluster certs issue --node {} --renew, and copy it to the node", node.id);
        for (certificate, whom) in [(&certificates.peers, "peers"), (&certificates.clients, "clients")] {
            if let Some(certificate) = certificate {
                add(format!("certificate of node {} for {whom}", node.id), certificate, issue());
            }
        }
        for authority in &certificates.authorities {
            let what = format!("authority {} of node {}", authority.subject, node.id);
            add(what, authority, "nexus cluster certs rotate makes another authority".to_owned());
        }
    }
    found
}

/// The nodes whose certificate for peers is for any node: others could use it, too.
pub(super) fn unnamed(status: &ClusterStatus) -> Vec<u64> {
    let is_unnamed = |certificate: &Certificate| {
        certificate.node_name().is_none_or(|name: CertificateName| name.node.is_none())
    };
    let unnamed = status
        .nodes
        .iter()
        .filter(|node| node.certificates.as_ref().and_then(|all| all.peers.as_ref()).is_some_and(is_unnamed));
    unnamed.map(|node| node.id).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn certificate(not_before: i64, not_after: i64, name: &str) -> Certificate {
        serde_json::from_value(
            json!({ "names": [name], "subject": "CN=node 1", "issuer": "CN=Nexus CA", "serial": "01",
            "notBefore": not_before, "notAfter": not_after }),
        )
        .unwrap()
    }

    #[test]
    fn a_certificate_is_mentioned_two_weeks_before_its_end() {
        let in_days = |days: i64| certificate(0, now() + days * DAY_SECS + 60, "a");
        for (days, expected) in [
            (365, State::Ok),
            (14, State::Ok),
            (13, State::Warning),
            (3, State::Warning),
            (2, State::Bad),
            (-1, State::Bad),
        ] {
            assert!(state(&in_days(days)) == expected, "{days}");
            assert_eq!(days_left(&in_days(days)), days);
        }
        assert!(state(&certificate(now() + 60, now() + 900 * DAY_SECS, "a")) == State::Bad);
    }

    #[test]
    fn the_end_is_printed_as_people_read_it() {
        let clock = Clock::fixed("2026-01-31T14:28:00Z");
        assert_eq!(sentence(&certificate(0, 1, "a"), &clock), "ended 1970-01-01 (20484 d ago)");
        let future = certificate(4_102_444_800, 4_102_444_801, "a");
        assert_eq!(sentence(&future, &clock), "is not valid before 2100-01-01");
    }

    #[test]
    fn each_certificate_is_listed_once() {
        let cluster = "nexus://0198c0de-0000-7000-8000-000000000001/node";
        let node = |id: u64, name: &str| {
            json!({ "id": id, "role": "voter", "peerAddr": "p", "clientAddr": "c", "lag": 0, "lastSeenMs": null,
                "thisNode": id == 1, "certificates": { "peers": certificate(0, 10, name),
                "clients": certificate(0, 10, name), "authorities": [certificate(0, 99, "ca")] } })
        };
        let status: ClusterStatus = serde_json::from_value(json!({ "clusterId": null, "nodeId": 1, "version": "1",
            "leader": 1, "term": 1, "committed": 1, "applied": 1, "stateHash": "0", "healthy": true, "toleratesLosses": 0,
            "nodes": [node(1, &format!("{cluster}/1")), node(2, cluster)], "timestamp": "2026-01-31T12:00:00Z" }))
        .unwrap();
        let what: Vec<String> = in_use(&status).into_iter().map(|used| used.what).collect();
        assert_eq!(
            what,
            [
                "certificate of node 1 for peers",
                "authority CN=node 1 of node 1",
                "certificate of node 2 for peers"
            ]
        );
        assert_eq!(unnamed(&status), [2]);
    }
}
