//! Logs to standard error, as text or as JSON.

use crate::args::{LogArgs, LogFormat};
use anyhow::{Context, ensure};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Checks the settings alone.
///
/// # Errors
/// When the filter cannot be read.
pub fn check(args: &LogArgs) -> anyhow::Result<()> {
    filter(args).map(|_| ())
}

fn filter(args: &LogArgs) -> anyhow::Result<EnvFilter> {
    // The filter takes any other word for the name of a module, and then nothing is logged.
    for part in args.log.split(',').map(str::trim).filter(|part| !part.contains(['=', '['])) {
        ensure!(
            part.parse::<LevelFilter>().is_ok(),
            "--log {part} is no level: error, warn, info, debug or trace, or MODULE=LEVEL such as nexus_node=debug"
        );
    }
    EnvFilter::try_new(&args.log).with_context(|| format!("--log {} is not a filter", args.log))
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(args: &LogArgs) -> anyhow::Result<()> {
    let filter = filter(args)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_and_not_taken_for_a_module() {
        let args = |log: &str| LogArgs { log: log.to_owned(), ..LogArgs::default() };
        for sound in ["info", "info,openraft=error", "warn,nexus_node=debug"] {
            assert!(check(&args(sound)).is_ok(), "{sound}");
        }
        for wrong in ["bogus", "info,verbose", "nexus_node=loud"] {
            assert!(check(&args(wrong)).is_err(), "{wrong}");
        }
    }
}
