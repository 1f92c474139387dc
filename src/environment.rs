//! The environment of the process, read once.

use std::collections::BTreeMap;

/// All environment variables that are valid UTF-8. An empty variable counts as absent, as in docker-machine.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    pub(crate) fn capture() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let vars = std::env::vars_os();
        Self(vars.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|v| !v.is_empty())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(vars: [(&str, &str); N]) -> Self {
        Self(vars.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}
