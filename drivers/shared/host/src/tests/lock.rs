use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::*;

async fn take(dir: &Path, purpose: &str) -> Result<FileLock, LockError> {
    FileLock::take(dir.join(purpose), SOON).await
}

#[tokio::test]
async fn second_holder_waits_for_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = take(dir.path(), "x").await.unwrap();
    let other = take(dir.path(), "y").await.unwrap();
    let busy = take(dir.path(), "x").await.unwrap_err();
    assert!(matches!(busy, LockError::Busy { pid: Some(pid), .. } if pid == std::process::id()), "{busy}");
    let (path, pid) = (first.path().display(), std::process::id());
    assert_eq!(
        text(&busy.into()),
        format!(
            "cannot lock {path}: process {pid} still holds the lock\n\
             wait until it ends, then try again; to see what it is: ps -fp {pid}"
        )
    );
    assert_eq!(FileLock::holder(other.path()), Some(pid));
    drop((first, other));
    take(dir.path(), "x").await.unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no lock file stays behind");
}

#[tokio::test]
async fn shared_lock_needs_a_folder_that_can_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("above/locks");
    let held = lock_shared(&folder, "x", SOON).await.unwrap();
    assert_eq!(held.path(), folder.join("x.lock"));
    assert_eq!(fs::metadata(held.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(lock_shared(&folder, "x", SOON).await.unwrap_err().message.contains("still holds the lock"));
    let refused = lock_shared(Path::new("/proc/none"), "x", SOON).await.unwrap_err();
    assert!(refused.message.starts_with("cannot keep lock files in /proc/none: "), "{refused}");
}

#[tokio::test]
async fn link_in_the_place_of_a_lock_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    fs::write(&target, "precious").unwrap();
    symlink(&target, dir.path().join("x")).unwrap();
    let refused = take(dir.path(), "x").await.unwrap_err();
    assert!(refused.to_string().ends_with("/x: it is a symbolic link"), "{refused}");
    assert_eq!(FileLock::holder(&dir.path().join("x")), None);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
}

#[tokio::test]
async fn lock_replaced_by_a_link_to_its_file_leaves_the_link_alone() {
    let dir = tempfile::tempdir().unwrap();
    let held = take(dir.path(), "x").await.unwrap();
    fs::rename(held.path(), dir.path().join("moved")).unwrap();
    symlink(dir.path().join("moved"), held.path()).unwrap();
    let path = held.path().to_owned();
    drop(held);
    assert!(fs::symlink_metadata(path).unwrap().is_symlink());
}

/// As root, since only root can make files of others. Others cannot open such a file for writing at all.
#[tokio::test]
async fn file_of_another_user_is_locked_and_not_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    fs::write(&file, "precious").unwrap();
    if own_uid() != 0 {
        return;
    }
    chown(&file, Some(65534), None).unwrap();
    let other_name = dir.path().join("hard link");
    fs::hard_link(&file, &other_name).unwrap();
    drop(take(dir.path(), "x").await.unwrap());
    assert_eq!(fs::read_to_string(&other_name).unwrap(), "precious");
}
