//! `--filter`: what is asked of a machine before it is a row.

use regex::Regex;
use rmachine_driver::{MachineName, State};

use crate::machines::Machine;
use crate::model::Failure;

#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) swarm: Vec<String>,
    driver: Vec<String>,
    pub(super) state: Vec<String>,
    name: Vec<Regex>,
    label: Vec<(String, String)>,
}

impl Filters {
    pub(super) fn parse(words: &[String]) -> Result<Self, Failure> {
        let mut filters = Self::default();
        for word in words {
            let syntax = || Failure::new("Unsupported filter syntax");
            let (key, value) = word.split_once('=').ok_or_else(syntax)?;
            match key.to_lowercase().as_str() {
                "swarm" => filters.swarm.push(value.to_owned()),
                "driver" => filters.driver.push(value.to_owned()),
                "state" => filters.state.push(value.to_owned()),
                "name" => filters.name.push(pattern(value)?),
                "label" => {
                    let (key, value) = value.split_once('=').ok_or_else(syntax)?;
                    filters.label.push((key.to_owned(), value.to_owned()));
                }
                _ => return Err(Failure::new(format!("Unsupported filter key '{key}'"))),
            }
        }
        Ok(filters)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.admit_all_but_name() && self.name.is_empty()
    }

    fn admit_all_but_name(&self) -> bool {
        self.swarm.is_empty() && self.driver.is_empty() && self.state.is_empty() && self.label.is_empty()
    }

    /// What can be told without asking anybody. A machine that cannot be read has a name and nothing else.
    pub(super) fn admit(&self, machine: Option<&Machine>, name: &MachineName) -> bool {
        let named = self.name.is_empty() || self.name.iter().any(|r| r.is_match(name.as_str()));
        let Some(machine) = machine else { return named };
        let config = &machine.stored.config;
        let driver = any(&self.driver, |d| d.eq_ignore_ascii_case(&config.driver_name));
        let label = any(&self.label, |wanted| has_label(&config.host_options.engine.labels, wanted));
        named && driver && label
    }

    pub(super) fn admit_state(&self, state: State) -> bool {
        any(&self.state, |s| s.eq_ignore_ascii_case(&state.to_string()))
    }

    pub(super) fn admit_swarm(&self, swarm: &str) -> bool {
        any(&self.swarm, |s| {
            s.eq_ignore_ascii_case(swarm.trim_end_matches(" (master)").trim_end_matches(" (manager)"))
        })
    }
}

fn any<T>(wanted: &[T], holds: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(holds)
}

fn pattern(text: &str) -> Result<Regex, Failure> {
    Regex::new(text).map_err(|e| {
        let reason = e.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Failure::new(format!("error parsing regexp: {}: `{text}`", in_gos_words(reason)))
    })
}

fn in_gos_words(reason: &str) -> &str {
    match reason {
        "unclosed character class" => "missing closing ]",
        "unclosed group" => "missing closing )",
        "unopened group" => "unexpected )",
        "repetition operator missing expression" => "missing argument to repetition operator",
        other => other,
    }
}

fn has_label(labels: &Option<Vec<String>>, (key, value): &(String, String)) -> bool {
    let labels = labels.as_deref().unwrap_or_default();
    labels.iter().filter_map(|l| l.split_once('=')).any(|(k, v)| k == key && v.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_refuse_what_they_cannot_read() {
        let parse = |f: &str| Filters::parse(&[f.to_owned()]).map(|_| ()).unwrap_err().message;
        assert_eq!(parse("foo"), "Unsupported filter syntax");
        assert_eq!(parse("foo=x"), "Unsupported filter key 'foo'");
        assert_eq!(parse("label=k"), "Unsupported filter syntax");
        assert!(parse("name=[").starts_with("error parsing regexp: "), "{}", parse("name=["));
        assert!(Filters::parse(&["NAME=x".to_owned()]).is_ok());
    }
}
