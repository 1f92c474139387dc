//! The images that are known by name, as their publishers document their addresses.
//!
//! Debian's `generic`, not `genericcloud`: the kernel of the latter knows neither the disks nor the cards of VirtualBox.

const ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
const DEBIAN: &str = "https://cloud.debian.org/images/cloud";
const UBUNTU: &str = "https://cloud-images.ubuntu.com/releases";

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    aliases: &'static [&'static str],
    base: &'static str,
    folder: &'static str,
    pub(crate) file: &'static str,
    ending: &'static str,
    sums: &'static str,
}

const fn debian(
    name: &'static str,
    aliases: &'static [&'static str],
    folder: &'static str,
    file: &'static str,
) -> Known {
    Known { name, aliases, base: DEBIAN, folder, file, ending: "qcow2", sums: "SHA512SUMS" }
}

/// Their vmdk is what VirtualBox reads of itself, however their qcow2 is compressed.
const fn ubuntu(
    name: &'static str,
    aliases: &'static [&'static str],
    folder: &'static str,
    file: &'static str,
) -> Known {
    Known { name, aliases, base: UBUNTU, folder, file, ending: "vmdk", sums: "SHA256SUMS" }
}

pub(crate) const KNOWN: &[Known] = &[
    debian("debian-13", &["debian", "trixie"], "trixie/latest", "debian-13-generic"),
    debian("debian-12", &["bookworm"], "bookworm/latest", "debian-12-generic"),
    ubuntu("ubuntu-24.04", &["ubuntu", "noble"], "24.04/release", "ubuntu-24.04-server-cloudimg"),
    ubuntu("ubuntu-22.04", &["jammy"], "22.04/release", "ubuntu-22.04-server-cloudimg"),
];

pub(crate) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|k| k.name == name || k.aliases.contains(&name))
}

impl Known {
    /// The image's address and that of its checksums.
    pub(crate) fn addresses(&self, mirror: Option<&str>) -> (String, String) {
        let base = mirror.unwrap_or(self.base).trim_end_matches('/');
        let folder = format!("{base}/{}", self.folder);
        (format!("{folder}/{}-{ARCH}.{}", self.file, self.ending), format!("{folder}/{}", self.sums))
    }
}
