//! Parts of the HTTP clients of a node: it joins through another node, and `nexusd health` asks one.

use crate::tls;
use anyhow::{Context, ensure};
use std::{error::Error, path::Path};

/// Reads the certificates of authorities. `flag` names the file in errors.
///
/// # Errors
/// When the file cannot be read, or has no certificate.
pub(crate) fn authorities(flag: &str, path: &Path) -> anyhow::Result<Vec<reqwest::Certificate>> {
    let unusable = || format!("{flag} {} cannot be used", path.display());
    let bundle = std::fs::read(path).with_context(unusable)?;
    let found = reqwest::Certificate::from_pem_bundle(&bundle).with_context(unusable)?;
    ensure!(!found.is_empty(), "{flag} {} holds no certificate in PEM", path.display());
    Ok(found)
}

/// The reason of TLS in an error of a request, if it has one.
pub(crate) fn tls_reason(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(reason) = error.downcast_ref::<std::io::Error>().and_then(tls::reason::explain) {
            return Some(reason);
        }
        next = error.source();
    }
    None
}

/// The reason at the bottom of an error of a request: what reqwest puts around it says only that it failed.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
