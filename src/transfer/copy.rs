//! Carries a plan out: folders, then several files at a time, then links, then what would be spoilt before.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc::channel;
use uuid::Uuid;

use crate::ssh::{FileInfo, FileKind};
use crate::transfer::plan::{Item, plan};
use crate::transfer::side::{Opening, Side, Trouble};
use crate::transfer::{Options, Place, TransferError, Watcher};

/// Small files cost round trips, not bytes: several go at a time.
const AT_ONCE: usize = 8;
/// Between the one that reads and the one that writes.
const PIECES: usize = 8;

/// What was copied, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: Vec<TransferError>,
}

/// Copies sources into a folder, or one of them to a name. What fails does not keep the rest.
pub(crate) async fn copy(
    sources: &[Place],
    target: &Place,
    options: Options,
    watcher: Arc<dyn Watcher>,
) -> Result<Copied, TransferError> {
    let plan = plan(sources, target, options).await?;
    watcher.begin(plan.files.len() as u64, plan.bytes());
    let mut copied = Copied::default();
    for dir in &plan.dirs {
        copied.errors.extend(make_dir(dir).await.err());
    }
    let work = plan.files.iter().map(|item| {
        let watcher = watcher.clone();
        async move {
            watcher.file(&item.from.to_string());
            file(item, options, watcher).await.map(|()| item.info.size)
        }
    });
    let mut done = stream::iter(work).buffer_unordered(AT_ONCE);
    while let Some(result) = done.next().await {
        match result {
            Ok(size) => {
                copied.files += 1;
                copied.bytes += size;
            }
            Err(e) => copied.errors.push(e),
        }
    }
    drop(done);
    for (item, target) in &plan.links {
        copied.errors.extend(link(item, target).await.err());
    }
    // From the inside out: what is put into a folder changes its time, and its mode may forbid that.
    for Item { to, info, .. } in plan.dirs.iter().rev() {
        let set = to.side.set(&to.path, Some(info.mode), Some(info.modified)).await;
        copied.errors.extend(set.err().map(|e| to.cannot("set the mode and time of", e)));
    }
    copied.errors.splice(0..0, plan.errors);
    Ok(copied)
}

async fn make_dir(dir: &Item) -> Result<(), TransferError> {
    let Item { to, info, .. } = dir;
    match to.side.stat(&to.path).await.map_err(|e| to.cannot("write", e))? {
        Some(found) if found.kind == FileKind::Dir => Ok(()),
        Some(_) => Err(to.cannot("write", "it is there and not a directory")),
        // Ours to write into until it is filled.
        None => to.side.make_dir(&to.path, info.mode | 0o700).await.map_err(|e| to.cannot("write", e)),
    }
}

async fn link(item: &Item, target: &Path) -> Result<(), TransferError> {
    let to = &item.to;
    let there = to.side.lstat(&to.path).await.map_err(|e| to.cannot("write", e))?;
    if there.is_some_and(|f| f.kind == FileKind::Dir) {
        return Err(to.cannot("write", "a directory is in the place of the link"));
    }
    if there.is_some() {
        to.side.remove(&to.path).await.map_err(|e| to.cannot("replace", e))?;
    }
    to.side.link(&to.path, target).await.map_err(|e| to.cannot("write", e))
}

/// How a file gets its place.
enum Way {
    /// Beside it first, then by one rename.
    Beside { part: PathBuf, end: PathBuf },
    /// A device, a pipe, or a file in a folder where nothing can be made.
    InPlace(PathBuf),
}

async fn file(item: &Item, options: Options, watcher: Arc<dyn Watcher>) -> Result<(), TransferError> {
    let Item { from, to, info } = item;
    let mode = if options.recursive { info.mode } else { info.mode & 0o777 };
    let (way, there) = way(from, to).await?;
    // An existing file keeps its mode, unless modes are what is copied.
    let mode = there.filter(|_| !options.recursive).map_or(mode, |f| f.mode);
    let (open, way) = open(to, way, there.is_some()).await?;
    let (send, receive) = channel(PIECES);
    let moved: Arc<dyn Fn(u64) + Send + Sync> = Arc::new(move |n| watcher.moved(n));
    let (read, written) =
        tokio::join!(from.side.read(&from.path, info.size, send), open.write(receive, moved));
    let done = match (read, written) {
        (_, Err(e)) => {
            let e = to.side.explain(e, &to.path).await;
            Err((to.cannot("write", &e), e))
        }
        (Err(e), _) => Err((from.cannot("read", &e), Trouble::Missing)),
        (Ok(()), Ok(false)) => Err((from.cannot("read", "it ended early"), Trouble::Missing)),
        (Ok(()), Ok(true)) => Ok(()),
    };
    let Way::Beside { part, end } = way else { return done.map_err(|(e, _)| e) };
    let done = match done {
        Ok(()) => place(to, &part, &end, mode, options.recursive.then_some(info.modified)).await,
        Err(e) => Err(e),
    };
    match done {
        Ok(()) => Ok(()),
        Err((error, trouble)) => Err(clean_up(&to.side, &part, error, &trouble).await),
    }
}

async fn way(from: &Place, to: &Place) -> Result<(Way, Option<FileInfo>), TransferError> {
    let cannot = |e: Trouble| to.cannot("write", e);
    let there = to.side.lstat(&to.path).await.map_err(cannot)?;
    // What a link leads to is what is written.
    let (end, there) = match there {
        Some(found) if found.kind == FileKind::Link => {
            let real = to.side.real_path(&to.path).await.map_err(cannot)?;
            let there = to.side.stat(&real).await.map_err(cannot)?;
            (real, there)
        }
        there => (to.path.clone(), there),
    };
    match there {
        Some(found) if found.kind == FileKind::Dir => Err(to.cannot("write", "it is a directory")),
        Some(found) if found.kind == FileKind::Other => Ok((Way::InPlace(end), there)),
        _ => {
            same_file(from, to, &end).await?;
            Ok((Way::Beside { part: part_of(&end), end }, there))
        }
    }
}

/// Copied onto itself, a file would lose nothing here; whoever asks has mistaken one name for another.
async fn same_file(from: &Place, to: &Place, end: &Path) -> Result<(), TransferError> {
    if from.side.machine() != to.side.machine() {
        return Ok(());
    }
    let real = |path: PathBuf, side: Side| async move { side.real_path(&path).await.ok() };
    let (a, b) =
        (real(from.path.clone(), from.side.clone()).await, real(end.to_owned(), to.side.clone()).await);
    if a.is_some() && a == b {
        Err(to.cannot("write", "it is the file that is to be copied"))
    } else {
        Ok(())
    }
}

fn part_of(end: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    // As long as a name may be, it is with this beside it.
    let own: String = end.file_name().unwrap_or_default().to_string_lossy().chars().take(60).collect();
    name.push(own);
    name.push(format!(".rmachine-{}", &Uuid::new_v4().simple().to_string()[..8]));
    end.with_file_name(name)
}

async fn open(
    to: &Place,
    way: Way,
    there: bool,
) -> Result<(crate::transfer::side::Open, Way), TransferError> {
    let (path, how) = match &way {
        Way::Beside { part, .. } => (part.clone(), Opening::New { mode: 0o600 }),
        Way::InPlace(end) => (end.clone(), Opening::InPlace),
    };
    match (to.side.open(&path, how).await, way) {
        (Ok(open), way) => Ok((open, way)),
        // Nothing can be made beside it, but it may be ours to write.
        (Err(Trouble::Denied), Way::Beside { end, .. }) if there => {
            let open = to.side.open(&end, Opening::InPlace).await.map_err(|e| to.cannot("write", e))?;
            Ok((open, Way::InPlace(end)))
        }
        (Err(e), _) => {
            let e = to.side.explain(e, &path).await;
            Err(to.cannot("write", e))
        }
    }
}

async fn place(
    to: &Place,
    part: &Path,
    end: &Path,
    mode: u32,
    modified: Option<u32>,
) -> Result<(), (TransferError, Trouble)> {
    let set = to.side.set(part, Some(mode), modified).await;
    let placed = match set {
        Ok(()) => to.side.rename(part, end).await,
        Err(e) => Err(e),
    };
    placed.map_err(|e| (to.cannot("write", &e), e))
}

async fn clean_up(side: &Side, part: &Path, mut error: TransferError, trouble: &Trouble) -> TransferError {
    let removed = if *trouble == Trouble::Lost { Err(Trouble::Lost) } else { side.remove(part).await };
    if removed.is_err() {
        let place = Place::new(side.clone(), part);
        error.left =
            Some(format!("left behind: {place}, a part of it; under its own name is what was there before"));
    }
    error
}
