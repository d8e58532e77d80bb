//! Why a TLS handshake failed, in a sentence for operators. rustls puts its error into the error of the stream, at the
//! end that noticed; the other end receives an alert.

use nexus_api_types::Moment;
use rustls::{AlertDescription, CertificateError, Error, pki_types::UnixTime};
use std::io;

/// The reason of TLS in an error of a stream; none when it has another one.
pub fn explain(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?;
    // Some libraries wrap the error of the stream once more.
    if let Some(wrapped) = inner.downcast_ref::<io::Error>() {
        return explain(wrapped);
    }
    Some(match inner.downcast_ref::<Error>()? {
        Error::InvalidCertificate(problem) => of_certificate(problem),
        Error::NoCertificatesPresented => {
            "it shows no certificate, and nodes of this cluster have one".to_owned()
        }
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(_) => "it does not speak TLS; this node does (--certs-dir)".to_owned(),
        Error::General(reason) => reason.clone(),
        error => format!("the TLS handshake failed: {error}"),
    })
}

fn of_certificate(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => "its certificate is of an authority that this node does not know: ca.crt of \
                                            this node has to hold the authority that issued it"
            .to_owned(),
        CertificateError::BadSignature => {
            "its certificate is not signed by the authority that it names".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate was valid until {}, and this node's clock says {}",
            moment(*not_after),
            moment(*time)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "its certificate is valid from {} on, and this node's clock says {}",
            moment(*not_before),
            moment(*time)
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for both ends of a connection (extended key usage: serverAuth and clientAuth)".to_owned()
        }
        problem => format!("its certificate is not accepted: {problem}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => {
            "it does not know the authority of this node's certificate: its ca.crt has to \
                                        hold the authority that issued it"
                .to_owned()
        }
        AlertDescription::CertificateExpired => {
            "it finds this node's certificate expired, or not valid yet by its clock".to_owned()
        }
        AlertDescription::CertificateRequired => {
            "it asks for a certificate, and this node has none".to_owned()
        }
        AlertDescription::NoApplicationProtocol => {
            "it is not the port of nodes, or not of this version".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => {
            format!("it does not accept this node's certificate ({alert:?}); its log says why")
        }
        alert => format!("it ended the TLS handshake ({alert:?}); its log says why"),
    }
}

fn moment(time: UnixTime) -> Moment {
    Moment::from_millis(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000))
}
