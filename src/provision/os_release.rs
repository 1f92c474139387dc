//! What a host says it is: os-release(5), read as the shell would.

use std::collections::BTreeMap;

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

    /// Its own id, then those of the distributions that it resembles, the closest first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let like = self.get("ID_LIKE").unwrap_or_default();
        std::iter::once(self.id()).chain(like.split_whitespace())
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
    fn ids_are_its_own_and_then_what_it_resembles() {
        let mint = OsRelease::parse("ID=linuxmint\nID_LIKE=\"ubuntu debian\"");
        assert_eq!(mint.ids().collect::<Vec<_>>(), ["linuxmint", "ubuntu", "debian"]);
        assert_eq!(OsRelease::parse("").ids().collect::<Vec<_>>(), ["linux"]);
    }

    #[test]
    fn a_provisioner_is_named_by_the_id() {
        for (text, provisioner) in [
            ("ID=debian", "debian"),
            ("ID=ubuntu\nID_LIKE=debian", "ubuntu(systemd)"),
            ("ID=pop\nID_LIKE='ubuntu debian'", "pop"),
            ("", "linux"),
        ] {
            assert_eq!(OsRelease::parse(text).provisioner(), provisioner);
        }
    }

    #[test]
    fn a_name_to_show() {
        assert_eq!(OsRelease::parse("ID=a\nNAME=A\nPRETTY_NAME='A 1'").pretty_name(), "A 1");
        assert_eq!(OsRelease::parse("ID=a\nNAME=A\nPRETTY_NAME=").pretty_name(), "A");
        assert_eq!(OsRelease::parse("").pretty_name(), "linux");
    }
}
