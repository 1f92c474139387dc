//! The API client's TLS against the certificates that `pki` makes.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rmachine_driver::HostAddr;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::engine::{EngineError, TlsFault, TlsFiles, connect_tls};
use crate::pki::{self, Pair};

const LIMIT: Duration = Duration::from_secs(5);
const YEARS: SignedDuration = SignedDuration::from_hours(24 * 365 * 5);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"Version\":\"24.0.7\"}\n";

static CA: LazyLock<Pair> = LazyLock::new(|| pki::new_ca("ann", Timestamp::now()).unwrap());
static OTHER: LazyLock<Pair> = LazyLock::new(|| pki::new_ca("ann", Timestamp::now()).unwrap());
static CLIENT: LazyLock<Pair> =
    LazyLock::new(|| pki::client(&CA, "ann.<bootstrap>", Timestamp::now()).unwrap());

async fn check_tls(
    host: &HostAddr,
    port: u16,
    name: &str,
    tls: &TlsFiles,
    limit: Duration,
) -> Result<(), EngineError> {
    connect_tls(host, port, name, tls, limit).await.map(drop)
}

fn files(ca: &Pair, client: &Pair) -> TlsFiles {
    TlsFiles { ca: ca.cert.clone(), cert: client.cert.clone(), key: client.key.clone() }
}

fn server_pair(ca: &Pair, names: &[&str], made: Timestamp) -> Pair {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    pki::server(ca, "ann.node1", &names, false, made).unwrap()
}

fn server_config(pair: &Pair, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CA.cert.as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = PrivateKeyDer::from_pem_slice(pair.key.expose_secret().as_bytes()).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()], key)
        .unwrap()
}

/// An engine behind TLS that wants a client certificate of the CA's and answers one request a connection.
async fn engine(pair: &Pair, versions: &[&'static SupportedProtocolVersion]) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(server_config(pair, versions)));
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                stream.write_all(ANSWER).await.unwrap();
            }
        }
    })
    .await
}

async fn serve<F>(mut each: impl FnMut(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(each(stream));
        }
    });
    port
}

fn localhost() -> HostAddr {
    HostAddr::parse("127.0.0.1").unwrap()
}

async fn version(port: u16, name: &str, tls: &TlsFiles) -> Result<String, EngineError> {
    let mut client = connect_tls(&localhost(), port, name, tls, LIMIT).await?;
    Ok(client.version().await?.version)
}

async fn check(port: u16, name: &str, tls: &TlsFiles) -> Result<(), (TlsFault, String)> {
    match check_tls(&localhost(), port, name, tls, LIMIT).await {
        Ok(()) => Ok(()),
        Err(EngineError::Tls { fault, reason, .. }) => Err((fault, reason)),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn good_certificates_meet() {
    let pair = server_pair(&CA, &["127.0.0.1", "node1"], Timestamp::now());
    let tls = files(&CA, &CLIENT);
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let port = engine(&pair, versions).await;
        for name in ["127.0.0.1", "node1", "NODE1"] {
            assert_eq!(version(port, name, &tls).await.unwrap(), "24.0.7");
            assert_eq!(check(port, name, &tls).await, Ok(()));
        }
    }
}

/// This engine closes each connection after one answer, as one does that is restarted between two requests.
#[tokio::test]
async fn get_connects_again_over_tls_after_the_engine_closed_the_connection() {
    let pair = server_pair(&CA, &["127.0.0.1"], Timestamp::now());
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let port = engine(&pair, versions).await;
        let mut client =
            connect_tls(&localhost(), port, "127.0.0.1", &files(&CA, &CLIENT), LIMIT).await.unwrap();
        for _ in 0..3 {
            assert_eq!(client.version().await.unwrap().version, "24.0.7");
        }
    }
}

#[tokio::test]
async fn keys_of_other_kinds_meet() {
    let text = include_str!("../../tests/fixtures/pki/ca-ec-sec1.pem");
    let ca = Pair { cert: text.to_owned(), key: SecretString::from(text) };
    let rsa = server_pair(&ca, &["node1"], Timestamp::now());
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::new(["node1".into()]).unwrap());
    params.use_authority_key_identifier_extension = true;
    let ca_key = KeyPair::try_from(&PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap()).unwrap();
    let cert = params.signed_by(&key, &Issuer::from_ca_cert_pem(text, ca_key).unwrap()).unwrap();
    let ec = Pair { cert: cert.pem(), key: key.serialize_pem().into() };
    for pair in [rsa, ec] {
        let port = engine(&pair, rustls::ALL_VERSIONS).await;
        assert_eq!(version(port, "node1", &files(&ca, &CLIENT)).await.unwrap(), "24.0.7");
    }
}

#[tokio::test]
async fn what_an_engine_shows_is_judged() {
    let now = Timestamp::now();
    let unknown = "x509: certificate signed by unknown authority";
    let tls = files(&CA, &CLIENT);
    let asked = async |pair: &Pair, name: &str| {
        check(engine(pair, rustls::ALL_VERSIONS).await, name, &tls).await.unwrap_err()
    };
    let foreign = server_pair(&OTHER, &["node1"], now);
    assert_eq!(asked(&foreign, "node1").await, (TlsFault::UnknownCa, unknown.to_owned()));

    let other = server_pair(&CA, &["10.0.0.5", "localhost"], now);
    let reason = "x509: certificate is valid for 10.0.0.5, localhost, not 127.0.0.1".to_owned();
    assert_eq!(asked(&other, "127.0.0.1").await, (TlsFault::OtherName, reason));
    let nameless = server_pair(&CA, &[], now);
    let reason = "x509: certificate is not valid for any names, but wanted to match node1".to_owned();
    assert_eq!(asked(&nameless, "node1").await, (TlsFault::OtherName, reason));

    for (pair, side) in [
        (server_pair(&CA, &["node1"], now - YEARS), " is after "),
        (server_pair(&CA, &["node1"], now + YEARS), " is before "),
    ] {
        let (fault, reason) = asked(&pair, "node1").await;
        let begin = "x509: certificate has expired or is not yet valid: current time 20";
        assert!(fault == TlsFault::Expired && reason.starts_with(begin) && reason.contains(side), "{reason}");
    }
}

/// TLS 1.3 lets a client finish before it is judged, so the handshake alone passes.
#[tokio::test]
async fn an_engine_judges_us_too() {
    let pair = server_pair(&CA, &["node1"], Timestamp::now());
    let stranger = pki::client(&OTHER, "eve", Timestamp::now()).unwrap();
    let bob = pki::new_ca("bob", Timestamp::now()).unwrap();
    let guest = pki::client(&bob, "bob", Timestamp::now()).unwrap();
    let late = pki::client(&CA, "ann", Timestamp::now() - YEARS).unwrap();
    let port = engine(&pair, &[&rustls::version::TLS13]).await;
    let old = engine(&pair, &[&rustls::version::TLS12]).await;
    for (client, told) in [
        (&stranger, "error decrypting message"),
        (&guest, "unknown certificate authority"),
        (&late, "expired certificate"),
    ] {
        let tls = files(&CA, client);
        assert_eq!(check(port, "node1", &tls).await, Ok(()));
        let expected = (TlsFault::ClientRefused, format!("remote error: tls: {told}"));
        assert_eq!(check(old, "node1", &tls).await, Err(expected));
        let error = version(port, "node1", &tls).await.unwrap_err();
        assert_eq!(error.to_string(), format!("remote error: tls: {told}"));
    }
}

#[tokio::test]
async fn nobody_there() {
    let tls = files(&CA, &CLIENT);
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = check_tls(&localhost(), port, "x", &tls, LIMIT).await.unwrap_err().to_string();
    assert_eq!(refused, format!("dial tcp 127.0.0.1:{port}: connect: connection refused"));
    let nowhere = HostAddr::parse("no-such-host.invalid").unwrap();
    let unknown = check_tls(&nowhere, 1, "x", &tls, LIMIT).await.unwrap_err().to_string();
    assert_eq!(unknown, "dial tcp: lookup no-such-host.invalid: no such host");
}

#[tokio::test]
async fn somebody_else_there() {
    let tls = files(&CA, &CLIENT);
    let plain = serve(|mut stream| async move {
        drop(stream.read(&mut [0; 512]).await);
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nno TLS here").await.unwrap();
    })
    .await;
    let reason = "tls: first record does not look like a TLS handshake".to_owned();
    assert_eq!(check(plain, "x", &tls).await, Err((TlsFault::NoTls, reason)));
    let closing = serve(|mut stream| async move { drop(stream.read(&mut [0; 512]).await) }).await;
    assert_eq!(check(closing, "x", &tls).await.unwrap_err().0, TlsFault::Other);
}

#[tokio::test]
async fn silence_ends() {
    let port = serve(|stream| async move {
        tokio::time::sleep(LIMIT * 10).await;
        drop(stream);
    })
    .await;
    let limit = Duration::from_millis(50);
    let told = check_tls(&localhost(), port, "x", &files(&CA, &CLIENT), limit).await.unwrap_err();
    assert_eq!(told.to_string(), format!("dial tcp 127.0.0.1:{port}: TLS handshake: i/o timeout"));
}

#[tokio::test]
async fn our_own_files_are_named() {
    let good = files(&CA, &CLIENT);
    let other_key = TlsFiles { key: CA.key.clone(), ..good.clone() };
    for (tls, begin) in [
        (TlsFiles { ca: String::new(), ..good.clone() }, "the CA certificate is empty"),
        (TlsFiles { cert: "rubbish".into(), ..good.clone() }, "the client certificate is empty"),
        (TlsFiles { key: "".into(), ..good.clone() }, "the client key cannot be read: "),
        (other_key, "the client certificate and its key cannot be used: "),
    ] {
        let (fault, reason) = check(1, "x", &tls).await.unwrap_err();
        assert!(fault == TlsFault::OwnFiles && reason.starts_with(begin), "{reason}");
    }
    assert_eq!(check(1, "not a name", &good).await.unwrap_err().0, TlsFault::OwnFiles);
}
