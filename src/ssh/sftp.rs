//! Files of a host, by SFTP over the session that is there already.
//!
//! Requests are pipelined: a file moves as fast as the line, whatever its latency. Names that are not UTF-8 cannot be
//! asked for.

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use rmachine_driver::Cause;
use russh::ChannelMsg;
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as RawError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};

use crate::ssh::{Session, SshError};

/// What every server takes.
const LEAST_CHUNK: u32 = 32 * 1024;
/// What more of a chunk saves is not worth measuring.
const MOST_CHUNK: u32 = 128 * 1024;
/// Chunks that are asked for and not answered yet.
const IN_FLIGHT: usize = 32;
/// A host that is gone is found out by the session's own probes; a slow line may take its time.
const PATIENCE_SECONDS: u64 = 3600;
const POSIX_RENAME: &str = "posix-rename@openssh.com";
const LIMITS: &str = "limits@openssh.com";

/// What a host answers about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileInfo {
    pub(crate) kind: FileKind,
    pub(crate) size: u64,
    /// Permission bits alone.
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    File,
    Dir,
    Link,
    Other,
}

/// Why the host did not do it. Who asked knows the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SftpError {
    #[error("no such file or directory")]
    Missing,
    #[error("permission denied")]
    Denied,
    #[error("no space left on device")]
    Full,
    #[error("the host refuses: {0}")]
    Refused(String),
    #[error("the connection was lost")]
    Lost,
    #[error("its name is not UTF-8, which SFTP servers are not asked for")]
    Name,
}

/// Cheap to clone: all clones speak over one channel.
#[derive(Clone)]
pub(crate) struct Sftp {
    raw: Arc<RawSftpSession>,
    chunk: u32,
    posix_rename: bool,
}

/// A file that is open on the host.
pub(crate) struct RemoteFile {
    sftp: Sftp,
    handle: String,
}

impl fmt::Debug for Sftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sftp").field("chunk", &self.chunk).finish_non_exhaustive()
    }
}

impl Session {
    /// Starts the host's SFTP server on a channel of this session.
    pub(crate) async fn sftp(&self) -> Result<Sftp, SshError> {
        let mut channel = self.channel().await?;
        let refused = |source: Cause| SshError::ChannelRefused {
            at: self.at().to_owned(),
            what: "serve files by SFTP".to_owned(),
            source,
        };
        channel.request_subsystem(true, "sftp").await.map_err(|e| refused(e.into()))?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure | ChannelMsg::Close) | None => {
                    return Err(refused("it has no sftp subsystem".into()));
                }
                Some(_) => {}
            }
        }
        let raw = RawSftpSession::new(channel.into_stream());
        raw.set_timeout(PATIENCE_SECONDS);
        let version = raw.init().await.map_err(|e| refused(e.into()))?;
        let offered = |name| version.extensions.iter().any(|(known, _)| known == name);
        let chunk = if offered(LIMITS) { chunk_of(&raw).await } else { LEAST_CHUNK };
        Ok(Sftp { raw: Arc::new(raw), chunk, posix_rename: offered(POSIX_RENAME) })
    }
}

async fn chunk_of(raw: &RawSftpSession) -> u32 {
    let Ok(limits) = raw.limits().await else { return LEAST_CHUNK };
    let most = limits.max_read_len.min(limits.max_write_len);
    u32::try_from(most).unwrap_or(MOST_CHUNK).clamp(LEAST_CHUNK, MOST_CHUNK)
}

impl Sftp {
    /// Of a link itself.
    pub(crate) async fn lstat(&self, path: &str) -> Result<FileInfo, SftpError> {
        Ok(info(&self.raw.lstat(path).await?.attrs))
    }

    /// Of what a link leads to.
    pub(crate) async fn stat(&self, path: &str) -> Result<FileInfo, SftpError> {
        Ok(info(&self.raw.stat(path).await?.attrs))
    }

    /// The names in a folder, each with what `lstat` says of it.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<(String, FileInfo)>, SftpError> {
        let handle = self.raw.opendir(path).await?.handle;
        let mut entries = Vec::new();
        let ended = loop {
            match self.raw.readdir(handle.as_str()).await {
                Ok(names) => entries.extend(names.files.into_iter().map(|f| (f.filename, info(&f.attrs)))),
                Err(RawError::Status(s)) if s.status_code == StatusCode::Eof => break Ok(()),
                Err(e) => break Err(e.into()),
            }
        };
        // What cannot be closed goes with the session.
        let _ = self.raw.close(handle).await;
        entries.retain(|(name, _)| name != "." && name != "..");
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        ended.map(|()| entries)
    }

    pub(crate) async fn read_link(&self, path: &str) -> Result<String, SftpError> {
        first_name(self.raw.readlink(path).await?.files)
    }

    /// Absolute and without links; `.` is where the login begins.
    pub(crate) async fn real_path(&self, path: &str) -> Result<String, SftpError> {
        first_name(self.raw.realpath(path).await?.files)
    }

    pub(crate) async fn make_dir(&self, path: &str, mode: u32) -> Result<(), SftpError> {
        let attrs = FileAttributes { permissions: Some(mode), ..FileAttributes::empty() };
        Ok(self.raw.mkdir(path, attrs).await.map(drop)?)
    }

    pub(crate) async fn symlink(&self, path: &str, target: &str) -> Result<(), SftpError> {
        // OpenSSH takes the two in the other order than the standard has them, and so does everybody by now.
        Ok(self.raw.symlink(target, path).await.map(drop)?)
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), SftpError> {
        Ok(self.raw.remove(path).await.map(drop)?)
    }

    /// Takes the place of what is there, at once where the server can.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<(), SftpError> {
        if self.posix_rename {
            return match self.raw.extended(POSIX_RENAME, two_strings(from, to)).await? {
                Packet::Status(s) if s.status_code == StatusCode::Ok => Ok(()),
                Packet::Status(s) => Err(RawError::Status(s).into()),
                _ => Err(SftpError::Refused("an answer that makes no sense".to_owned())),
            };
        }
        match self.raw.remove(to).await {
            Err(e) if SftpError::from(e.clone()) != SftpError::Missing => return Err(e.into()),
            _ => {}
        }
        Ok(self.raw.rename(from, to).await.map(drop)?)
    }

    /// Sets what is given.
    pub(crate) async fn set(
        &self,
        path: &str,
        mode: Option<u32>,
        modified: Option<u32>,
    ) -> Result<(), SftpError> {
        let attrs =
            FileAttributes { permissions: mode, atime: modified, mtime: modified, ..FileAttributes::empty() };
        Ok(self.raw.setstat(path, attrs).await.map(drop)?)
    }

    pub(crate) async fn open(&self, path: &str) -> Result<RemoteFile, SftpError> {
        self.open_with(path, OpenFlags::READ, FileAttributes::empty()).await
    }

    /// A file that is not there yet.
    pub(crate) async fn create_new(&self, path: &str, mode: u32) -> Result<RemoteFile, SftpError> {
        let attrs = FileAttributes { permissions: Some(mode), ..FileAttributes::empty() };
        self.open_with(path, OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE, attrs).await
    }

    /// A file that is there; what it held goes.
    pub(crate) async fn overwrite(&self, path: &str) -> Result<RemoteFile, SftpError> {
        self.open_with(path, OpenFlags::WRITE | OpenFlags::TRUNCATE, FileAttributes::empty()).await
    }

    async fn open_with(
        &self,
        path: &str,
        flags: OpenFlags,
        attrs: FileAttributes,
    ) -> Result<RemoteFile, SftpError> {
        let handle = self.raw.open(path, flags, attrs).await?.handle;
        Ok(RemoteFile { sftp: self.clone(), handle })
    }

    /// Servers have one word, "Failure", for a full disk and for everything else.
    pub(crate) async fn is_full(&self, dir: &str) -> bool {
        self.raw
            .statvfs(dir)
            .await
            .is_ok_and(|s| s.blocks_avail == 0 || (s.inodes > 0 && s.inodes_avail == 0))
    }
}

impl RemoteFile {
    /// Hands over the file piece by piece, in order; `taken` says whether more is wanted. `size` is what the file was
    /// last seen to have, and saves asking for what is not there.
    pub(crate) async fn read(
        &self,
        size: u64,
        mut taken: impl AsyncFnMut(Vec<u8>) -> bool,
    ) -> Result<(), SftpError> {
        let chunk = u64::from(self.sftp.chunk);
        // Of a file that claims to be empty, as those of /proc do, the end is looked for.
        let known_end = if size == 0 { u64::MAX } else { size };
        let in_flight = if size == 0 { 1 } else { IN_FLIGHT };
        let (mut ahead, mut asked) = (FuturesOrdered::new(), 0);
        loop {
            while ahead.len() < in_flight && asked < known_end {
                let length = chunk.min(known_end - asked);
                ahead.push_back(self.piece(asked, length));
                asked += length;
            }
            match ahead.next().await {
                None => return Ok(()),
                Some(piece) => match piece? {
                    // The end came sooner than its size said.
                    data if data.is_empty() => return Ok(()),
                    data => {
                        if !taken(data).await {
                            return Ok(());
                        }
                    }
                },
            }
        }
    }

    /// So many bytes, or as many as there are: servers may give fewer at a time.
    async fn piece(&self, offset: u64, length: u64) -> Result<Vec<u8>, SftpError> {
        let mut data: Vec<u8> = Vec::new();
        while (data.len() as u64) < length {
            let got = data.len() as u64;
            let want = u32::try_from(length - got).unwrap_or(LEAST_CHUNK);
            match self.sftp.raw.read(self.handle.as_str(), offset + got, want).await {
                Ok(more) if more.data.is_empty() => break,
                Ok(more) if data.is_empty() => data = more.data,
                Ok(more) => data.extend(more.data),
                Err(RawError::Status(s)) if s.status_code == StatusCode::Eof => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(data)
    }

    /// Writes what `next` hands over until it has nothing left, and says how much that was.
    pub(crate) async fn write(
        &self,
        mut next: impl AsyncFnMut() -> Option<Vec<u8>>,
        mut written: impl FnMut(u64),
    ) -> Result<u64, SftpError> {
        let (mut under_way, mut offset) = (FuturesUnordered::new(), 0);
        while let Some(data) = next().await {
            for part in data.chunks(self.sftp.chunk as usize) {
                if under_way.len() >= IN_FLIGHT
                    && let Some(done) = under_way.next().await
                {
                    written(done?);
                }
                under_way.push(self.put(offset, part.to_vec()));
                offset += part.len() as u64;
            }
        }
        while let Some(done) = under_way.next().await {
            written(done?);
        }
        Ok(offset)
    }

    async fn put(&self, offset: u64, data: Vec<u8>) -> Result<u64, SftpError> {
        let length = data.len() as u64;
        self.sftp.raw.write(self.handle.as_str(), offset, data).await?;
        Ok(length)
    }

    pub(crate) async fn close(self) -> Result<(), SftpError> {
        Ok(self.sftp.raw.close(self.handle).await.map(drop)?)
    }
}

fn info(attrs: &FileAttributes) -> FileInfo {
    let bits = attrs.permissions.unwrap_or_default();
    let kind = match bits & 0o170_000 {
        0o040_000 => FileKind::Dir,
        0o120_000 => FileKind::Link,
        0o100_000 => FileKind::File,
        _ => FileKind::Other,
    };
    FileInfo {
        kind,
        size: attrs.size.unwrap_or_default(),
        mode: bits & 0o7777,
        modified: attrs.mtime.unwrap_or_default(),
    }
}

fn first_name(files: Vec<russh_sftp::protocol::File>) -> Result<String, SftpError> {
    let first = files.into_iter().next().map(|f| f.filename);
    first.ok_or_else(|| SftpError::Refused("an answer without a name".to_owned()))
}

/// As SSH writes strings: their length before them.
fn two_strings(a: &str, b: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for text in [a, b] {
        out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(text.as_bytes());
    }
    out
}

impl From<RawError> for SftpError {
    fn from(error: RawError) -> Self {
        match error {
            RawError::Status(status) => match status.status_code {
                StatusCode::NoSuchFile => Self::Missing,
                StatusCode::PermissionDenied => Self::Denied,
                StatusCode::ConnectionLost | StatusCode::NoConnection => Self::Lost,
                _ if status.error_message.contains("No space left") => Self::Full,
                _ => Self::Refused(status.error_message),
            },
            RawError::Limited(what) => Self::Refused(what),
            RawError::UnexpectedPacket => Self::Refused("an answer that makes no sense".to_owned()),
            _ => Self::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_tell_kinds() {
        let of = |bits| {
            let found = info(&FileAttributes { permissions: Some(bits), ..FileAttributes::empty() });
            (found.kind, found.mode)
        };
        assert_eq!(of(0o100_644), (FileKind::File, 0o644));
        assert_eq!(of(0o042_755), (FileKind::Dir, 0o2755));
        assert_eq!(of(0o120_777), (FileKind::Link, 0o777));
        assert_eq!(of(0o020_666), (FileKind::Other, 0o666));
    }

    #[test]
    fn strings_bear_their_length() {
        assert_eq!(two_strings("a", "bc"), [0, 0, 0, 1, b'a', 0, 0, 0, 2, b'b', b'c']);
    }
}
