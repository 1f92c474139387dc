//! Which templates may name the programs of one package manager or one service manager.

use std::fs;
use std::path::{Path, PathBuf};

const PROGRAMS: [&str; 8] =
    ["apt-get", "apt-cache", "dpkg", "systemctl", "systemd-run", "journalctl", "rc-service", "rc-update"];
/// Each folder in these is for one manager.
const SEAMS: [&str; 2] = ["templates/provision/packages", "templates/provision/service"];
/// What makes the docker driver's images, and what cloud-init runs in an image: the images are Debian's or Ubuntu's.
const IMAGES: [&str; 2] = ["templates/node", "templates/host/first-boot.sh"];

/// One line for each template outside the folders of the managers that names one of their programs.
pub(super) fn faults(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for path in files(root, Path::new("templates")).into_iter().filter(|path| !may_name_programs(path)) {
        let text = fs::read_to_string(root.join(&path)).unwrap();
        let named = PROGRAMS.iter().filter(|program| text.contains(**program));
        faults.extend(named.map(|program| format!("{}: names {program}", path.display())));
    }
    faults.sort();
    faults
}

fn may_name_programs(path: &Path) -> bool {
    let manager = path.parent().and_then(Path::parent);
    let is_managers = manager.is_some_and(|folder| SEAMS.iter().any(|seam| folder == Path::new(seam)));
    is_managers || IMAGES.iter().any(|image| path.starts_with(image))
}

fn files(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if root.join(&path).is_dir() { files.extend(self::files(root, &path)) } else { files.push(path) }
    }
    files
}
