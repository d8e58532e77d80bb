//! The arguments that all commands share. A command's own arguments are in its own file.
//!
//! - [`span`]: times such as `10s`. [`values`]: slugs, lanes and stages.

pub(crate) mod span;
pub(crate) mod values;

use clap::Args;
use std::{ffi::OsString, time::Duration};

/// The flags that every command knows.
#[derive(Args, Clone)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Servers to ask, separated by commas; if one does not answer, the next one is asked. URL#REGION says where one is
    #[arg(long, global = true, env = "NEXUS_SERVER", value_name = "URL,URL…")]
    pub(crate) server: Option<String>,
    /// Region that this machine is in; servers there are asked first
    #[arg(long, global = true, env = "NEXUS_REGION", value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// File of the authorities that https servers must have their certificates from, such as the cluster's ca.crt, or
    /// system for those that this machine trusts
    #[arg(long, global = true, env = "NEXUS_CA", value_name = "FILE")]
    pub(crate) ca: Option<OsString>,
    /// API key to use instead of the one that login saved
    #[arg(long, global = true, env = "NEXUS_TOKEN", value_name = "KEY", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Project, by slug or id, instead of the one that the repository is linked to
    #[arg(long, global = true, env = "NEXUS_PROJECT", value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// Identity to act as, of several on this machine: each has a login of its own
    #[arg(
        long,
        global = true,
        env = "NEXUS_PROFILE",
        value_name = "NAME",
        default_value = "default",
        hide_default_value = true
    )]
    pub(crate) profile: OsString,
    /// Session to act as: its id, an agent's own as HOST:ID, or none for the engineer
    #[arg(long, global = true, env = "NEXUS_SESSION", value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Give up after this long in total
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = span::parse)]
    pub(crate) timeout: Duration,
    /// Print without colours, also to a terminal
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}
