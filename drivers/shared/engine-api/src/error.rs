//! What can go wrong on the way to an engine, in the words that Go's libraries use: scripts around docker-machine look
//! for them.

use std::error::Error;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use rmachine_driver::{Cause, describe_error};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No connection: nobody there, or no such host.
    #[error("dial tcp{}: {reason}", at(address))]
    Dial { address: Option<String>, reason: String, source: io::Error },
    /// No connection to a socket on this computer.
    #[error("dial unix {path}: connect: {}", describe_error(source))]
    Socket { path: String, source: io::Error },
    #[error("{reason}")]
    Tls { fault: TlsFault, reason: String, source: Cause },
    /// No connection within the time limit.
    #[error("{what}: i/o timeout")]
    DialTimeout { what: String },
    /// No answer to a request within the time limit.
    #[error("{what}: i/o timeout")]
    Timeout { what: String },
    /// The engine said no.
    #[error("{message} (HTTP {status} for {path})")]
    Refused { status: u16, message: String, path: String },
    /// Something that the engine had begun did not end well.
    #[error("{message}")]
    Failed { message: String, path: String },
    /// The connection broke, or what came over it was no HTTP.
    #[error("{path}: {}", describe_all(source.as_ref()))]
    Broken { path: String, source: Cause },
    #[error("{path}: the engine's answer is no JSON of the expected form: {source}")]
    NotJson { path: String, source: Cause },
    #[error("{path}: the engine's answer is longer than {limit} bytes")]
    TooLong { path: String, limit: usize },
}

/// Why two sides did not trust each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The engine's certificate was signed by another CA.
    UnknownCa,
    /// The engine's certificate is out of its time.
    Expired,
    /// The engine's certificate is for other names.
    OtherName,
    /// The engine does not take our certificate.
    ClientRefused,
    /// Our own files cannot be used.
    OwnFiles,
    /// What answers does not speak TLS.
    NoTls,
    Other,
}

fn at(address: &Option<String>) -> String {
    address.as_ref().map(|a| format!(" {a}")).unwrap_or_default()
}

/// With the causes that an error does not repeat, as hyper's never do.
fn describe_all(error: &(dyn Error + 'static)) -> String {
    let mut text = describe_error(error);
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = describe_error(inner);
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

impl EngineError {
    /// The engine's status, when it refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn own_file(path: &Path, source: io::Error) -> Self {
        let reason = format!("open {}: {}", path.display(), describe_error(&source));
        Self::Tls { fault: TlsFault::OwnFiles, reason, source: source.into() }
    }

    pub(crate) fn dial(address: &str, source: io::Error) -> Self {
        let reason = match source.kind() {
            io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
            io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
            io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
            io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
            _ => format!("connect: {}", describe_error(&source)),
        };
        Self::Dial { address: Some(address.to_owned()), reason, source }
    }

    /// A failed handshake.
    pub(crate) fn handshake(source: io::Error) -> Self {
        if let Some(tls) = tls_cause(&source) {
            return Self::tls(tls);
        }
        let reason = match source.kind() {
            io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
            _ => describe_error(&source),
        };
        Self::Tls { fault: TlsFault::Other, reason, source: source.into() }
    }

    /// A request that got no answer: with TLS 1.3 an engine's refusal of our certificate shows only here.
    pub(crate) fn broken(path: &str, source: impl Into<Cause>) -> Self {
        let source = source.into();
        match tls_cause(source.as_ref()) {
            Some(tls) => Self::tls(tls),
            None => Self::Broken { path: path.to_owned(), source },
        }
    }

    fn tls(error: &rustls::Error) -> Self {
        let (fault, reason) = match error {
            rustls::Error::InvalidCertificate(why) => certificate(why),
            rustls::Error::AlertReceived(alert) => alerted(*alert),
            rustls::Error::InvalidMessage(_) => {
                (TlsFault::NoTls, "tls: first record does not look like a TLS handshake".to_owned())
            }
            other => (TlsFault::Other, format!("tls: {other}")),
        };
        Self::Tls { fault, reason, source: error.clone().into() }
    }
}

/// The TLS error at the bottom of another, if one is.
fn tls_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An io::Error is not its own source's parent: what it wraps is asked for in another way.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(tls) = wrapped.and_then(|w| w.downcast_ref::<rustls::Error>()) {
            return Some(tls);
        }
        next = error.source();
    }
    None
}

fn certificate(error: &CertificateError) -> (TlsFault, String) {
    match error {
        // The same name over another key is another CA too.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            (TlsFault::UnknownCa, "x509: certificate signed by unknown authority".to_owned())
        }
        CertificateError::ExpiredContext { time, not_after } => {
            (TlsFault::Expired, out_of_time(*time, "after", *not_after))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            (TlsFault::Expired, out_of_time(*time, "before", *not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            (TlsFault::OtherName, other_name(&expected.to_str(), presented))
        }
        other => (TlsFault::Other, format!("x509: {other}")),
    }
}

fn out_of_time(now: UnixTime, side: &str, end: UnixTime) -> String {
    let shown = |time: UnixTime| {
        let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(second).map_or_else(|_| second.to_string(), |t| t.to_string())
    };
    let (now, end) = (shown(now), shown(end));
    format!("x509: certificate has expired or is not yet valid: current time {now} is {side} {end}")
}

/// rustls names what a certificate is for as `DnsName("x")` and `IpAddress(1.2.3.4)`.
fn other_name(wanted: &str, presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    let names: Vec<String> = presented.iter().map(bare).collect();
    if names.is_empty() {
        return format!("x509: certificate is not valid for any names, but wanted to match {wanted}");
    }
    format!("x509: certificate is valid for {}, not {wanted}", names.join(", "))
}

fn alerted(alert: AlertDescription) -> (TlsFault, String) {
    let (fault, words) = match alert {
        AlertDescription::BadCertificate => (TlsFault::ClientRefused, "bad certificate"),
        AlertDescription::CertificateExpired => (TlsFault::ClientRefused, "expired certificate"),
        AlertDescription::CertificateRequired => (TlsFault::ClientRefused, "certificate required"),
        AlertDescription::CertificateUnknown => (TlsFault::ClientRefused, "unknown certificate"),
        // What some servers say of a certificate by a CA of the right name and another key.
        AlertDescription::DecryptError => (TlsFault::ClientRefused, "error decrypting message"),
        AlertDescription::UnknownCA => (TlsFault::ClientRefused, "unknown certificate authority"),
        AlertDescription::HandshakeFailure => (TlsFault::Other, "handshake failure"),
        AlertDescription::ProtocolVersion => (TlsFault::Other, "protocol version not supported"),
        other => return (TlsFault::Other, format!("remote error: tls: {other:?}")),
    };
    (fault, format!("remote error: tls: {words}"))
}
