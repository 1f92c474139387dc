//! The answer of a host to `templates/provision/facts.sh`, by the names of its values and texts.

use std::collections::BTreeMap;

use crate::provision::error::ProvisionError;

/// The lines of an answer, sorted.
pub(super) struct Answer<'a> {
    values: BTreeMap<&'a str, &'a str>,
    texts: BTreeMap<&'a str, String>,
    /// The keys of `texts` in the order in which they came.
    order: Vec<&'a str>,
}

impl<'a> Answer<'a> {
    pub(super) fn read(answer: &'a str) -> Result<Self, ProvisionError> {
        let begun = answer.split_once("@rmachine facts 1\n").map(|(_, rest)| rest);
        let body = begun.and_then(|rest| rest.split_once("@rmachine end")).map(|(body, _)| body);
        let mut read = Self { values: BTreeMap::new(), texts: BTreeMap::new(), order: Vec::new() };
        for line in body.ok_or_else(|| ProvisionError::no_facts(answer))?.lines() {
            read.line(line);
        }
        Ok(read)
    }

    fn line(&mut self, line: &'a str) {
        match line.split_at_checked(2) {
            Some(("= ", rest)) => {
                let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                self.values.insert(key, value);
            }
            Some((": ", key)) => {
                self.texts.insert(key, String::new());
                self.order.push(key);
            }
            Some(("| ", rest)) => {
                if let Some(text) = self.order.last().and_then(|key| self.texts.get_mut(key)) {
                    text.push_str(rest);
                    text.push('\n');
                }
            }
            _ => {}
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Empty where the host did not say it.
    pub(super) fn value(&self, key: &str) -> &str {
        self.values.get(key).copied().unwrap_or_default()
    }

    /// The values whose keys begin like this, by the rest of the key.
    pub(super) fn values_below(&self, prefix: &str) -> BTreeMap<String, String> {
        let found = self.values.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
        found.map(|(key, value)| (key.to_owned(), (*value).to_owned())).collect()
    }

    /// Empty where the host has no such text.
    pub(super) fn text(&self, key: &str) -> &str {
        self.texts.get(key).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn text_if_any(&self, key: &str) -> Option<String> {
        self.texts.get(key).cloned()
    }

    /// The texts whose keys begin like this, by the rest of the key, in the order in which they came.
    pub(super) fn texts_below(&self, prefix: &str) -> impl Iterator<Item = (&'a str, &str)> {
        let keys = self.order.iter().filter_map(move |key| Some((*key, key.strip_prefix(prefix)?)));
        keys.map(|(key, rest)| (rest, self.text(key)))
    }
}
