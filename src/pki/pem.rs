//! PEM in and out, and the way from PKCS#8 to PKCS#1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use x509_parser::asn1_rs::{Any, FromDer, Integer, OctetString, Sequence};

use crate::pki::PkiError;

/// What OpenSSL and Go write in a line.
const LINE: usize = 64;

pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

pub(super) fn certificate(pem: &str) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| PkiError::Certificate(e.to_string()))
}

pub(super) fn key_pair(pem: &SecretString) -> Result<KeyPair, PkiError> {
    let text = pem.expose_secret();
    // OpenSSL's old form says so in a header, PKCS#8 in its label.
    if text.contains("Proc-Type: 4,ENCRYPTED") || text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Err(PkiError::EncryptedKey);
    }
    let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|e| PkiError::Key(e.to_string()))?;
    KeyPair::try_from(&der).map_err(|e| PkiError::Key(e.to_string()))
}

/// An RSA key as PKCS#1: the OCTET STRING inside PKCS#8.
pub(super) fn rsa_key(pair: &KeyPair) -> Result<SecretString, PkiError> {
    let pkcs1 = inner_key(pair.serialized_der()).map_err(|e| PkiError::Issue(e.to_string()))?;
    Ok(SecretString::from(encode("RSA PRIVATE KEY", &pkcs1)))
}

fn inner_key(pkcs8: &[u8]) -> Result<Vec<u8>, x509_parser::asn1_rs::Err<x509_parser::asn1_rs::Error>> {
    let (_, outer) = Sequence::from_der(pkcs8)?;
    let (rest, _version) = Integer::from_der(&outer.content)?;
    let (rest, _algorithm) = Any::from_der(rest)?;
    let (_, key) = OctetString::from_der(rest)?;
    Ok(key.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_64_wide() {
        let pem = encode("X", &[0xff; 51]);
        let lines: Vec<&str> = pem.lines().collect();
        assert_eq!(lines[0], "-----BEGIN X-----");
        assert_eq!(lines[1].len(), 64);
        assert_eq!(lines[2], "////");
        assert_eq!(lines[3], "-----END X-----");
        assert!(pem.ends_with("-----END X-----\n"));
        assert_eq!(encode("X", &[0; 48]).lines().count(), 3, "no empty last line");
    }

    #[test]
    fn encrypted_keys_are_named_as_such() {
        for text in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        ] {
            assert_eq!(key_pair(&SecretString::from(text)).unwrap_err(), PkiError::EncryptedKey);
        }
    }

    #[test]
    fn rubbish_is_no_key() {
        for text in ["", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"] {
            assert!(matches!(key_pair(&SecretString::from(text)), Err(PkiError::Key(_))));
        }
        assert!(matches!(certificate("no pem"), Err(PkiError::Certificate(_))));
    }
}
