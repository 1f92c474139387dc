//! Making certificates.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SanType, SerialNumber,
    date_time_ymd,
};
use secrecy::SecretString;
use uuid::Uuid;

use crate::pki::{HEAD_START, Pair, PkiError, VALID, pem};

/// A new certificate authority.
pub fn new_ca(organization: &str, now: Timestamp) -> Result<Pair, PkiError> {
    let key = rsa()?;
    let mut params = params(organization, now);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyAgreement,
        KeyUsagePurpose::KeyCertSign,
    ];
    let cert = params.self_signed(&key)?;
    Ok(Pair { cert: pem::encode("CERTIFICATE", cert.der()), key: pem::rsa_key(&key)? })
}

/// A certificate for those who ask engines.
pub fn client(ca: &Pair, organization: &str, now: Timestamp) -> Result<Pair, PkiError> {
    let mut params = params(organization, now);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = rsa()?;
    let key_pem = pem::rsa_key(&key)?;
    signed(params, ca, &key, key_pem)
}

/// A certificate for an engine, valid for `names` in their order: what reads as an address becomes an IP name.
///
/// `also_client` lets its bearer ask other engines too, as the manager of a classic swarm did.
pub fn server(
    ca: &Pair,
    organization: &str,
    names: &[String],
    also_client: bool,
    now: Timestamp,
) -> Result<Pair, PkiError> {
    let mut params = params(organization, now);
    params.subject_alt_names = alternative_names(names)?;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyAgreement,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if also_client {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    // Nobody but the engine reads its key, and one is made with every machine: an RSA key would be most of the work.
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let pem = pem::encode("PRIVATE KEY", key.serialized_der());
    signed(params, ca, &key, SecretString::from(pem))
}

/// The address that a name is, if it is one; brackets and the zone of a link-local address are no part of it.
pub(super) fn address(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    bare.parse().ok()
}

fn alternative_names(names: &[String]) -> Result<Vec<SanType>, PkiError> {
    let mut list = Vec::new();
    for name in names {
        let entry = alternative_name(name)?;
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    Ok(list)
}

fn alternative_name(name: &str) -> Result<SanType, PkiError> {
    if let Some(address) = address(name) {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || PkiError::Name(name.to_owned());
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(refused());
    }
    name.try_into().map(SanType::DnsName).map_err(|_| refused())
}

fn params(organization: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, organization);
    params.distinguished_name = subject;
    let whole_minutes = now.as_second() - now.as_second().rem_euclid(60);
    let begin = whole_minutes - HEAD_START.as_secs();
    // rcgen takes the `time` crate's type, which has no name here.
    let moment =
        |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.max(0).unsigned_abs());
    params.not_before = moment(begin);
    params.not_after = moment(begin + VALID.as_secs());
    params.serial_number = Some(SerialNumber::from_slice(Uuid::new_v4().as_bytes()));
    // Without the extension OpenSSL takes a leaf for a version 1 certificate with unknown constraints.
    params.is_ca = IsCa::ExplicitNoCa;
    params
}

fn rsa() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?)
}

fn signed(
    mut params: CertificateParams,
    ca: &Pair,
    key: &KeyPair,
    key_pem: SecretString,
) -> Result<Pair, PkiError> {
    let ca_der = pem::certificate(&ca.cert)?;
    let issuer = Issuer::from_ca_cert_der(&ca_der, pem::key_pair(&ca.key)?)
        .map_err(|e| PkiError::Certificate(e.to_string()))?;
    params.use_authority_key_identifier_extension = true;
    let cert = params.signed_by(key, &issuer)?;
    Ok(Pair { cert: pem::encode("CERTIFICATE", cert.der()), key: key_pem })
}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self::Issue(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str]) -> Result<Vec<String>, PkiError> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        Ok(alternative_names(&names)?.iter().map(|n| format!("{n:?}")).collect())
    }

    #[test]
    fn names_keep_their_order_and_come_once() {
        let names =
            shown(&["b.example.com", "10.0.0.5", "localhost", "10.0.0.5", "2001:db8::1", "a_b"]).unwrap();
        insta::assert_debug_snapshot!(names, @r#"
        [
            "DnsName(Ia5String(\"b.example.com\"))",
            "IpAddress(10.0.0.5)",
            "DnsName(Ia5String(\"localhost\"))",
            "IpAddress(2001:db8::1)",
            "DnsName(Ia5String(\"a_b\"))",
        ]
        "#);
    }

    #[test]
    fn zones_and_brackets_are_no_part_of_an_address() {
        assert_eq!(shown(&["fe80::1%eth0", "[::1]"]).unwrap(), ["IpAddress(fe80::1)", "IpAddress(::1)"]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "a b", "é.example.com", "a\n"] {
            assert_eq!(shown(&[bad]), Err(PkiError::Name(bad.to_owned())));
        }
    }
}
