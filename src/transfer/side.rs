//! This computer or a host: the same few verbs for both.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender};

use crate::ssh::{FileInfo, Sftp, SftpError};
use crate::transfer::local::{self, blocking};

#[derive(Clone)]
pub(crate) enum Side {
    Local,
    Host { machine: String, sftp: Sftp },
}

/// A part of a file on its way. Without the last one it is not whole.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Vec<u8>),
    End,
}

/// Why a side did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Missing,
    Denied,
    /// The connection to the host is gone, and with it the way to clean up.
    Lost,
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no such file or directory",
            Self::Denied => "permission denied",
            Self::Lost => "the connection was lost",
            Self::Other(text) => text,
        })
    }
}

impl From<SftpError> for Trouble {
    fn from(error: SftpError) -> Self {
        match error {
            SftpError::Missing => Self::Missing,
            SftpError::Denied => Self::Denied,
            SftpError::Lost => Self::Lost,
            other => Self::Other(other.to_string()),
        }
    }
}

type Done<T> = Result<T, Trouble>;

fn text(path: &Path) -> Done<&str> {
    path.to_str().ok_or_else(|| SftpError::Name.into())
}

impl Side {
    pub(crate) fn machine(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Host { machine, .. } => Some(machine),
        }
    }

    pub(super) fn advice(&self, verb: &str, reason: &str) -> Option<String> {
        let machine = self.machine()?;
        match reason {
            "permission denied" if verb == "write" => Some(format!(
                "copy it to {machine}:/tmp, and move it there with sudo; or name another user: USER@{machine}:"
            )),
            "permission denied" => Some(format!("name a user who may: USER@{machine}:")),
            "no space left on device" => Some(format!("make room: see `df -h` on {machine}")),
            _ => None,
        }
    }

    pub(super) async fn lstat(&self, path: &Path) -> Done<Option<FileInfo>> {
        let found = match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || local::lstat(&path)).await
            }
            Self::Host { sftp, .. } => sftp.lstat(text(path)?).await.map_err(Trouble::from),
        };
        absent(found)
    }

    pub(super) async fn stat(&self, path: &Path) -> Done<Option<FileInfo>> {
        let found = match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || local::stat(&path)).await
            }
            Self::Host { sftp, .. } => sftp.stat(text(path)?).await.map_err(Trouble::from),
        };
        absent(found)
    }

    pub(super) async fn list(&self, path: &Path) -> Done<Vec<(PathBuf, FileInfo)>> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || local::list(&path)).await
            }
            Self::Host { sftp, .. } => {
                let entries = sftp.list(text(path)?).await?;
                // A server's word is not ours to follow out of the folder.
                let plain = |name: &str| Path::new(name).file_name() == Some(OsStr::new(name));
                if let Some((name, _)) = entries.iter().find(|(name, _)| !plain(name)) {
                    return Err(Trouble::Other(format!(
                        "the host lists {name:?}, which is no name of a file"
                    )));
                }
                Ok(entries.into_iter().map(|(name, info)| (name.into(), info)).collect())
            }
        }
    }

    pub(super) async fn read_link(&self, path: &Path) -> Done<PathBuf> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || fs::read_link(path)).await
            }
            Self::Host { sftp, .. } => Ok(sftp.read_link(text(path)?).await?.into()),
        }
    }

    pub(super) async fn real_path(&self, path: &Path) -> Done<PathBuf> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || fs::canonicalize(path)).await
            }
            Self::Host { sftp, .. } => Ok(sftp.real_path(text(path)?).await?.into()),
        }
    }

    pub(super) async fn make_dir(&self, path: &Path, mode: u32) -> Done<()> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || local::make_dir(&path, mode)).await
            }
            Self::Host { sftp, .. } => Ok(sftp.make_dir(text(path)?, mode).await?),
        }
    }

    pub(super) async fn link(&self, path: &Path, target: &Path) -> Done<()> {
        match self {
            Self::Local => {
                let (path, target) = (path.to_owned(), target.to_owned());
                blocking(move || local::link(&path, &target)).await
            }
            Self::Host { sftp, .. } => Ok(sftp.symlink(text(path)?, text(target)?).await?),
        }
    }

    pub(super) async fn remove(&self, path: &Path) -> Done<()> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || fs::remove_file(path)).await
            }
            Self::Host { sftp, .. } => Ok(sftp.remove(text(path)?).await?),
        }
    }

    pub(super) async fn rename(&self, from: &Path, to: &Path) -> Done<()> {
        match self {
            Self::Local => {
                let (from, to) = (from.to_owned(), to.to_owned());
                blocking(move || local::rename(&from, &to)).await
            }
            Self::Host { sftp, .. } => Ok(sftp.rename(text(from)?, text(to)?).await?),
        }
    }

    pub(super) async fn set(&self, path: &Path, mode: Option<u32>, modified: Option<u32>) -> Done<()> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || local::set(&path, mode, modified)).await
            }
            Self::Host { sftp, .. } => Ok(sftp.set(text(path)?, mode, modified).await?),
        }
    }

    /// Sends a file's pieces, and the end after the last.
    pub(super) async fn read(&self, path: &Path, size: u64, pieces: Sender<Piece>) -> Done<()> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                blocking(move || local::read(&path, &pieces)).await
            }
            Self::Host { sftp, .. } => {
                let file = sftp.open(text(path)?).await?;
                file.read(size, async |data| pieces.send(Piece::Data(data)).await.is_ok()).await?;
                // The other side may have stopped, and says why.
                let _ = pieces.send(Piece::End).await;
                Ok(file.close().await?)
            }
        }
    }

    /// Opens what the pieces are to go into.
    pub(super) async fn open(&self, path: &Path, how: Opening) -> Done<Open> {
        match self {
            Self::Local => {
                let path = path.to_owned();
                let opened = blocking(move || match how {
                    Opening::New { mode } => local::create(&path, mode),
                    Opening::InPlace => local::overwrite(&path),
                });
                Ok(Open::Local(opened.await?))
            }
            Self::Host { sftp, .. } => Ok(Open::Host(match how {
                Opening::New { mode } => sftp.create_new(text(path)?, mode).await?,
                Opening::InPlace => sftp.overwrite(text(path)?).await?,
            })),
        }
    }

    /// A server that says no more than "Failure" may have a full disk.
    pub(super) async fn explain(&self, trouble: Trouble, path: &Path) -> Trouble {
        let (Self::Host { sftp, .. }, Trouble::Other(_)) = (self, &trouble) else { return trouble };
        let dir = path.parent().and_then(Path::to_str).filter(|d| !d.is_empty()).unwrap_or(".");
        if sftp.is_full(dir).await { SftpError::Full.into() } else { trouble }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Opening {
    New { mode: u32 },
    InPlace,
}

pub(super) enum Open {
    Local(fs::File),
    Host(crate::ssh::RemoteFile),
}

impl Open {
    /// True once the end was heard.
    pub(super) async fn write(
        self,
        mut pieces: Receiver<Piece>,
        moved: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Done<bool> {
        match self {
            Self::Local(file) => blocking(move || local::write(file, pieces, moved.as_ref())).await,
            Self::Host(file) => {
                let mut whole = false;
                let next = async || match pieces.recv().await {
                    Some(Piece::Data(data)) => Some(data),
                    Some(Piece::End) => {
                        whole = true;
                        None
                    }
                    None => None,
                };
                file.write(next, |n| moved(n)).await?;
                file.close().await?;
                Ok(whole)
            }
        }
    }
}

/// Not there is an answer.
fn absent(found: Done<FileInfo>) -> Done<Option<FileInfo>> {
    match found {
        Ok(info) => Ok(Some(info)),
        Err(Trouble::Missing) => Ok(None),
        // A file where a folder would have to be.
        Err(Trouble::Other(text)) if text == "not a directory" => Ok(None),
        Err(e) => Err(e),
    }
}
