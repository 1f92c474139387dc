use std::fmt;

/// A version to install, or the beginning of one: 26, 26.1, 26.1.5 or a package's 5:26.1.5-1~debian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineVersion(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the version of an engine")]
pub(crate) struct BadVersion(String);

impl EngineVersion {
    pub(crate) fn parse(text: &str) -> Result<Self, BadVersion> {
        let version = text.strip_prefix('v').unwrap_or(text);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~' | ':' | '-');
        if version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(allowed) {
            Ok(Self(version.to_owned()))
        } else {
            Err(BadVersion(text.to_owned()))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an engine of this version, 26.1.5, is one.
    pub(crate) fn is(&self, found: &str) -> bool {
        let upstream = self.0.split_once(':').map_or(self.0.as_str(), |(_epoch, rest)| rest);
        let number = upstream.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
        found.strip_prefix(number).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
