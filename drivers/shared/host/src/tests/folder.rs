use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;

const FOLDER: &str = "RMACHINE_TEST_FOLDER";
const NOBODY: u32 = 65534;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn refusal(folder: &Path) -> String {
    text(&prepare_shared_folder(folder).unwrap_err().into())
}

/// Runs the test again as a child process, because the umask belongs to a process.
#[test]
fn shared_folder_is_0700_under_any_umask() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return prepare_shared_folder(Path::new(&folder)).unwrap();
    }
    for umask in ["000", "002", "022", "0277"] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("locks");
        let output = Command::new("/bin/sh")
            .args([
                "-c",
                "umask \"$0\"; exec \"$1\" --exact tests::folder::shared_folder_is_0700_under_any_umask",
            ])
            .arg(umask)
            .arg(std::env::current_exe().unwrap())
            .env(FOLDER, &folder)
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        assert_eq!(mode(&folder), 0o700, "umask {umask}");
    }
}

#[test]
fn open_mode_of_an_own_folder_is_tightened() {
    let dir = tempfile::tempdir().unwrap();
    for open in [0o775, 0o777, 0o1777, 0o500] {
        fs::set_permissions(dir.path(), Permissions::from_mode(open)).unwrap();
        prepare_shared_folder(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), 0o700, "from {open:o}");
    }
}

#[test]
fn link_is_refused_and_its_target_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("target"), dir.path().join("link"));
    symlink(&target, &link).unwrap();
    let dangling = refusal(&link);
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o755)).unwrap();
    let link = link.display();
    let expected = format!(
        "cannot keep lock files in {link}: it is a symbolic link\nmove it away: mv {link} {link}.old\n\
         or set XDG_RUNTIME_DIR to a folder of your own"
    );
    assert_eq!((dangling, refusal(&dir.path().join("link"))), (expected.clone(), expected));
    assert_eq!((mode(&target), fs::read_dir(&target).unwrap().count()), (0o755, 0));
}

/// A folder of another user. Only root can create one; others see that `/` belongs to root.
fn foreign_folder(dir: &Path) -> PathBuf {
    if own_uid() != 0 {
        return PathBuf::from("/");
    }
    chown(dir, Some(NOBODY), None).unwrap();
    dir.to_owned()
}

#[test]
fn folder_of_another_user_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = foreign_folder(dir.path());
    let before = mode(&folder);
    let said = refusal(&folder);
    let place = folder.display();
    let start = format!("cannot keep lock files in {place}: it belongs to the user with id ");
    assert!(said.starts_with(&start), "{said}");
    let hint = format!("\nmake it yours: sudo chown {} {place}\nor set XDG_RUNTIME_DIR to ", own_uid());
    assert!(said.contains(&hint), "{said}");
    assert!(check_folder(&folder).is_err());
    assert_eq!(mode(&folder), before);
}

#[test]
fn file_in_the_place_of_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(&file).contains(": it is not a folder\n"));
    assert!(refusal(&file.join("locks")).contains("Not a directory"));
}

#[test]
fn checked_folder_keeps_its_mode_and_is_no_link() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o775)).unwrap();
    check_folder(dir.path()).unwrap();
    assert_eq!(mode(dir.path()), 0o775);
    let link = dir.path().join("link");
    symlink(dir.path(), &link).unwrap();
    let said = text(&check_folder(&link).unwrap_err().into());
    assert!(said.contains("it is a symbolic link\n") && !said.contains("XDG_RUNTIME_DIR"), "{said}");
}
