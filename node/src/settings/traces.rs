//! The settings of traces.

use crate::traces::TraceSettings;
use anyhow::{Context, ensure};
use clap::Args;

/// The path of traces on a collector, in the protocol's own words.
const PATH: &str = "v1/traces";

/// The collector of traces, and the share of requests that are traced.
#[derive(Debug, Default, Clone, PartialEq, Args)]
pub struct TraceArgs {
    /// Send traces of requests to this collector by OTLP over HTTP, such as http://127.0.0.1:4318
    #[arg(long, env = "NEXUS_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Share of the requests that are traced, from 0 to 1; a request whose client traces it is traced in any case
    /// [default: 1]
    #[arg(long, env = "NEXUS_OTLP_RATIO", value_name = "RATIO")]
    pub otlp_ratio: Option<f64>,
}

impl TraceArgs {
    /// These settings, and where they say nothing, those of `file`.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            otlp_endpoint: self.otlp_endpoint.or(file.otlp_endpoint),
            otlp_ratio: self.otlp_ratio.or(file.otlp_ratio),
        }
    }

    /// Checks the settings; none when no traces are sent.
    pub(super) fn checked(self) -> anyhow::Result<Option<TraceSettings>> {
        let ratio = self.otlp_ratio.unwrap_or(1.0);
        ensure!((0.0..=1.0).contains(&ratio), "--otlp-ratio {ratio} must be from 0 to 1");
        let Some(text) = self.otlp_endpoint else { return Ok(None) };
        let parsed: Result<reqwest::Url, _> = text.parse();
        // Before anything shows the address.
        let has_credentials = match &parsed {
            Ok(url) if url.has_host() => !url.username().is_empty() || url.password().is_some(),
            Ok(_) | Err(_) => text.contains('@'),
        };
        ensure!(
            !has_credentials,
            "--otlp-endpoint has no user and no password: give credentials for the collector in \
             OTEL_EXPORTER_OTLP_HEADERS"
        );
        let wrong = || format!("--otlp-endpoint {text} must be a URL such as http://127.0.0.1:4318");
        let mut endpoint = parsed.with_context(wrong)?;
        ensure!(matches!(endpoint.scheme(), "http" | "https") && endpoint.has_host(), wrong());
        if endpoint.path() == "/" {
            endpoint.set_path(PATH);
        }
        Ok(Some(TraceSettings { endpoint, ratio }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checked(endpoint: &str, ratio: Option<f64>) -> anyhow::Result<Option<TraceSettings>> {
        TraceArgs { otlp_endpoint: Some(endpoint.to_owned()), otlp_ratio: ratio }.checked()
    }

    #[test]
    fn the_path_of_the_protocol_is_added_where_the_address_has_none() {
        let endpoint = |text| checked(text, None).unwrap().unwrap().endpoint.to_string();
        assert_eq!(endpoint("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(
            endpoint("https://traces.example.com/in/v1/traces"),
            "https://traces.example.com/in/v1/traces"
        );
        assert_eq!(TraceArgs::default().checked().unwrap(), None);
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for wrong in [
            "http://user:hidden@collector:4318",
            "http://hidden@collector:4318",
            "user:hidden@collector:4318",
            "http://user:hidden@collector:port",
        ] {
            let error = format!("{:#}", checked(wrong, None).unwrap_err());
            assert!(error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn an_address_that_is_no_url_and_a_share_that_is_none_are_refused() {
        for wrong in ["collector:4318", "127.0.0.1", "ftp://collector/"] {
            assert!(checked(wrong, None).unwrap_err().to_string().contains("--otlp-endpoint"), "{wrong}");
        }
        for wrong in [-0.1, 1.5, f64::NAN] {
            let error = checked("http://c:4318", Some(wrong)).unwrap_err();
            assert!(error.to_string().contains("--otlp-ratio"), "{wrong}");
        }
    }
}
