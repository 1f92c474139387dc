//! The local terminal at one end of an interactive session.
//!
//! Raw mode ends on every way out: return, error, signal, and a panic, which in the released program ends it without
//! running destructors.

use std::io;
use std::io::{IsTerminal, Read};
use std::pin::{Pin, pin};
use std::sync::Once;
use std::task::{Context, Poll};

use crossterm::terminal;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::select;
use tokio::sync::{mpsc, watch};

use crate::ssh::SshError;
use crate::ssh::run::{Event, ExitStatus, Running, feed_from};
use crate::ssh::session::put;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

/// What stands for the terminal: the user's, or a test's.
pub(crate) struct Terminal<I, O> {
    pub(crate) term: String,
    pub(crate) input: I,
    pub(crate) output: O,
    /// Changes are told to the host.
    pub(crate) size: watch::Receiver<Size>,
    raw: Option<RawMode>,
}

impl<I, O> Terminal<I, O> {
    pub(crate) fn new(term: &str, input: I, output: O, size: watch::Receiver<Size>) -> Self {
        Self { term: term.to_owned(), input, output, size, raw: None }
    }

    pub(super) fn size(&self) -> Size {
        *self.size.borrow()
    }
}

impl Terminal<LocalStdin, tokio::io::Stdout> {
    /// The user's terminal, in raw mode until this is dropped; `None` where standard input and output are not both one.
    pub(crate) fn local(term: &str) -> Result<Option<Self>, SshError> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Ok(None);
        }
        let broken = |source| SshError::Local { what: "terminal", source };
        let size = watch_size().map_err(broken)?;
        let raw = Some(RawMode::on().map_err(broken)?);
        let term = if term.is_empty() { "xterm" } else { term };
        Ok(Some(Self { raw, ..Self::new(term, local_stdin(), tokio::io::stdout(), size) }))
    }
}

struct RawMode;

impl RawMode {
    fn on() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let earlier = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let _ = terminal::disable_raw_mode();
                earlier(panic);
            }));
        });
        terminal::enable_raw_mode().map(|()| Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
    }
}

fn current_size() -> io::Result<Size> {
    let (columns, rows) = terminal::size()?;
    Ok(Size { columns, rows })
}

#[cfg(unix)]
fn watch_size() -> io::Result<watch::Receiver<Size>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut changes = signal(SignalKind::window_change())?;
    let (sender, receiver) = watch::channel(current_size()?);
    tokio::spawn(async move {
        while !sender.is_closed() && changes.recv().await.is_some() {
            if let Ok(size) = current_size() {
                sender.send_replace(size);
            }
        }
    });
    Ok(receiver)
}

#[cfg(not(unix))]
fn watch_size() -> io::Result<watch::Receiver<Size>> {
    Ok(watch::channel(current_size()?).1)
}

/// Runs an interactive session to its end; `running` has been asked for a terminal and a command.
pub(super) async fn drive<I, O>(mut running: Running, local: Terminal<I, O>) -> Result<ExitStatus, SshError>
where
    I: AsyncRead,
    O: AsyncWrite,
{
    let Terminal { input, output, mut size, raw, .. } = local;
    let (mut output, channel) = (pin!(output), running.input());
    let receive = async {
        loop {
            match running.next().await? {
                Event::Done(status) => return Ok(status),
                Event::Data(_, data) => put("terminal", &mut output, &data).await?,
            }
        }
    };
    let resize = async {
        while size.changed().await.is_ok() {
            let Size { columns, rows } = *size.borrow_and_update();
            let _ = channel.window_change(columns.into(), rows.into(), 0, 0).await;
        }
        std::future::pending().await
    };
    let ended = select! {
        status = receive => status,
        source = feed_from(&channel, input) => Err(SshError::Local { what: "terminal", source }),
        e = interrupted(), if raw.is_some() => Err(e),
        status = resize => status,
    };
    drop(raw);
    ended
}

/// Ctrl-C is a byte for the host in raw mode; a signal comes from elsewhere and ends the session.
#[cfg(unix)]
async fn interrupted() -> SshError {
    use tokio::signal::unix::{SignalKind, signal};
    let told = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    };
    select! {
        () = told(SignalKind::interrupt()) => SshError::Interrupted { signal: "SIGINT", number: 2 },
        () = told(SignalKind::terminate()) => SshError::Interrupted { signal: "SIGTERM", number: 15 },
        () = told(SignalKind::hangup()) => SshError::Interrupted { signal: "SIGHUP", number: 1 },
    }
}

#[cfg(not(unix))]
async fn interrupted() -> SshError {
    std::future::pending().await
}

/// Standard input, read by a thread that does not keep the program from ending, as tokio's own does.
pub(crate) struct LocalStdin {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    rest: Vec<u8>,
}

pub(crate) fn local_stdin() -> LocalStdin {
    let (sender, chunks) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let chunk = io::stdin().lock().read(&mut buffer).map(|n| buffer[..n].to_vec());
            let last = chunk.as_ref().map_or(true, Vec::is_empty);
            if sender.blocking_send(chunk).is_err() || last {
                return;
            }
        }
    });
    LocalStdin { chunks, rest: Vec::new() }
}

impl AsyncRead for LocalStdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match std::task::ready!(self.chunks.poll_recv(cx)) {
                Some(chunk) => self.rest = chunk?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Poll::Ready(Ok(()))
    }
}
