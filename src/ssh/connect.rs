//! From nothing to a session: TCP, key exchange, host key, login; each jump host the same way.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rmachine_driver::Cause;
use russh::client;
use russh::client::Handle;
use russh::keys::Algorithm;
use russh::{ChannelOpenFailure, Preferred};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use crate::ssh::hostkey::{self, Client, SharedNotes, sha256};
use crate::ssh::route::{self, Hop};
use crate::ssh::{Connect, Session, SshError, auth};

/// Short in tests, or one of them would take a minute.
const KEEPALIVE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 15 });
const KEEPALIVES_MISSED: usize = 3;
/// How a server's version begins.
const SSH: &str = "SSH-";
/// So many times longer a server may take that has said its version.
const SLOWER: u32 = 9;

/// Opens one TCP connection to the host, or to its first jump host, and logs in.
pub(crate) async fn connect(c: Connect<'_>) -> Result<Session, SshError> {
    let hops = route::plan(&c)?;
    let Some(target) = hops.last() else {
        return Err(SshError::JumpLoop { host: c.endpoint.host.to_string() });
    };
    let mut first_mismatch = None;
    for order in target.trust.orders() {
        match establish(&c, &hops, &order).await {
            Err(e @ SshError::HostKeyChanged { .. }) => first_mismatch = first_mismatch.or(Some(e)),
            result => return result,
        }
    }
    Err(first_mismatch.unwrap_or(SshError::JumpLoop { host: target.host.clone() }))
}

async fn establish(c: &Connect<'_>, hops: &[Hop], order: &[Algorithm]) -> Result<Session, SshError> {
    let mut passed: Vec<Handle<Client>> = Vec::new();
    let mut via = String::new();
    for hop in hops {
        let hop_order = if hop.jump { hop.trust.orders().swap_remove(0) } else { order.to_vec() };
        let result = reach(c, passed.last().map(|handle| (handle, via.as_str())), hop, hop_order).await;
        let (handle, notes) = result.map_err(|e| blame(e, hop))?;
        if !hop.jump {
            let host_key =
                notes.get().host_key.clone().and_then(|key| key.to_openssh().ok()).unwrap_or_default();
            return Ok(Session::new(handle, passed, hop.at(), host_key, notes));
        }
        passed.push(handle);
        via = hop.at();
    }
    Err(SshError::JumpLoop { host: via })
}

/// What goes wrong at a jump host is told as such.
fn blame(e: SshError, hop: &Hop) -> SshError {
    match e {
        e @ SshError::JumpHostUnknown { .. } => e,
        e if hop.jump => SshError::Jump { via: hop.at(), source: Box::new(e) },
        e => e,
    }
}

async fn reach(
    c: &Connect<'_>,
    through: Option<(&Handle<Client>, &str)>,
    hop: &Hop,
    order: Vec<Algorithm>,
) -> Result<(Handle<Client>, SharedNotes), SshError> {
    let deadline = Instant::now() + c.connect_timeout;
    let limit = Limit { deadline, seconds: c.connect_timeout.as_secs_f64().ceil() as u64 };
    let (mut handle, notes) = match through {
        None => handshake(tcp(hop, &limit).await?, c, hop, order, &limit).await?,
        Some((jump, via)) => handshake(tunnel(jump, via, hop, &limit).await?, c, hop, order, &limit).await?,
    };
    auth::authenticate(&mut handle, hop, &notes, c.env, c.prompter).await?;
    Ok((handle, notes))
}

struct Limit {
    deadline: Instant,
    seconds: u64,
}

/// Tries each address of the host, every one for its share of the time.
async fn tcp(hop: &Hop, limit: &Limit) -> Result<TcpStream, SshError> {
    let no_answer = || SshError::NoAnswer { at: hop.at(), seconds: limit.seconds };
    let resolved = timeout_at(limit.deadline, lookup_host((hop.host.as_str(), hop.port))).await;
    let addresses: Vec<_> = resolved
        .map_err(|_| no_answer())?
        .map_err(|source| SshError::Resolve { host: hop.host.clone(), source })?
        .collect();
    let mut last = no_answer();
    for (i, address) in addresses.iter().enumerate() {
        let left = limit.deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - i).unwrap_or(1);
        last = match timeout(share, TcpStream::connect(address)).await {
            // An exec on a live connection takes 44 ms instead of 2 with Nagle's delay.
            Ok(Ok(stream)) => {
                return stream.set_nodelay(true).map(|()| stream).map_err(|e| unreachable(hop, e));
            }
            Ok(Err(e)) if e.kind() == io::ErrorKind::TimedOut => no_answer(),
            Ok(Err(e)) => unreachable(hop, e),
            Err(_) => no_answer(),
        };
    }
    Err(last)
}

fn unreachable(hop: &Hop, source: io::Error) -> SshError {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => SshError::Refused { at: hop.at() },
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            SshError::Closed { at: hop.at() }
        }
        _ => SshError::Unreachable { at: hop.at(), source },
    }
}

async fn tunnel(
    jump: &Handle<Client>,
    via: &str,
    hop: &Hop,
    limit: &Limit,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, SshError> {
    let open = jump.channel_open_direct_tcpip(hop.host.clone(), hop.port.into(), "127.0.0.1", 0);
    let refused = |source: Cause, forbidden| SshError::JumpRefused {
        via: via.to_owned(),
        at: hop.at(),
        source,
        forbidden,
    };
    match timeout_at(limit.deadline, open).await {
        Ok(Ok(channel)) => Ok(channel.into_stream()),
        Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited))) => {
            Err(refused("it does not forward connections".into(), true))
        }
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
            Err(refused(why.description().to_lowercase().into(), false))
        }
        Ok(Err(e)) => Err(refused(e.into(), false)),
        Err(_) => Err(refused(format!("no answer within {} s", limit.seconds).into(), false)),
    }
}

async fn handshake<S>(
    stream: S,
    c: &Connect<'_>,
    hop: &Hop,
    order: Vec<Algorithm>,
    limit: &Limit,
) -> Result<(Handle<Client>, SharedNotes), SshError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (said, notes) = (Said::default(), SharedNotes::default());
    let stream = Listening { stream, said: said.clone() };
    let client = Client { trust: hop.trust.clone(), notes: notes.clone() };
    let mut shaking = pin!(client::connect_stream(settings(order), stream, client));
    let mut shaken = timeout_at(limit.deadline, &mut shaking).await;
    if shaken.is_err() && said.line().starts_with(SSH) {
        // It is a host, and only slow: a small or an emulated one needs long for its keys.
        shaken = timeout(c.connect_timeout * SLOWER, shaking).await;
    }
    let handle = match shaken {
        Err(_) => return Err(SshError::Silent { at: hop.at(), seconds: limit.seconds }),
        Ok(Err(e)) => return Err(not_shaken(e, hop, &notes, &said.line())),
        Ok(Ok(handle)) => handle,
    };
    let key = notes.get().host_key.clone();
    let revoked = key.and_then(|key| Some((hostkey::revoked(c.env.home.as_deref(), &key)?, key)));
    match revoked.filter(|_| hop.jump) {
        Some((path, key)) => Err(SshError::HostKeyRevoked { at: hop.at(), seen: sha256(&key), path }),
        None => Ok((handle, notes)),
    }
}

fn settings(order: Vec<Algorithm>) -> Arc<client::Config> {
    Arc::new(client::Config {
        preferred: Preferred { key: order.into(), ..Preferred::DEFAULT },
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES_MISSED,
        nodelay: true,
        ..client::Config::default()
    })
}

fn not_shaken(e: russh::Error, hop: &Hop, notes: &SharedNotes, said: &str) -> SshError {
    let at = hop.at();
    match (&e, &notes.get().host_key) {
        (russh::Error::UnknownKey, Some(key)) => {
            let (seen, expected) = (sha256(key), hop.trust.expected());
            if expected.is_empty() {
                SshError::JumpHostUnknown { at, user: hop.user.clone(), seen }
            } else {
                SshError::HostKeyChanged { at, expected, seen }
            }
        }
        // What sshd says in place of its version when it is overrun, or angry at our address.
        _ if said.starts_with("Exceeded MaxStartups") || said.starts_with("Not allowed at this time") => {
            SshError::Busy { at, said: said.to_owned() }
        }
        _ if !said.is_empty() && !said.starts_with("SSH-") => SshError::NotSsh { at, said: said.to_owned() },
        (russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP, _) => SshError::Closed { at },
        _ => SshError::Handshake { at, source: e.into() },
    }
}

/// The first bytes of the other side, to tell what it is if it is no SSH server. Peeking before we speak would cost a
/// round trip.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    const ENOUGH: usize = 80;

    fn hear(&self, bytes: &[u8]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::ENOUGH.saturating_sub(heard.len());
        heard.extend(bytes.iter().take(room));
    }

    fn line(&self) -> String {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = heard.split(|b| *b == b'\r' || *b == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }
}

struct Listening<S> {
    stream: S,
    said: Said,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.said.hear(&buf.filled()[before..]);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
