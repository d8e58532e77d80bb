//! `nexus cluster certs show`: what is in a file of certificates, or in a folder of them.

use super::{
    files::{self, CA_CERTIFICATE, Found, NODE_CERTIFICATE},
    leaf::Leaf,
};
use crate::{
    answer::Answer,
    commands::{check::State, expiry},
    context::Context,
    error::Error,
    output::Tone,
};
use clap::Args;
use nexus_api_types::{Moment, certificate::Certificate};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Show certificates: for whom they are, from whom, until when, and whether the key fits
///
/// A file may be of any authority. Of a folder, ca.crt and node.crt are shown, and those of the nodes in it. The key is
/// the file beside it that ends with .key. No server is asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster certs show
  nexus cluster certs show certs/node-1
  nexus cluster certs show /etc/ssl/nexus/node.crt --json | jq '.certificates[].daysLeft'")]
pub(crate) struct Show {
    /// File or folder
    #[arg(value_name = "FILE|DIR", default_value = "certs")]
    path: PathBuf,
}

/// The parts of one certificate that are printed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    file: String,
    #[serde(flatten)]
    certificate: Certificate,
    days_left: i64,
    /// Whether the key beside it is its own; none without a key.
    key_fits: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct AllShown {
    certificates: Vec<Shown>,
}

impl Show {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let mut certificates = Vec::new();
        for path in self.files()? {
            let keys = files::keys(&path.with_extension("key")).unwrap_or_default();
            let shown = files::certificates(&path)?.into_iter().map(|found| {
                let Found { der, certificate, .. } = found;
                let key_fits = (!keys.is_empty()).then(|| keys.iter().any(|key| files::fits(&der, key)));
                let days_left = expiry::days_left(&certificate);
                Shown { file: path.display().to_string(), certificate, days_left, key_fits }
            });
            certificates.extend(shown);
        }
        let answer = Answer::new(json!(AllShown { certificates }));
        context.out.answer(&answer, |all: AllShown| {
            for (at, shown) in all.certificates.iter().enumerate() {
                if at > 0 {
                    context.out.line("")?;
                }
                print(context, shown)?;
            }
            Ok(())
        })
    }

    /// The files that the path stands for.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        if !self.path.is_dir() {
            return Ok(vec![self.path.clone()]);
        }
        let own = [CA_CERTIFICATE, NODE_CERTIFICATE].map(|name| self.path.join(name));
        let mut files: Vec<PathBuf> = own.into_iter().filter(|path| path.exists()).collect();
        files.extend(Leaf::all(&self.path)?.iter().map(|leaf| leaf.folder.join(NODE_CERTIFICATE)));
        if files.is_empty() {
            let message =
                format!("there is no {CA_CERTIFICATE} and no {NODE_CERTIFICATE} in {}", self.path.display());
            return Err(Error::misused(message).hint("nexus cluster certs init makes an authority"));
        }
        Ok(files)
    }
}

fn print(context: &Context<'_>, shown: &Shown) -> Result<(), Error> {
    let out = context.out;
    let certificate = &shown.certificate;
    let begin = Moment::from_millis(certificate.not_before.saturating_mul(1_000));
    let tone = match expiry::state(certificate) {
        State::Ok => Tone::Good,
        State::Warning => Tone::Warn,
        State::Bad => Tone::Bad,
    };
    out.title(&Path::new(&shown.file).display().to_string())?;
    let names = if certificate.names.is_empty() { "none".to_owned() } else { certificate.names.join(", ") };
    out.field("Names", names)?;
    let what = if certificate.is_authority { ", an authority" } else { "" };
    out.field("Subject", format_args!("{}{what}", certificate.subject))?;
    out.field("Issuer", &certificate.issuer)?;
    out.field("Serial", &certificate.serial)?;
    out.field("Valid from", out.clock().short(begin))?;
    out.field("Valid", tone.paint(&expiry::sentence(certificate, out.clock())))?;
    match shown.key_fits {
        Some(true) => out.field("Key", "fits"),
        Some(false) => out.field("Key", Tone::Bad.paint("is that of another certificate")),
        None => Ok(()),
    }
}
