//! An engine of this process: TLS with a certificate of the store's CA, and one answer to every request.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::spawn;

use jiff::Timestamp;
use rmachine::pki::{self, Pair};
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::harness::Sandbox;

/// A port of this computer that takes connections. As long as nobody serves it, it says nothing.
pub(super) struct Port(TcpListener);

#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// A whole HTTP answer: status line and body.
    Http(&'static str, &'static str),
    /// The request is taken, and nothing follows.
    Nothing,
}

/// As an engine of today puts it, API versions and all.
pub(super) const VERSION: Answer =
    Answer::Http("200 OK", r#"{"Version":"26.1.5","ApiVersion":"1.45","MinAPIVersion":"1.24"}"#);

impl Port {
    pub(super) fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(super) fn number(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    pub(super) fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.number())
    }

    /// From now on an engine answers, that the store's CA vouches for and that lets only its clients in.
    pub(super) fn serve(self, lab: &Sandbox, answer: Answer) {
        let ca = lab.path("S/certs/ca.pem");
        let key = lab.path("S/certs/ca-key.pem");
        let pair = Pair { cert: text(&ca), key: SecretString::from(text(&key)) };
        self.serve_with(&pair, &pair.cert, answer);
    }

    /// The same with a certificate of another CA.
    pub(super) fn serve_with(self, issuer: &Pair, clients_ca: &str, answer: Answer) {
        let config = Arc::new(tls(issuer, clients_ca));
        spawn(move || {
            for stream in self.0.incoming().flatten() {
                let config = config.clone();
                spawn(move || converse(stream, config, answer));
            }
        });
    }
}

fn text(path: &std::path::Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn tls(issuer: &Pair, clients_ca: &str) -> ServerConfig {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let own = pki::server(issuer, "tester.engine", &names, false, Timestamp::now()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients_ca.as_bytes()).unwrap()).unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(own.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.expose_secret().as_bytes()).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap()
}

/// A client that goes away in between is its own business.
fn converse(stream: TcpStream, config: Arc<ServerConfig>, answer: Answer) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut request = Vec::new();
    let mut bytes = [0; 1024];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(n) if n > 0 => request.extend_from_slice(&bytes[..n]),
            _ => return,
        }
    }
    match answer {
        Answer::Http(status, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
            let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
            let _ = stream.flush();
        }
        // Until the client gives up.
        Answer::Nothing => drop(stream.read(&mut bytes)),
    }
}
