//! Sets up logging to standard error, as text or as JSON.

use crate::settings::args::{LogArgs, LogFormat};
use anyhow::{Context, ensure};
use std::io::IsTerminal;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The default filter. Of openraft, it logs only errors, from which it cannot recover.
const DEFAULT_FILTER: &str = "info,openraft=error";

/// Checks the settings without starting to log.
///
/// # Errors
/// When the filter cannot be read.
pub fn check(args: &LogArgs) -> anyhow::Result<()> {
    filter(args).map(|_| ())
}

fn filter(args: &LogArgs) -> anyhow::Result<Targets> {
    // `Targets` would take any other word for the name of a module, and log nothing.
    let text = args.log.as_deref().unwrap_or(DEFAULT_FILTER);
    for part in text.split(',').map(str::trim).filter(|part| !part.contains(['=', '['])) {
        ensure!(
            part.parse::<LevelFilter>().is_ok(),
            "--log {part} is no level: error, warn, info, debug or trace, or MODULE=LEVEL such as nexus_node=debug"
        );
    }
    text.parse().with_context(|| format!("--log {text} is not a filter"))
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(args: &LogArgs) -> anyhow::Result<()> {
    let filter = filter(args)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = tracing_subscriber::registry().with(filter);
    match args.log_format.unwrap_or_default() {
        LogFormat::Text => {
            let is_terminal = std::io::stderr().is_terminal();
            logs.with(lines.with_target(false).with_ansi(is_terminal)).init();
        }
        LogFormat::Json => logs.with(lines.json()).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_and_not_taken_for_a_module() {
        let args = |log: &str| LogArgs { log: Some(log.to_owned()), ..LogArgs::default() };
        for sound in ["info", "info,openraft=error", "warn,nexus_node=debug"] {
            assert!(check(&args(sound)).is_ok(), "{sound}");
        }
        for wrong in ["bogus", "info,verbose", "nexus_node=loud"] {
            assert!(check(&args(wrong)).is_err(), "{wrong}");
        }
    }
}
