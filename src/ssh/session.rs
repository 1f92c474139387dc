//! What can be done with a host once it let us in.

use std::fmt;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rmachine_driver::describe_error;
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelOpenFailure, ChannelStream, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::select;
use tokio::time::{sleep, timeout};

use crate::ssh::hostkey::{Client, SharedNotes};
use crate::ssh::lines::Lines;
use crate::ssh::run::{Event, ExitStatus, Output, Running, Stream, feed, feed_from};
use crate::ssh::terminal::Terminal;
use crate::ssh::{SshError, terminal};

/// sshd counts a command that has ended until it gets round to it; where MaxSessions is 1, the next is refused till then.
const REFUSED_PAUSES: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(50), Duration::from_millis(250)];

/// One live connection; everything runs over it, several things at a time if need be.
pub(crate) struct Session {
    handle: Handle<Client>,
    /// The jump hosts on the way; they must outlive the connection that runs through them.
    jumps: Vec<Handle<Client>>,
    at: String,
    host_key: String,
    notes: SharedNotes,
    /// Open, and nothing runs on it yet.
    spare: Mutex<Option<Channel<Msg>>>,
}

/// A byte stream to something that the host can reach.
pub(crate) type Forward = ChannelStream<Msg>;

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("at", &self.at)
            .field("host_key", &self.host_key)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        handle: Handle<Client>,
        jumps: Vec<Handle<Client>>,
        at: String,
        host_key: String,
        notes: SharedNotes,
    ) -> Self {
        Self { handle, jumps, at, host_key, notes, spare: Mutex::new(None) }
    }

    /// As the host showed it, an OpenSSH public key line.
    pub(crate) fn host_key(&self) -> &str {
        &self.host_key
    }

    /// Runs a command to its end. `stdin` is sent, then closed.
    pub(crate) async fn output(&self, command: &str, stdin: &[u8]) -> Result<Output, SshError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let keep = |stream, data: &[u8]| match stream {
            Stream::Stdout => stdout.extend_from_slice(data),
            Stream::Stderr => stderr.extend_from_slice(data),
        };
        let status = self.run(command, stdin, keep).await?;
        Ok(Output { status, stdout, stderr })
    }

    /// Runs a command and hands over each line of its output as it comes.
    pub(crate) async fn lines(
        &self,
        command: &str,
        stdin: &[u8],
        mut on_line: impl FnMut(Stream, &str),
    ) -> Result<ExitStatus, SshError> {
        let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
        let status = self
            .run(command, stdin, |stream, data| match stream {
                Stream::Stdout => stdout.push(data, |line| on_line(stream, line)),
                Stream::Stderr => stderr.push(data, |line| on_line(stream, line)),
            })
            .await?;
        stdout.finish(|line| on_line(Stream::Stdout, line));
        stderr.finish(|line| on_line(Stream::Stderr, line));
        Ok(status)
    }

    /// The same for a command whose input stays open until it ends, or until this is dropped.
    pub(crate) async fn lines_held(
        &self,
        command: &str,
        mut on_line: impl FnMut(Stream, &str),
    ) -> Result<ExitStatus, SshError> {
        let mut running = self.start(Some(command)).await?;
        let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
        let status = loop {
            match running.next().await? {
                Event::Done(status) => break status,
                Event::Data(Stream::Stdout, data) => stdout.push(&data, |line| on_line(Stream::Stdout, line)),
                Event::Data(Stream::Stderr, data) => stderr.push(&data, |line| on_line(Stream::Stderr, line)),
            }
        };
        stdout.finish(|line| on_line(Stream::Stdout, line));
        stderr.finish(|line| on_line(Stream::Stderr, line));
        Ok(status)
    }

    async fn run(
        &self,
        command: &str,
        stdin: &[u8],
        mut on_data: impl FnMut(Stream, &[u8]),
    ) -> Result<ExitStatus, SshError> {
        let mut running = self.start(Some(command)).await?;
        let input = running.input();
        let mut feeding = pin!(feed(&input, stdin));
        let mut fed = false;
        loop {
            select! {
                () = &mut feeding, if !fed => fed = true,
                event = running.next() => match event? {
                    Event::Data(stream, data) => on_data(stream, &data),
                    Event::Done(status) => return Ok(status),
                },
            }
        }
    }

    /// Runs a command, or the user's shell, between local streams. Ends when the command does, whatever `stdin` does;
    /// give it [`crate::ssh::local_stdin`], for tokio's own keeps the program from ending while a read is under way.
    pub(crate) async fn pipe(
        &self,
        command: Option<&str>,
        stdin: impl AsyncRead,
        stdout: impl AsyncWrite,
        stderr: impl AsyncWrite,
    ) -> Result<ExitStatus, SshError> {
        let (mut stdout, mut stderr) = (pin!(stdout), pin!(stderr));
        let mut running = self.start(command).await?;
        let input = running.input();
        let receive = async {
            loop {
                match running.next().await? {
                    Event::Done(status) => return Ok(status),
                    Event::Data(Stream::Stdout, data) => put("standard output", &mut stdout, &data).await?,
                    Event::Data(Stream::Stderr, data) => put("standard error", &mut stderr, &data).await?,
                }
            }
        };
        select! {
            status = receive => status,
            source = feed_from(&input, stdin) => Err(SshError::Local { what: "standard input", source }),
        }
    }

    /// Runs a command, or the user's shell, on a terminal of the host's.
    pub(crate) async fn shell<I, O>(
        &self,
        command: Option<&str>,
        local: Terminal<I, O>,
    ) -> Result<ExitStatus, SshError>
    where
        I: AsyncRead,
        O: AsyncWrite,
    {
        let mut running = Running::new(self.channel().await?, &self.at, &self.notes);
        running.ask_pty(&local.term, local.size()).await?;
        running.ask_run(command).await?;
        terminal::drive(running, local).await
    }

    /// A connection that the host makes to `host:port`.
    pub(crate) async fn direct_tcpip(&self, host: &str, port: u16) -> Result<Forward, SshError> {
        let opened = self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await;
        let channel = opened.map_err(|e| self.not_opened(e, &format!("connect to {host}:{port}")))?;
        Ok(channel.into_stream())
    }

    /// A connection to a Unix socket on the host.
    pub(crate) async fn unix_socket(&self, path: &str) -> Result<Forward, SshError> {
        let opened = self.handle.channel_open_direct_streamlocal(path).await;
        let channel = opened.map_err(|e| self.not_opened(e, &format!("connect to {path}")))?;
        Ok(channel.into_stream())
    }

    /// Opens the channel of the next command while another runs, which saves that one a round trip. A host that allows
    /// no second one at a time is asked again when the first has ended.
    pub(crate) async fn prepare(&self) {
        let opened = timeout(Duration::from_secs(1), self.handle.channel_open_session()).await;
        if let Ok(Ok(channel)) = opened {
            *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
        }
    }

    /// Says goodbye and waits, not for long, until it is heard.
    pub(crate) async fn close(self) {
        for handle in [self.handle].into_iter().chain(self.jumps.into_iter().rev()) {
            let goodbye = async {
                let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
                let _ = handle.await;
            };
            let _ = timeout(Duration::from_secs(1), goodbye).await;
        }
    }

    async fn start(&self, command: Option<&str>) -> Result<Running, SshError> {
        let mut running = Running::new(self.channel().await?, &self.at, &self.notes);
        running.ask_run(command).await?;
        Ok(running)
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    pub(super) async fn channel(&self) -> Result<Channel<Msg>, SshError> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(channel) = spare {
            return Ok(channel);
        }
        for pause in REFUSED_PAUSES {
            match self.handle.channel_open_session().await {
                Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed)) => {
                    sleep(pause).await;
                }
                opened => return opened.map_err(|e| self.not_opened(e, "open a session")),
            }
        }
        self.handle.channel_open_session().await.map_err(|e| self.not_opened(e, "open a session"))
    }

    fn not_opened(&self, e: russh::Error, what: &str) -> SshError {
        let at = self.at.clone();
        match e {
            russh::Error::ChannelOpenFailure(why) => SshError::ChannelRefused {
                at,
                what: what.to_owned(),
                source: why.description().to_lowercase().into(),
            },
            e => {
                let ended = self.notes.get().ended.clone();
                let reason = ended.unwrap_or_else(|| describe_error(&e));
                SshError::Lost { at, reason, source: Some(e.into()) }
            }
        }
    }
}

pub(super) async fn put(
    what: &'static str,
    sink: &mut (impl AsyncWrite + Unpin),
    data: &[u8],
) -> Result<(), SshError> {
    let written = async {
        sink.write_all(data).await?;
        sink.flush().await
    };
    written.await.map_err(|source| SshError::Local { what, source })
}
