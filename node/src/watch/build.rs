//! The program of this node, and the versions that it can work with.

use crate::peer::limits::PROTOCOL;
use nexus_api_types::cluster::Build;
use nexus_domain::RulesVersion;
use nexus_raft_store::record::FORMAT;

/// This program. `rules_up_to` holds the rules back.
pub(crate) fn build(rules_up_to: Option<RulesVersion>) -> Build {
    Build {
        version: env!("NEXUS_VERSION").to_owned(),
        rules: RulesVersion::KNOWN.0,
        rules_up_to: rules_up_to.map(|held| held.0),
        format: u16::from(FORMAT),
        protocol: PROTOCOL,
    }
}

/// This program as JSON, for `nexusd version --json`.
pub fn as_json() -> String {
    serde_json::to_string(&build(None)).expect("a build has texts and numbers")
}

/// This program in a line, for `nexusd version`.
pub fn as_text() -> String {
    let Build { version, rules, format, protocol, .. } = build(None);
    format!("nexusd {version}: rules up to version {rules}, record format {format}, peer protocol {protocol}")
}
