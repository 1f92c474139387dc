//! An engine of this process: TLS with a certificate of the store's CA, and one answer to every request.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
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

    /// An engine that answers each request by what it is: `GET /info` and the body go in, a status and JSON come out.
    pub(super) fn serve_each<F>(self, lab: &Sandbox, answer: F)
    where
        F: Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    {
        let (ca, key) = (text(&lab.path("S/certs/ca.pem")), text(&lab.path("S/certs/ca-key.pem")));
        let config = Arc::new(tls(&Pair { cert: ca.clone(), key: SecretString::from(key) }, &ca));
        let answer = Arc::new(answer);
        spawn(move || {
            for stream in self.0.incoming().flatten() {
                let (config, answer) = (config.clone(), answer.clone());
                spawn(move || converse_long(stream, config, answer.as_ref()));
            }
        });
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

/// As many requests as come over one connection.
fn converse_long(stream: TcpStream, config: Arc<ServerConfig>, answer: &dyn Fn(&str, &str) -> (u16, String)) {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line) {
                Ok(n) if n > 0 && line != "\r\n" => head.push(line.trim_end().to_owned()),
                Ok(n) if n > 0 => break,
                _ => return,
            }
        }
        let length =
            head.iter().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let request = head[0].trim_end_matches(" HTTP/1.1");
        let (status, body) = answer(request, &String::from_utf8_lossy(&body));
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}");
        if stream.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).is_err() {
            return;
        }
        let _ = stream.get_mut().flush();
    }
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

/// The `DOCKER_HOST` of an engine on a socket of this computer that answers pings, and nothing else.
pub(super) fn ping_socket(lab: &Sandbox) -> String {
    let path = lab.path("docker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    spawn(move || {
        for stream in listener.incoming() {
            spawn(move || answer_pings(stream.unwrap()));
        }
    });
    format!("unix://{}", path.display())
}

fn answer_pings(mut stream: std::os::unix::net::UnixStream) {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";
    let mut request = [0; 4096];
    while stream.read(&mut request).is_ok_and(|read| read > 0) {
        stream.write_all(OK).unwrap();
    }
}
