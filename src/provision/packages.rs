//! The package managers that rmachine uses on hosts. Each has a folder in `templates/provision/packages` with the same files,
//! which define the same shell functions.

use crate::provision::os_release::OsRelease;

/// What an error says is supported.
pub(super) const SUPPORTED: &str = "apt on Debian, Ubuntu and their relatives";

/// The programs that the facts of a host name, known or not, in the order in which an error lists them.
pub(super) const PROGRAMS: [&str; 6] = ["apt-get", "dnf", "yum", "zypper", "pacman", "apk"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packages {
    Apt,
}

impl Packages {
    pub(super) const ALL: [Self; 1] = [Self::Apt];

    /// The distribution decides: Debian offers dnf and zypper too, and they install nothing there.
    pub(crate) fn of(os: &OsRelease) -> Option<Self> {
        os.ids().find_map(|id| match id {
            "debian" | "ubuntu" | "raspbian" => Some(Self::Apt),
            _ => None,
        })
    }

    /// The name of its folder.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Apt => "apt",
        }
    }

    /// Its templates by their paths below `templates/provision`.
    pub(super) fn templates(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Apt => &[
                (
                    "packages/apt/functions.sh",
                    include_str!("../../templates/provision/packages/apt/functions.sh"),
                ),
                (
                    "packages/apt/install.sh",
                    include_str!("../../templates/provision/packages/apt/install.sh"),
                ),
                (
                    "packages/apt/upgrade.sh",
                    include_str!("../../templates/provision/packages/apt/upgrade.sh"),
                ),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_distribution_decides_and_then_what_it_resembles() {
        for (text, packages) in [
            ("ID=debian", Some(Packages::Apt)),
            ("ID=ubuntu\nID_LIKE=debian", Some(Packages::Apt)),
            ("ID=raspbian\nID_LIKE=debian", Some(Packages::Apt)),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", Some(Packages::Apt)),
            ("ID=pop\nID_LIKE='ubuntu debian'", Some(Packages::Apt)),
            ("ID=rocky\nID_LIKE=\"rhel centos fedora\"", None),
            ("ID=alpine", None),
            ("", None),
        ] {
            assert_eq!(Packages::of(&OsRelease::parse(text)), packages, "{text}");
        }
    }
}
