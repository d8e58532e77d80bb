//! Why a request brought no answer: the last cause in plain words.

use super::{
    tls_problem::{self, NO_TLS, ONLY_TLS},
    trust::Trust,
};
use crate::text::Clock;
use std::{error::Error, io, time::Duration};

/// A server of this machine or network accepts within milliseconds; what takes longer is not there.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Parts of what the libraries for TLS, HTTP and names say when an address is not right, and what that means to people.
const MISUNDERSTANDINGS: [(&str, &str); 3] = [
    ("tls handshake eof", NO_TLS),
    ("invalid HTTP version", ONLY_TLS),
    ("failed to lookup address", "no such host"),
];

/// A reason for people.
pub(super) struct Reason {
    /// The end of a line that begins with the server's address.
    pub(super) text: String,
    /// Whether it says what to do about it, too.
    pub(super) has_remedy: bool,
}

/// The last cause says what happened; the ones before it say only that something did.
pub(super) fn of(error: &reqwest::Error, trust: &Trust, unsent: bool) -> Reason {
    let known = |text: &str| Reason { text: text.to_owned(), has_remedy: false };
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        if let Some(problem) = tls(next) {
            return Reason { text: tls_problem::explain(problem, trust, &Clock::here()), has_remedy: true };
        }
        if let Some(error) = next.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return known("connection refused"),
                io::ErrorKind::ConnectionReset => return known("connection lost before the answer"),
                io::ErrorKind::TimedOut => return known("connection timed out"),
                _ => {}
            }
        }
        cause = next;
    }
    let cause = cause.to_string();
    if let Some((_, plain)) = MISUNDERSTANDINGS.iter().find(|(technical, _)| cause.contains(technical)) {
        return Reason { text: (*plain).to_owned(), has_remedy: [NO_TLS, ONLY_TLS].contains(plain) };
    }
    known(&match (error.is_timeout(), unsent) {
        (true, true) => format!("no connection within {}", seconds(CONNECT_TIMEOUT)),
        (true, false) => "no answer in time".to_owned(),
        (false, true) => cause,
        (false, false) => format!("connection lost before the answer ({cause})"),
    })
}

/// The failure of TLS that a cause is, or that it wraps.
fn tls<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = cause.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    cause.downcast_ref().or_else(|| tls(wrapped?))
}

/// A length of time in seconds, as short as it is true.
pub(super) fn seconds(span: Duration) -> String {
    let tenths = (span.as_millis() + 50) / 100;
    if tenths.is_multiple_of(10) {
        format!("{} s", tenths / 10)
    } else {
        format!("{}.{} s", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_short() {
        assert_eq!(seconds(Duration::from_millis(3_333)), "3.3 s");
        assert_eq!(seconds(Duration::from_secs(10)), "10 s");
    }

    #[test]
    fn a_failure_of_tls_is_found_in_what_wraps_it() {
        let failed = rustls::Error::DecryptError;
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, failed.clone()));
        assert_eq!(tls(&wrapped), Some(&failed));
        assert_eq!(tls(&failed), Some(&failed));
        assert_eq!(tls(&io::Error::other("no such host")), None);
    }
}
