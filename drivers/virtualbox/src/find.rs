//! Where VBoxManage is: on the PATH, where VirtualBox's own variables say, or where its installers put it.

use std::path::{Path, PathBuf};

use rmachine_driver::{DriverError, DriverErrorKind};

use crate::Settings;

const NAME: &str = if cfg!(windows) { "VBoxManage.exe" } else { "VBoxManage" };

/// Beside the PATH, on systems where it is not on it: where the installers put it.
fn places(system: &str) -> &'static [&'static str] {
    match system {
        "macos" => &["/Applications/VirtualBox.app/Contents/MacOS", "/usr/local/bin"],
        "windows" => &[r"C:\Program Files\Oracle\VirtualBox", r"C:\Program Files (x86)\Oracle\VirtualBox"],
        _ => &[],
    }
}

pub(crate) fn program(settings: &Settings) -> Option<PathBuf> {
    let named = settings.folders.iter().cloned();
    let on_path = settings.path.iter().flat_map(std::env::split_paths);
    let usual = places(std::env::consts::OS).iter().map(PathBuf::from);
    on_path.chain(named).chain(usual).map(|dir| dir.join(NAME)).find(|file| is_program(file))
}

pub(crate) fn missing() -> DriverError {
    // docker-machine's words.
    let message = "VBoxManage not found. Make sure VirtualBox is installed and VBoxManage is in the path";
    DriverError::new(DriverErrorKind::Missing, message)
        .hint("VirtualBox 7: https://www.virtualbox.org/wiki/Downloads, or your distribution's package")
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// The folder that the installer wrote into Windows' registry, out of what `reg query` prints.
pub(crate) fn of_registry(answer: &str) -> Option<PathBuf> {
    let line = answer.lines().map(str::trim).find(|l| l.starts_with("InstallDir"))?;
    let (_, folder) = line.split_once("REG_SZ")?;
    Some(PathBuf::from(folder.trim())).filter(|p| !p.as_os_str().is_empty())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{File, create_dir};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "programs to be found")]
    fn the_path_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, mode) in [("a", 0o644), ("b", 0o755), ("c", 0o755)] {
            create_dir(dir.path().join(folder)).unwrap();
            let file = File::create(dir.path().join(folder).join("VBoxManage")).unwrap();
            file.set_permissions(PermissionsExt::from_mode(mode)).unwrap();
        }
        let at = |folder: &str| dir.path().join(folder);
        let path = std::env::join_paths([at("a"), at("b")]).unwrap();
        let found = |path: Option<_>, folders| program(&Settings { path, folders, ..Settings::default() });
        assert_eq!(found(Some(path), vec![at("c")]), Some(at("b").join("VBoxManage")));
        assert_eq!(found(None, vec![at("a"), at("c")]), Some(at("c").join("VBoxManage")));
        assert_eq!(found(None, vec![at("a")]), None);
    }

    #[test]
    fn the_installers_of_other_systems_have_their_places() {
        assert_eq!(places("macos")[0], "/Applications/VirtualBox.app/Contents/MacOS");
        assert_eq!(places("windows")[0], r"C:\Program Files\Oracle\VirtualBox");
        assert!(places("linux").is_empty(), "on the PATH there");
    }

    #[test]
    fn windows_registry() {
        let answer = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Oracle\\VirtualBox\r\n    InstallDir    REG_SZ    \
                      C:\\Program Files\\Oracle\\VirtualBox\\\r\n\r\n";
        assert_eq!(of_registry(answer), Some(PathBuf::from("C:\\Program Files\\Oracle\\VirtualBox\\")));
        assert_eq!(of_registry("ERROR: The system was unable to find the key"), None);
    }
}
