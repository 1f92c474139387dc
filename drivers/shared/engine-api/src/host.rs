//! Where an engine is to be found, as `DOCKER_HOST` and its companions say it, and the way there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rmachine_driver::HostAddr;
use rmachine_driver::secrecy::SecretString;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::context;
use crate::tls::dial;
use crate::{EngineClient, EngineError, Redial, TlsFiles, connect_tls};

const SOCKET: &str = "/var/run/docker.sock";
const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// What the environment says of an engine, as text.
#[derive(Debug, Clone, Default)]
pub struct HostSettings {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_CERT_PATH`.
    pub cert_path: Option<PathBuf>,
    /// Whether `DOCKER_TLS_VERIFY` is set.
    pub tls_verify: bool,
    /// Whose `.docker` holds the certificates when no path is given, and contexts.
    pub home: Option<PathBuf>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// `DOCKER_CONFIG`.
    pub config: Option<PathBuf>,
}

/// An engine's address, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineHost {
    Unix(PathBuf),
    /// With a folder of certificates it is TLS.
    Tcp {
        host: HostAddr,
        port: u16,
        certs: Option<PathBuf>,
    },
}

/// A `DOCKER_HOST` or a context that leads nowhere from here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{named_by}: {reason}")]
pub struct HostError {
    pub named_by: String,
    pub reason: String,
}

/// A connection, and who is at its other end.
#[derive(Debug)]
pub struct Connection {
    pub client: EngineClient,
    /// The process that listens, when it is on this computer and seen from here.
    pub peer: Option<i32>,
}

impl EngineHost {
    pub fn parse(settings: &HostSettings) -> Result<Self, HostError> {
        if let Some(context) = context::find(settings)? {
            let named_by = format!("{} ({:?})", context::words(&context.name), context.host);
            return Self::named(&context.host, context.certs)
                .map_err(|reason| HostError { named_by, reason });
        }
        let given = settings.host.as_deref().unwrap_or_default();
        let home = || settings.home.as_ref().map(|h| h.join(".docker"));
        let certs = settings.cert_path.clone().or_else(|| settings.tls_verify.then(home).flatten());
        let named_by = format!("DOCKER_HOST {given:?}");
        Self::named(given, certs).map_err(|reason| HostError { named_by, reason })
    }

    fn named(given: &str, certs: Option<PathBuf>) -> Result<Self, String> {
        let refused = |reason: &str| Err(reason.to_owned());
        match given.split_once("://") {
            _ if given.is_empty() => Ok(Self::Unix(SOCKET.into())),
            Some(("unix", "")) => Ok(Self::Unix(SOCKET.into())),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("unix", _)) => refused("the path of a socket begins with /"),
            Some(("tcp" | "http" | "https", rest)) => tcp(rest, certs),
            Some(("npipe", _)) => refused(
                "named pipes are not spoken here; let Docker Desktop expose tcp://localhost:2375, or run rmachine in WSL",
            ),
            Some(("ssh", _)) => refused(
                "engines behind SSH are not spoken to; forward the socket with `ssh -L` and name it with unix://",
            ),
            _ => refused("it is neither unix:///path nor tcp://host:port"),
        }
    }

    /// `limit` holds for each step of connecting and of each request.
    pub async fn connect(&self, limit: Duration) -> Result<Connection, EngineError> {
        match self {
            Self::Unix(path) => over_socket(path, limit).await,
            Self::Tcp { host, port, certs: None } => {
                let (host, port) = (host.clone(), *port);
                let client = EngineClient::over(dial(&host, port, limit).await?, limit).await?;
                let redial = Redial::new(move || {
                    let host = host.clone();
                    async move { dial(&host, port, limit).await }
                });
                Ok(Connection { client: client.redial_with(redial), peer: None })
            }
            Self::Tcp { host, port, certs: Some(dir) } => {
                let tls = read_certs(dir)?;
                let client = connect_tls(host, *port, host.as_str(), &tls, limit).await?;
                Ok(Connection { client, peer: None })
            }
        }
    }

    /// The host on which the engine runs, when that may be another computer.
    pub fn remote(&self) -> Option<&HostAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp { host, .. } => Some(host).filter(|h| !is_loopback(h)),
        }
    }
}

impl std::fmt::Display for EngineHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{}", host.with_port(*port)),
        }
    }
}

fn tcp(rest: &str, certs: Option<PathBuf>) -> Result<EngineHost, String> {
    let default = if certs.is_some() { TLS_PORT } else { PLAIN_PORT };
    let rest = rest.trim_end_matches('/');
    let bare_v6 = rest.ends_with(']') || rest.matches(':').count() > 1 && !rest.contains(']');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !bare_v6 => {
            (host, port.parse().map_err(|_| format!("{port:?} is not a port"))?)
        }
        _ => (rest, default),
    };
    let host =
        HostAddr::parse(if host.is_empty() { "127.0.0.1" } else { host }).map_err(|e| e.to_string())?;
    Ok(EngineHost::Tcp { host, port, certs })
}

fn is_loopback(host: &HostAddr) -> bool {
    let address = host.as_str().parse::<std::net::IpAddr>();
    host.as_str() == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

async fn over_socket(path: &Path, limit: Duration) -> Result<Connection, EngineError> {
    let stream = dial_unix(path, limit).await?;
    let peer = stream.peer_cred().ok().and_then(|c| c.pid()).filter(|pid| *pid > 0);
    let path = path.to_owned();
    let redial = Redial::new(move || {
        let path = path.clone();
        async move { dial_unix(&path, limit).await }
    });
    let client = EngineClient::over(stream, limit).await?.redial_with(redial);
    Ok(Connection { client, peer })
}

async fn dial_unix(path: &Path, limit: Duration) -> Result<UnixStream, EngineError> {
    let shown = || path.display().to_string();
    let Ok(made) = timeout(limit, UnixStream::connect(path)).await else {
        return Err(EngineError::DialTimeout { what: format!("dial unix {}", shown()) });
    };
    made.map_err(|source| EngineError::Socket { path: shown(), source })
}

/// Under the names that the docker CLI looks for.
fn read_certs(dir: &Path) -> Result<TlsFiles, EngineError> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).map_err(|e| EngineError::own_file(&path, e))
    };
    Ok(TlsFiles { ca: read("ca.pem")?, cert: read("cert.pem")?, key: SecretString::from(read("key.pem")?) })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn parse(host: &str) -> Result<String, String> {
        let settings = HostSettings { host: Some(host.to_owned()), ..HostSettings::default() };
        EngineHost::parse(&settings).map(|h| h.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn hosts() {
        for (given, understood) in [
            ("", "unix:///var/run/docker.sock"),
            ("unix://", "unix:///var/run/docker.sock"),
            ("unix:///run/user/1/docker.sock", "unix:///run/user/1/docker.sock"),
            ("tcp://10.0.0.5", "tcp://10.0.0.5:2375"),
            ("tcp://h:4243/", "tcp://h:4243"),
            ("tcp://:2375", "tcp://127.0.0.1:2375"),
            ("tcp://[::1]:99", "tcp://[::1]:99"),
            ("tcp://[::1]", "tcp://[::1]:2375"),
            ("http://h:80", "tcp://h:80"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(understood), "{given}");
        }
        for (given, reason) in [
            ("unix://relative", "begins with /"),
            ("npipe:////./pipe/docker_engine", "named pipes"),
            ("ssh://me@h", "behind SSH"),
            ("fd://", "neither"),
            ("h:2375", "neither"),
            ("tcp://h:port", "is not a port"),
            ("tcp://a b:1", "neither a host name"),
        ] {
            let told = parse(given).unwrap_err();
            assert!(told.contains(reason) && told.contains(given), "{told}");
        }
    }

    #[test]
    fn certificates_make_it_tls() {
        let with = |cert_path: Option<&str>, tls_verify| {
            let settings = HostSettings {
                host: Some("tcp://h".into()),
                cert_path: cert_path.map(Into::into),
                tls_verify,
                home: Some("/home/me".into()),
                ..HostSettings::default()
            };
            match EngineHost::parse(&settings).unwrap() {
                EngineHost::Tcp { port, certs, .. } => (port, certs),
                EngineHost::Unix(_) => panic!(),
            }
        };
        assert_eq!(with(None, false), (2375, None));
        assert_eq!(with(None, true), (2376, Some("/home/me/.docker".into())));
        assert_eq!(with(Some("/c"), false), (2376, Some("/c".into())));
    }

    #[test]
    fn what_is_remote() {
        let remote = |host: &str| {
            let settings = HostSettings { host: Some(host.into()), ..HostSettings::default() };
            EngineHost::parse(&settings).unwrap().remote().map(ToString::to_string)
        };
        assert_eq!(remote("tcp://10.0.0.5"), Some("10.0.0.5".to_owned()));
        assert_eq!(remote("tcp://127.0.0.1:1"), None);
        assert_eq!(remote("tcp://localhost"), None);
        assert_eq!(remote(""), None);
    }

    #[tokio::test]
    async fn sockets_that_do_not_answer_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none.sock");
        let host = EngineHost::Unix(path.clone());
        let told = host.connect(Duration::from_secs(1)).await.unwrap_err().to_string();
        assert_eq!(told, format!("dial unix {}: connect: no such file or directory", path.display()));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let told = host.connect(Duration::from_secs(1)).await.unwrap_err().to_string();
        assert_eq!(told, format!("dial unix {}: connect: connection refused", path.display()));
    }

    #[tokio::test]
    async fn get_connects_again_to_a_socket_that_was_closed_between_two_requests() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                drop(stream.read(&mut [0; 4096]).await);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await.unwrap();
            }
        });
        let mut made = EngineHost::Unix(path).connect(Duration::from_secs(5)).await.unwrap();
        for _ in 0..3 {
            made.client.ping().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_socket_tells_who_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let made = EngineHost::Unix(path).connect(Duration::from_secs(1)).await.unwrap();
        assert_eq!(made.peer, i32::try_from(std::process::id()).ok());
        drop(listener);
    }
}
