//! The way to an engine over TLS: trusting one CA and no other, presenting the client certificate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rmachine_driver::{Cause, HostAddr, describe_error};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{EngineClient, EngineError, Redial, TlsFault};

/// What a client needs, as PEM: the CA it trusts, its own certificate and key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub ca: String,
    pub cert: String,
    pub key: SecretString,
}

impl TlsFiles {
    fn same(&self, other: &Self) -> bool {
        let keys = (self.key.expose_secret(), other.key.expose_secret());
        self.ca == other.ca && self.cert == other.cert && keys.0 == keys.1
    }
}

/// Connects to an engine whose certificate must bear `server_name`. `limit` holds for each step.
pub async fn connect_tls(
    host: &HostAddr,
    port: u16,
    server_name: &str,
    tls: &TlsFiles,
    limit: Duration,
) -> Result<EngineClient, EngineError> {
    // Our own files first: nobody needs to be asked to find them wanting.
    let (connector, name) = (connector(tls)?, name(server_name)?);
    let host = host.clone();
    let open = move || {
        let (host, connector, name) = (host.clone(), connector.clone(), name.clone());
        async move {
            let stream = dial(&host, port, limit).await?;
            secure(stream, &host.with_port(port), connector, name, limit).await
        }
    };
    let client = EngineClient::over(open().await?, limit).await?;
    Ok(client.redial_with(Redial::new(open)))
}

/// The same over a stream that is there already, like a channel of an SSH session; `again` opens others to the same
/// port, `at` is for errors.
pub async fn over_tls<S>(
    stream: S,
    again: Redial,
    at: &str,
    server_name: &str,
    tls: &TlsFiles,
    limit: Duration,
) -> Result<EngineClient, EngineError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connector, name) = (connector(tls)?, name(server_name)?);
    let secured = secure(stream, at, connector.clone(), name.clone(), limit).await?;
    let (again, at) = (Arc::new(again), at.to_owned());
    let redial = Redial::new(move || {
        let (again, at, connector, name) = (again.clone(), at.clone(), connector.clone(), name.clone());
        async move { secure(again.open().await?, &at, connector, name, limit).await }
    });
    Ok(EngineClient::over(secured, limit).await?.redial_with(redial))
}

/// The machines of a store share their files, and reading a key, which is to check it, takes as long as a handshake.
static LAST: Mutex<Option<(TlsFiles, TlsConnector)>> = Mutex::new(None);

fn connector(tls: &TlsFiles) -> Result<TlsConnector, EngineError> {
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let made = last().as_ref().filter(|(files, _)| files.same(tls)).map(|(_, connector)| connector.clone());
    if let Some(connector) = made {
        return Ok(connector);
    }
    let connector = TlsConnector::from(Arc::new(config(tls)?));
    *last() = Some((tls.clone(), connector.clone()));
    Ok(connector)
}

async fn secure<S>(
    stream: S,
    at: &str,
    connector: TlsConnector,
    name: ServerName<'static>,
    limit: Duration,
) -> Result<TlsStream<S>, EngineError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match timeout(limit, connector.connect(name, stream)).await {
        Ok(Ok(secured)) => Ok(secured),
        Ok(Err(e)) => Err(EngineError::handshake(e)),
        Err(_) => Err(EngineError::DialTimeout { what: format!("dial tcp {at}: TLS handshake") }),
    }
}

pub(crate) async fn dial(host: &HostAddr, port: u16, limit: Duration) -> Result<TcpStream, EngineError> {
    let address = host.with_port(port);
    let Ok(stream) = timeout(limit, connect(host, port, &address)).await else {
        return Err(EngineError::DialTimeout { what: format!("dial tcp {address}") });
    };
    let stream = stream?;
    stream.set_nodelay(true).map_err(|e| EngineError::dial(&address, e))?;
    Ok(stream)
}

async fn connect(host: &HostAddr, port: u16, address: &str) -> Result<TcpStream, EngineError> {
    let unknown = |source| {
        let reason = format!("lookup {host}: no such host");
        EngineError::Dial { address: None, reason, source }
    };
    let found: Vec<_> = lookup_host((host.as_str(), port)).await.map_err(unknown)?.collect();
    TcpStream::connect(&found[..]).await.map_err(|e| EngineError::dial(address, e))
}

fn name(server_name: &str) -> Result<ServerName<'static>, EngineError> {
    // The zone of a link-local address is ours to know, not the certificate's.
    let bare = server_name.split_once('%').map_or(server_name, |(address, _zone)| address);
    ServerName::try_from(bare.to_owned())
        .map_err(|_| own(format!("{server_name:?} is no name for a certificate")))
}

fn config(tls: &TlsFiles) -> Result<ClientConfig, EngineError> {
    let mut roots = RootCertStore::empty();
    for ca in certificates(&tls.ca, "the CA certificate")? {
        roots.add(ca).map_err(|e| own_because("the CA certificate cannot be used", e))?;
    }
    let chain = certificates(&tls.cert, "the client certificate")?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.expose_secret().as_bytes())
        .map_err(|e| own_because("the client key cannot be read", e))?;
    // Named here, because a process with two providers linked in has no default.
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| own_because("TLS cannot be set up", e))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|e| own_because("the client certificate and its key cannot be used", e))?;
    // Each connection proves anew who is there.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let list = list.map_err(|e| own_because(&format!("{what} cannot be read"), e))?;
    if list.is_empty() { Err(own(format!("{what} is empty"))) } else { Ok(list) }
}

fn own(reason: String) -> EngineError {
    EngineError::Tls { fault: TlsFault::OwnFiles, source: reason.clone().into(), reason }
}

fn own_because(what: &str, source: impl Into<Cause>) -> EngineError {
    let source = source.into();
    let reason = format!("{what}: {}", describe_error(source.as_ref()));
    EngineError::Tls { fault: TlsFault::OwnFiles, reason, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_read_anew() {
        let files = |ca: &str, key: &str| TlsFiles {
            ca: ca.to_owned(),
            cert: String::new(),
            key: SecretString::from(key.to_owned()),
        };
        assert!(files("a", "b").same(&files("a", "b")));
        assert!(!files("a", "b").same(&files("c", "b")) && !files("a", "b").same(&files("a", "c")));
        assert!(connector(&files("", "")).is_err(), "what was refused is not kept");
        assert!(connector(&files("", "")).is_err());
    }

    #[test]
    fn zones_are_ours_alone() {
        assert!(name("fe80::1%eth0").is_ok());
        assert!(name("not a name").is_err());
    }
}
