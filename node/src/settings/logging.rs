//! Sets up logging to standard error, as text or as JSON.

use crate::{
    settings::args::{LogArgs, LogFormat},
    traces::{self, Traces},
};
use anyhow::{Context, ensure};
use std::io::IsTerminal;
use tracing::Subscriber;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    registry::LookupSpan,
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

/// Starts logging for the whole process, and the recording of spans for traces, if there are any.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(args: &LogArgs, traces: Option<&Traces>) -> anyhow::Result<()> {
    let filter = filter(args)?;
    let format = args.log_format.unwrap_or_default();
    match traces {
        // A filter of everything is cheaper than one of the lines alone.
        None => tracing_subscriber::registry().with(filter).with(lines(format)).init(),
        Some(traces) => {
            let spans = traces.layer().with_filter(traces::recorded());
            tracing_subscriber::registry().with(spans).with(lines(format).with_filter(filter)).init();
        }
    }
    Ok(())
}

/// Writes lines to standard error.
fn lines<S: Subscriber + for<'span> LookupSpan<'span>>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    }
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
