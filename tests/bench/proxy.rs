//! A TCP proxy on loopback that counts connections and, if asked to, makes the way long.
//!
//! Bytes wait in a queue until they are due, so that order and throughput stay as they are. A really long way costs the
//! TCP handshake too, which a proxy answers at once; see [`Way::Far`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// Chunks under way in one direction, 16 KiB at most each.
const UNDER_WAY: usize = 1024;

/// How far the target is; each delay is for one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Every byte is this late.
    Delayed(Duration),
    /// As over a network that long: the other end hears of a connection one and a half round trips late as well, and
    /// what the client says before its own end would know of it counts as said when it would.
    Far(Duration),
}

impl Way {
    fn delay(self) -> Duration {
        let (Self::Delayed(delay) | Self::Far(delay)) = self;
        delay
    }

    /// How often the TCP handshake crosses it before each end knows of the connection: the client, the server.
    fn handshake(self) -> (u32, u32) {
        match self {
            Self::Delayed(_) => (0, 0),
            Self::Far(_) => (2, 3),
        }
    }
}

/// How many connections have come in so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Listens until the runtime ends.
pub(crate) async fn start(listen: SocketAddr, target: SocketAddr, way: Way) -> Counter {
    let listener = TcpListener::bind(listen).await.unwrap_or_else(|e| panic!("listen on {listen}: {e}"));
    let counter = Counter::default();
    let count = counter.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            count.0.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(carry(client, target, way));
        }
    });
    counter
}

async fn carry(client: TcpStream, target: SocketAddr, way: Way) {
    let (delay, (client_waits, server_waits)) = (way.delay(), way.handshake());
    let known_to_client = Instant::now() + delay * client_waits;
    sleep(delay * server_waits).await;
    let Ok(server) = TcpStream::connect(target).await else { return };
    for end in [&client, &server] {
        end.set_nodelay(true).expect("TCP_NODELAY on a live connection");
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pump(from_client, to_server, delay, known_to_client);
    let back = pump(from_server, to_client, delay, known_to_client);
    tokio::join!(there, back);
}

/// Hands bytes, and their end, over `delay` after they came.
async fn pump<R, W>(mut from: R, mut to: W, delay: Duration, earliest: Instant)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (queue, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            // An error ends this direction as an end does.
            let n = from.read(&mut buffer).await.unwrap_or(0);
            let at = Instant::now().max(earliest) + delay;
            if queue.send((at, buffer[..n].to_vec())).await.is_err() || n == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        // Fails when the other end has gone already.
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
