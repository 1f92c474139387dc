//! What is to be copied where: sources looked at, trees walked, links judged.

use std::path::{Component, Path, PathBuf};

use crate::ssh::{FileInfo, FileKind};
use crate::transfer::side::Trouble;
use crate::transfer::{Options, Place, TransferError};

/// All that one copy does, in the order in which it is done.
#[derive(Default)]
pub(super) struct Plan {
    /// Parents before what is in them.
    pub(super) dirs: Vec<Item>,
    pub(super) files: Vec<Item>,
    pub(super) links: Vec<(Item, PathBuf)>,
    /// What could not be looked at; the rest is copied.
    pub(super) errors: Vec<TransferError>,
}

pub(super) struct Item {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) info: FileInfo,
}

/// A chain of links longer than this is a circle to every system.
const DEEPEST: usize = 64;

impl Plan {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.info.size).sum()
    }
}

/// Where each source goes: into the target where that is a folder, else under its name.
pub(super) async fn plan(sources: &[Place], target: &Place, options: Options) -> Result<Plan, TransferError> {
    let found = target.side.stat(&target.path).await.map_err(|e| target.cannot("write", e))?;
    let into = found.is_some_and(|f| f.kind == FileKind::Dir);
    let named_as_dir = target.path.as_os_str().to_string_lossy().ends_with('/');
    if !into && (sources.len() > 1 || (named_as_dir && !options.recursive)) {
        let reason = if found.is_some() { "it is not a directory" } else { "there is no such directory" };
        return Err(target.cannot("write", reason));
    }
    let mut plan = Plan::default();
    for source in sources {
        let planned = add(&mut plan, source, target, into, options).await;
        plan.errors.extend(planned.err());
    }
    Ok(plan)
}

async fn add(
    plan: &mut Plan,
    source: &Place,
    target: &Place,
    into: bool,
    options: Options,
) -> Result<(), TransferError> {
    let read = |e: Trouble| source.cannot("read", e);
    let info = source.side.stat(&source.path).await.map_err(read)?.ok_or_else(|| read(Trouble::Missing))?;
    let to = if into { target.join(&last_name(source).await?) } else { target.clone() };
    match info.kind {
        FileKind::Dir if !options.recursive => {
            let mut error = source.cannot("copy", "it is a directory");
            error.hint = Some("add -r to copy it with all that is in it".to_owned());
            Err(error)
        }
        FileKind::Dir => {
            let root = source.side.real_path(&source.path).await.map_err(read)?;
            walk(plan, Tree { root: source.path.clone(), above: vec![root] }, source.clone(), to, info).await
        }
        _ => {
            plan.files.push(Item { from: source.clone(), to, info });
            Ok(())
        }
    }
}

/// `.` and `..` and `/` are called by what they really are.
async fn last_name(source: &Place) -> Result<PathBuf, TransferError> {
    if let Some(name) = source.path.file_name() {
        return Ok(name.into());
    }
    let path = if source.path.as_os_str().is_empty() { Path::new(".") } else { &source.path };
    let real = source.side.real_path(path).await.map_err(|e| source.cannot("read", e))?;
    Ok(real.file_name().map(PathBuf::from).unwrap_or_default())
}

/// Where a walk is.
#[derive(Clone)]
struct Tree {
    /// What was asked for.
    root: PathBuf,
    /// The real paths of the folders that led here.
    above: Vec<PathBuf>,
}

async fn walk(
    plan: &mut Plan,
    tree: Tree,
    from: Place,
    to: Place,
    info: FileInfo,
) -> Result<(), TransferError> {
    let mut waiting = vec![(tree, from, to, info)];
    while let Some((tree, from, to, info)) = waiting.pop() {
        let entries = match from.side.list(&from.path).await {
            Ok(entries) => entries,
            Err(e) => {
                plan.errors.push(from.cannot("read", e));
                continue;
            }
        };
        for (name, info) in entries {
            let (from, to) = (from.join(&name), to.join(&name));
            match info.kind {
                FileKind::Dir => {
                    let above = [tree.above.clone(), vec![from.path.clone()]].concat();
                    waiting.push((Tree { above, ..tree.clone() }, from, to, info));
                }
                FileKind::File => plan.files.push(Item { from, to, info }),
                FileKind::Other => {
                    plan.errors.push(from.cannot("copy", "it is neither a file nor a directory"));
                }
                FileKind::Link => match follow(&tree, &from).await {
                    Ok(Led::Stays(target)) => plan.links.push((Item { from, to, info }, target)),
                    Ok(Led::Dir(info, above)) => {
                        waiting.push((Tree { above, ..tree.clone() }, from, to, info));
                    }
                    Ok(Led::File(info)) => plan.files.push(Item { from, to, info }),
                    Err(e) => plan.errors.push(e),
                },
            }
        }
        plan.dirs.push(Item { from, to, info });
    }
    // Shorter ones are above longer ones.
    plan.dirs.sort_by_key(|d| d.to.path.components().count());
    Ok(())
}

enum Led {
    /// A link that means the same in the copy.
    Stays(PathBuf),
    Dir(FileInfo, Vec<PathBuf>),
    File(FileInfo),
}

/// A link within the tree stays one. One that leads out of it would mean something else where it is copied to: what it
/// leads to is copied, as `scp -r` does.
async fn follow(tree: &Tree, from: &Place) -> Result<Led, TransferError> {
    let read = |e: Trouble| from.cannot("read", e);
    let target = from.side.read_link(&from.path).await.map_err(read)?;
    if stays_within(&tree.root, &from.path, &target) {
        return Ok(Led::Stays(target));
    }
    match from.side.stat(&from.path).await.map_err(read)? {
        // It leads nowhere here, and may there.
        None => Ok(Led::Stays(target)),
        Some(info) if info.kind == FileKind::Dir => {
            let real = from.side.real_path(&from.path).await.map_err(read)?;
            if tree.above.iter().any(|above| above.starts_with(&real)) || tree.above.len() > DEEPEST {
                return Err(from.cannot("copy", "this link leads in a circle"));
            }
            Ok(Led::Dir(info, [tree.above.clone(), vec![real]].concat()))
        }
        Some(info) => Ok(Led::File(info)),
    }
}

fn stays_within(root: &Path, link: &Path, target: &Path) -> bool {
    let Ok(inside) = link.strip_prefix(root) else { return false };
    let mut depth = inside.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_within_the_tree() {
        let within =
            |link: &str, target: &str| stays_within(Path::new("/t"), Path::new(link), Path::new(target));
        assert!(within("/t/a", "b"));
        assert!(within("/t/d/a", "../b"));
        assert!(within("/t/d/a", "./../d/c"));
        assert!(!within("/t/a", "../b"));
        assert!(!within("/t/d/a", "../../b"));
        assert!(!within("/t/a", "/etc/passwd"));
        assert!(!within("/elsewhere/a", "b"));
    }
}
