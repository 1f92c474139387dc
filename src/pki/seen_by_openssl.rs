//! What another implementation makes of our certificates. Needs the `openssl` program, as tests/run installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::pki::{Pair, client, new_ca, server};

struct Folder(tempfile::TempDir);

impl Folder {
    #[expect(clippy::disallowed_methods, reason = "files for openssl to read")]
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn put_pair(&self, name: &str, pair: &Pair) -> (PathBuf, PathBuf) {
        let key = pair.key.expose_secret();
        (self.put(&format!("{name}.pem"), &pair.cert), self.put(&format!("{name}-key.pem"), key))
    }
}

#[expect(clippy::disallowed_methods, reason = "the program under comparison")]
fn openssl(words: &[&str], files: &[&Path]) -> String {
    let run = Command::new("openssl").args(words).args(files).output();
    let output = run.expect("the openssl program is needed: apt-get install openssl");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The extensions and the frame of a certificate, without what is random or dated.
fn shape(cert: &Path) -> String {
    let text = openssl(&["x509", "-noout", "-text", "-in"], &[cert]);
    let hex = |line: &str| line.contains(':') && line.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    let dull = |line: &str| line.is_empty() || line.starts_with("Not ") || hex(line);
    let keyed = ["Serial Number", "Modulus", "Signature Value"];
    let lines = text.lines().map(str::trim).filter(|l| !dull(l) && !keyed.iter().any(|k| l.contains(k)));
    // OpenSSL 3.2 and later write names without blanks.
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace(" = ", "=")
        .replace("=\"ann.<bootstrap>\"", "=ann.<bootstrap>")
}

#[test]
fn openssl_takes_all_three_kinds() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let now = Timestamp::now();
    let ca = new_ca("ann", now).unwrap();
    let names = ["node1.example.com", "10.0.0.5", "localhost"].map(str::to_owned);
    let (ca_cert, ca_key) = folder.put_pair("ca", &ca);
    let (client_cert, client_key) = folder.put_pair("client", &client(&ca, "ann.<bootstrap>", now).unwrap());
    let (server_cert, server_key) =
        folder.put_pair("server", &server(&ca, "ann.node1", &names, true, now).unwrap());

    let ca_path = ca_cert.to_str().unwrap();
    let verify = |extra: &[&str], file: &Path| {
        let words = [&["verify", "-x509_strict", "-CAfile", ca_path], extra].concat();
        assert!(openssl(&words, &[file]).ends_with(": OK\n"));
    };
    verify(&[], &ca_cert);
    verify(&["-purpose", "sslclient"], &client_cert);
    verify(&["-purpose", "sslserver", "-verify_ip", "10.0.0.5"], &server_cert);
    verify(&["-purpose", "sslserver", "-verify_hostname", "localhost"], &server_cert);
    for key in [&ca_key, &client_key] {
        assert_eq!(openssl(&["rsa", "-noout", "-check", "-in"], &[key]), "RSA key ok\n");
    }
    assert_eq!(openssl(&["pkey", "-noout", "-check", "-in"], &[&server_key]), "Key is valid\n");
    insta::assert_snapshot!(shape(&ca_cert), @r#"
    Certificate:
    Data:
    Version: 3 (0x2)
    Signature Algorithm: sha256WithRSAEncryption
    Issuer: O=ann
    Validity
    Subject: O=ann
    Subject Public Key Info:
    Public Key Algorithm: rsaEncryption
    Public-Key: (2048 bit)
    Exponent: 65537 (0x10001)
    X509v3 extensions:
    X509v3 Key Usage: critical
    Digital Signature, Key Encipherment, Key Agreement, Certificate Sign
    X509v3 Subject Key Identifier:
    X509v3 Basic Constraints: critical
    CA:TRUE
    Signature Algorithm: sha256WithRSAEncryption
    "#);
    insta::assert_snapshot!(shape(&client_cert), @r#"
    Certificate:
    Data:
    Version: 3 (0x2)
    Signature Algorithm: sha256WithRSAEncryption
    Issuer: O=ann
    Validity
    Subject: O=ann.<bootstrap>
    Subject Public Key Info:
    Public Key Algorithm: rsaEncryption
    Public-Key: (2048 bit)
    Exponent: 65537 (0x10001)
    X509v3 extensions:
    X509v3 Authority Key Identifier:
    X509v3 Key Usage: critical
    Digital Signature
    X509v3 Extended Key Usage:
    TLS Web Client Authentication
    X509v3 Subject Key Identifier:
    X509v3 Basic Constraints: critical
    CA:FALSE
    Signature Algorithm: sha256WithRSAEncryption
    "#);
    insta::assert_snapshot!(shape(&server_cert), @r#"
    Certificate:
    Data:
    Version: 3 (0x2)
    Signature Algorithm: sha256WithRSAEncryption
    Issuer: O=ann
    Validity
    Subject: O=ann.node1
    Subject Public Key Info:
    Public Key Algorithm: id-ecPublicKey
    Public-Key: (256 bit)
    pub:
    ASN1 OID: prime256v1
    NIST CURVE: P-256
    X509v3 extensions:
    X509v3 Authority Key Identifier:
    X509v3 Subject Alternative Name:
    DNS:node1.example.com, IP Address:10.0.0.5, DNS:localhost
    X509v3 Key Usage: critical
    Digital Signature, Key Encipherment, Key Agreement
    X509v3 Extended Key Usage:
    TLS Web Server Authentication, TLS Web Client Authentication
    X509v3 Subject Key Identifier:
    X509v3 Basic Constraints: critical
    CA:FALSE
    Signature Algorithm: sha256WithRSAEncryption
    "#);
}
