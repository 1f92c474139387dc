//! What a host says it is: os-release(5), read as the shell would.

use std::collections::BTreeMap;

/// The families of distributions that the scripts in `templates/provision` know their way around in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// apt, systemd, an engine called docker.io.
    Debian,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OsRelease(BTreeMap<String, String>);

impl OsRelease {
    pub(crate) fn parse(text: &str) -> Self {
        let assignments = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        Self(
            assignments
                .filter_map(|line| line.split_once('='))
                .map(|(k, v)| (k.to_owned(), word(v)))
                .collect(),
        )
    }

    pub(crate) fn id(&self) -> &str {
        self.get("ID").unwrap_or("linux")
    }

    /// The host's name for itself, as a person would say it.
    pub(crate) fn pretty_name(&self) -> &str {
        self.get("PRETTY_NAME").or_else(|| self.get("NAME")).unwrap_or_else(|| self.id())
    }

    pub(crate) fn family(&self) -> Option<Family> {
        let like = self.get("ID_LIKE").unwrap_or_default();
        std::iter::once(self.id()).chain(like.split_whitespace()).find_map(family_of)
    }

    /// docker-machine's name for what sets the host up.
    pub(crate) fn provisioner(&self) -> String {
        match self.id() {
            "ubuntu" => "ubuntu(systemd)".to_owned(),
            id => id.to_owned(),
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn family_of(id: &str) -> Option<Family> {
    match id {
        "debian" | "ubuntu" | "raspbian" => Some(Family::Debian),
        _ => None,
    }
}

/// Values are written for a shell. One that no shell would take is better shown than lost.
fn word(value: &str) -> String {
    match shlex::split(value) {
        Some(words) => words.join(" "),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_shells() {
        let os = OsRelease::parse(
            "# a comment\n\nID='linux mint'\nNAME=\"A \\\"B\\\" \\$C\"\nHOME_URL=\"https://x/?a=b\"\nBROKEN=\"x\nEMPTY=\n",
        );
        assert_eq!(os.id(), "linux mint");
        assert_eq!(os.get("NAME"), Some("A \"B\" $C"));
        assert_eq!(os.get("HOME_URL"), Some("https://x/?a=b"));
        assert_eq!(os.get("BROKEN"), Some("\"x"));
        assert_eq!(os.get("EMPTY"), None);
    }

    #[test]
    fn families_by_id_then_by_likeness() {
        for (text, family, provisioner) in [
            ("ID=debian", Some(Family::Debian), "debian"),
            ("ID=ubuntu\nID_LIKE=debian", Some(Family::Debian), "ubuntu(systemd)"),
            ("ID=raspbian\nID_LIKE=debian", Some(Family::Debian), "raspbian"),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", Some(Family::Debian), "linuxmint"),
            ("ID=pop\nID_LIKE='ubuntu debian'", Some(Family::Debian), "pop"),
            ("ID=rocky\nID_LIKE=\"rhel centos fedora\"", None, "rocky"),
            ("ID=alpine", None, "alpine"),
            ("", None, "linux"),
        ] {
            let os = OsRelease::parse(text);
            assert_eq!(os.family(), family, "{text}");
            assert_eq!(os.provisioner(), provisioner);
        }
    }

    #[test]
    fn a_name_to_show() {
        assert_eq!(OsRelease::parse("ID=a\nNAME=A\nPRETTY_NAME='A 1'").pretty_name(), "A 1");
        assert_eq!(OsRelease::parse("ID=a\nNAME=A\nPRETTY_NAME=").pretty_name(), "A");
        assert_eq!(OsRelease::parse("").pretty_name(), "linux");
    }
}
