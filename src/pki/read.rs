//! Reading certificates, whoever made them.

use std::net::IpAddr;

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::pki::{CertInfo, PkiError, pem};

/// What the first certificate in a PEM text says of itself.
pub(crate) fn read(certificate: &str) -> Result<CertInfo, PkiError> {
    let der = pem::certificate(certificate)?;
    info(&parse(&der)?)
}

pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    X509Certificate::from_der(der).map(|(_, cert)| cert).map_err(|e| PkiError::Certificate(e.to_string()))
}

pub(super) fn info(cert: &X509Certificate<'_>) -> Result<CertInfo, PkiError> {
    let organization = cert.subject().iter_organization().next().and_then(|o| o.as_str().ok());
    let usage = cert.extended_key_usage().ok().flatten().map(|e| e.value);
    Ok(CertInfo {
        organization: organization.unwrap_or_default().to_owned(),
        not_before: moment(cert.validity().not_before)?,
        not_after: moment(cert.validity().not_after)?,
        names: names(cert),
        is_ca: cert.is_ca(),
        server_auth: usage.is_some_and(|u| u.any || u.server_auth),
        client_auth: usage.is_some_and(|u| u.any || u.client_auth),
    })
}

fn moment(time: ASN1Time) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(time.timestamp()).map_err(|e| PkiError::Certificate(e.to_string()))
}

fn names(cert: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
        },
        _ => None,
    }
}
