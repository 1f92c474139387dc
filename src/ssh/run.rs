//! One command or shell on a channel: what it says, and how it ends.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use rmachine_driver::Cause;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::ssh::hostkey::SharedNotes;
use crate::ssh::{Size, SshError};

/// Which of its two voices a command used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Code(u32),
    /// The signal's name without SIG.
    Signal(String),
}

/// A finished command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl ExitStatus {
    pub(crate) fn success(&self) -> bool {
        *self == Self::Code(0)
    }

    /// As a shell gives it: 128 and the signal's number for a signal.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Code(code) => i32::try_from(*code).unwrap_or(255),
            Self::Signal(name) => 128 + signal_number(name),
        }
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// The numbers that Linux and the BSDs agree on; USR1 is Linux's.
fn signal_number(name: &str) -> i32 {
    const NUMBERS: [(&str, i32); 12] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("ABRT", 6),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
    ];
    NUMBERS.iter().find(|(known, _)| *known == name).map_or(127, |(_, number)| *number)
}

fn name_of(signal: Sig) -> String {
    match signal {
        Sig::Custom(name) => name,
        known => format!("{known:?}"),
    }
}

pub(super) enum Event {
    Data(Stream, Vec<u8>),
    Done(ExitStatus),
}

/// The way in, shared by whoever feeds and whoever closes.
pub(super) type Input = Arc<ChannelWriteHalf<Msg>>;

/// A channel with something running on it; dropping it before the end closes the channel.
pub(super) struct Running {
    read: ChannelReadHalf,
    input: Input,
    /// What was asked for and not yet answered, in order.
    asked: VecDeque<&'static str>,
    status: Option<ExitStatus>,
    closed: bool,
    at: String,
    notes: SharedNotes,
}

impl Running {
    pub(super) fn new(channel: Channel<Msg>, at: &str, notes: &SharedNotes) -> Self {
        let (read, write) = channel.split();
        Self {
            read,
            input: Arc::new(write),
            asked: VecDeque::new(),
            status: None,
            closed: false,
            at: at.to_owned(),
            notes: notes.clone(),
        }
    }

    pub(super) fn input(&self) -> Input {
        Arc::clone(&self.input)
    }

    pub(super) async fn ask_pty(&mut self, term: &str, size: Size) -> Result<(), SshError> {
        self.asked.push_back("open a terminal");
        let asked =
            self.input.request_pty(true, term, size.columns.into(), size.rows.into(), 0, 0, &[]).await;
        asked.map_err(|e| self.lost(Some(e.into())))
    }

    /// The user's shell when there is no command.
    pub(super) async fn ask_run(&mut self, command: Option<&str>) -> Result<(), SshError> {
        self.asked.push_back("run a command");
        let asked = match command {
            Some(command) => self.input.exec(true, command).await,
            None => self.input.request_shell(true).await,
        };
        asked.map_err(|e| self.lost(Some(e.into())))
    }

    /// Can be dropped half-way without losing anything.
    pub(super) async fn next(&mut self) -> Result<Event, SshError> {
        loop {
            match self.read.wait().await {
                Some(ChannelMsg::Data { data }) => return Ok(Event::Data(Stream::Stdout, data.into())),
                Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                    return Ok(Event::Data(Stream::Stderr, data.into()));
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.status = Some(ExitStatus::Code(exit_status));
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.status = Some(ExitStatus::Signal(name_of(signal_name)));
                }
                Some(ChannelMsg::Success) => drop(self.asked.pop_front()),
                Some(ChannelMsg::Failure) => {
                    let what = self.asked.pop_front().unwrap_or("do something").to_owned();
                    let source = "the host does not allow it".into();
                    return Err(SshError::ChannelRefused { at: self.at.clone(), what, source });
                }
                Some(ChannelMsg::Close) | None => return self.end(),
                Some(_) => {}
            }
        }
    }

    fn end(&mut self) -> Result<Event, SshError> {
        self.closed = true;
        match self.status.take() {
            Some(status) => Ok(Event::Done(status)),
            None if self.notes.get().ended.is_some() => Err(self.lost(None)),
            None => Err(SshError::NoExitStatus { at: self.at.clone() }),
        }
    }

    fn lost(&self, source: Option<Cause>) -> SshError {
        let reason = self.notes.get().ended.clone().unwrap_or_else(|| "it hung up".to_owned());
        SshError::Lost { at: self.at.clone(), reason, source }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.closed {
            let input = self.input();
            runtime.spawn(async move { input.close().await });
        }
    }
}

/// Small enough for one packet.
const CHUNK: usize = 32 * 1024;

/// Sends all of `data` as the host has room for it, then the end. That the other side no longer listens is told by
/// how it ends.
pub(super) async fn feed(input: &Input, data: &[u8]) {
    for chunk in data.chunks(CHUNK) {
        if input.data_bytes(chunk.to_vec()).await.is_err() {
            return;
        }
    }
    let _ = input.eof().await;
}

/// Returns only when the local side cannot be read: what ends a command is the command.
pub(super) async fn feed_from(input: &Input, source: impl AsyncRead) -> io::Error {
    let mut source = pin!(source);
    let mut buffer = vec![0; CHUNK];
    loop {
        match source.read(&mut buffer).await {
            Err(e) => return e,
            Ok(0) => break,
            Ok(n) if input.data_bytes(buffer[..n].to_vec()).await.is_err() => break,
            Ok(_) => {}
        }
    }
    let _ = input.eof().await;
    pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(ExitStatus::Code(7).code(), 7);
        assert_eq!(ExitStatus::Signal("TERM".into()).code(), 143);
        assert_eq!(ExitStatus::Signal("KILL".into()).code(), 137);
        assert_eq!(ExitStatus::Signal("SOMETHING@example.com".into()).code(), 255);
        assert_eq!(name_of(Sig::SEGV), "SEGV");
        assert_eq!(name_of(Sig::Custom("XCPU".into())), "XCPU");
    }
}
