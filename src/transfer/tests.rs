//! On this computer alone; hosts are in tests/e2e.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::transfer::{Copied, Options, Place, Side, TransferError, Watcher, copy};

struct Nobody;

impl Watcher for Nobody {
    fn begin(&self, _: u64, _: u64) {}
    fn file(&self, _: &str) {}
    fn moved(&self, _: u64) {}
}

async fn copied(from: &[&Path], to: &Path, recursive: bool) -> Result<Copied, TransferError> {
    let sources: Vec<Place> = from.iter().map(|p| Place::new(Side::Local, *p)).collect();
    copy(&sources, &Place::new(Side::Local, to), Options { recursive }, Arc::new(Nobody)).await
}

fn write(path: &Path, text: &str) {
    #[expect(clippy::disallowed_methods, reason = "tests make what they look at")]
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_tree_keeps_its_modes_times_and_inner_links() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::create_dir_all(from.join("sub")).unwrap();
    write(&from.join("sub/a b\nc"), "text");
    write(&dir.path().join("outside"), "outside");
    symlink("sub/a b\nc", from.join("inner")).unwrap();
    symlink("../outside", from.join("outer")).unwrap();
    symlink("nowhere", from.join("dangling")).unwrap();
    fs::set_permissions(from.join("sub/a b\nc"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o711)).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(from.join("sub")).unwrap().set_modified(time).unwrap();
    let done = copied(&[&from], &to, true).await.unwrap();
    assert!(done.errors.is_empty(), "{:?}", done.errors);
    assert_eq!((done.files, done.bytes), (2, 11));
    assert_eq!(fs::read_to_string(to.join("sub/a b\nc")).unwrap(), "text");
    assert_eq!(fs::metadata(to.join("sub/a b\nc")).unwrap().permissions().mode() & 0o777, 0o751);
    assert_eq!(fs::metadata(to.join("sub")).unwrap().permissions().mode() & 0o777, 0o711);
    assert_eq!(fs::metadata(to.join("sub")).unwrap().modified().unwrap(), time);
    assert_eq!(fs::read_link(to.join("inner")).unwrap(), Path::new("sub/a b\nc"));
    assert!(!to.join("outer").is_symlink());
    assert_eq!(fs::read_to_string(to.join("outer")).unwrap(), "outside");
    assert_eq!(fs::read_link(to.join("dangling")).unwrap(), Path::new("nowhere"));
    // Again, into the folder that is there now.
    assert!(copied(&[&from], &to, true).await.unwrap().errors.is_empty());
    assert!(to.join("from/sub").is_dir());
}

#[tokio::test]
async fn circles_end() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    fs::create_dir_all(from.join("sub")).unwrap();
    symlink(&from, from.join("sub/up")).unwrap();
    let done = copied(&[&from], &dir.path().join("to"), true).await.unwrap();
    assert_eq!(done.errors.len(), 1);
    assert!(done.errors[0].to_string().ends_with("this link leads in a circle"), "{}", done.errors[0]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (file, other) = (dir.path().join("f"), dir.path().join("g"));
    write(&file, "x");
    write(&other, "y");
    let first = |done: Result<Copied, TransferError>| {
        done.map_or_else(|e| e.to_string(), |d| d.errors[0].to_string())
    };
    let missing = first(copied(&[&dir.path().join("no")], &other, false).await);
    assert_eq!(
        missing,
        format!("cannot read {}: no such file or directory", dir.path().join("no").display())
    );
    let folder = first(copied(&[dir.path()], &other, false).await);
    assert!(folder.ends_with("it is a directory"), "{folder}");
    let several = first(copied(&[&file, &other], &dir.path().join("h"), false).await);
    assert!(several.ends_with("there is no such directory"), "{several}");
    let itself = first(copied(&[&file], &file, false).await);
    assert!(itself.ends_with("it is the file that is to be copied"), "{itself}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "x");
}

#[tokio::test]
async fn a_link_as_the_target_is_written_through_and_modes_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (file, end, link) = (dir.path().join("f"), dir.path().join("end"), dir.path().join("link"));
    write(&file, "new");
    write(&end, "old");
    fs::set_permissions(&end, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("end", &link).unwrap();
    assert!(copied(&[&file], &link, false).await.unwrap().errors.is_empty());
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&end).unwrap(), "new");
    assert_eq!(fs::metadata(&end).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "a part was left");
}

#[tokio::test]
async fn a_device_is_written_to_and_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    write(&file, "x");
    assert!(copied(&[&file], Path::new("/dev/null"), false).await.unwrap().errors.is_empty());
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    // What has no size is read to its end all the same.
    let to = dir.path().join("status");
    assert!(copied(&[Path::new("/proc/self/status")], &to, false).await.unwrap().errors.is_empty());
    assert!(fs::metadata(&to).unwrap().len() > 100);
}
