//! `nexus cluster settings`: shows and changes the settings of the cluster while it runs.

use crate::{
    args::span,
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use serde_json::{Map, Value};

/// Show the cluster's settings, or change some
///
/// Times are written as 90s, 30m, 2h or 7d, and sizes in bytes. Settings that are not named stay. Only admins may do
/// this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster settings
  nexus cluster settings registration=invite
  nexus cluster settings session.timeout=90s session.grace=5m")]
pub(crate) struct Settings {
    /// Settings to change, each with its new value
    #[arg(value_name = "KEY=VALUE", value_parser = assignment)]
    changes: Vec<(String, String)>,
}

/// Parses a setting and its value.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("must be written as KEY=VALUE; nexus cluster settings shows the keys".to_owned()),
    }
}

impl Settings {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let request = match self.changes.as_slice() {
            [] => Request::get("/cluster/settings"),
            changes => Request::patch("/cluster/settings").body(&patch(changes)?),
        };
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |settings: Map<String, Value>| {
            let changed = |key: &str| self.changes.iter().any(|(name, _)| name == key);
            let mut table = Table::new(&["SETTING", "VALUE"]);
            for (key, value) in settings {
                let tone = if changed(&key) { Tone::Good } else { Tone::Plain };
                let value = shown(&key, &value);
                table.row([(key, Tone::Plain), (value, tone)]);
            }
            context.out.table(&table)
        })
    }
}

/// The body of the request. The cluster checks the names and the ranges.
fn patch(changes: &[(String, String)]) -> Result<Map<String, Value>, Error> {
    let mut patch = Map::new();
    for (key, value) in changes {
        let value = if is_time(key) {
            let time = span::parse(value)
                .or_else(|problem| if value == "0" { Ok(Default::default()) } else { Err(problem) });
            let time = time.map_err(|problem| Error::misused(format!("{key}: {value} {problem}")))?;
            Value::from(time.as_secs_f64())
        } else {
            value.parse::<u64>().map_or_else(|_| Value::from(value.as_str()), Value::from)
        };
        if patch.insert(key.clone(), value).is_some() {
            return Err(Error::misused(format!("{key} is given twice")));
        }
    }
    Ok(patch)
}

/// Whether a setting is a time, which the cluster has in seconds.
fn is_time(key: &str) -> bool {
    key.starts_with("session.") || key.ends_with(".age")
}

fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::Number(seconds) if is_time(key) => seconds.as_f64().map_or_else(String::new, time),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A time as it can be typed again.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn time(seconds: f64) -> String {
    // At most 30 days, as the cluster checks.
    let millis = (seconds * 1000.0).round() as u64;
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sent_as_the_cluster_has_them() {
        let typed =
            |text: &str| patch(&[assignment(text).unwrap()]).map(|patch| Value::Object(patch).to_string());
        assert_eq!(typed("session.timeout=2m").unwrap(), r#"{"session.timeout":120.0}"#);
        assert_eq!(typed("session.grace=0").unwrap(), r#"{"session.grace":0.0}"#);
        assert_eq!(typed("events.age=1h").unwrap(), r#"{"events.age":3600.0}"#);
        assert_eq!(typed("quota.project.memory=1048576").unwrap(), r#"{"quota.project.memory":1048576}"#);
        assert_eq!(typed("registration=invite").unwrap(), r#"{"registration":"invite"}"#);
        assert!(typed("session.timeout=soon").is_err());
        let shown: Vec<_> = [0.0, 0.25, 90.0, 120.0, 7200.0, 604_800.0].into_iter().map(time).collect();
        assert_eq!(shown, ["0ms", "250ms", "90s", "2m", "2h", "7d"]);
        for text in ["registration", "=open", "registration="] {
            assert!(assignment(text).is_err(), "{text}");
        }
    }
}
