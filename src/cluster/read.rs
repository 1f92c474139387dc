//! Reading a file of tables so that everything wrong in it is told at once, each with its line and column.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::engine::options::closest;

/// Where something stands: both count from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong, or only doubtful, at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub(crate) at: Place,
    pub(crate) text: String,
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// A text, and what was found wrong with it so far.
pub(super) struct Reader<'i> {
    text: &'i str,
    pub(super) problems: Vec<Remark>,
    pub(super) warnings: Vec<Remark>,
}

impl<'i> Reader<'i> {
    pub(super) fn new(text: &'i str) -> Self {
        Self { text, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    pub(super) fn problem(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.problems.push(Remark { at: self.place(span.start), text: text.into() });
    }

    pub(super) fn warning(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.warnings.push(Remark { at: self.place(span.start), text: text.into() });
    }

    /// A table in which only these keys make sense; the rest is told, with what was meant.
    pub(super) fn only(&mut self, table: &DeTable<'_>, what: &str, keys: &[&str]) {
        for key in table.keys().filter(|k| !keys.contains(&k.get_ref().as_ref())) {
            let name = key.get_ref();
            let meant = closest(name, keys.iter().copied()).map_or_else(
                || format!("there are: {}", keys.join(", ")),
                |m| format!("did you mean {m:?}?"),
            );
            let whose = if what.is_empty() { String::new() } else { format!(" in [{what}]") };
            self.problem(key.span(), format!("unknown key {name:?}{whose}; {meant}"));
        }
    }

    pub(super) fn wrong(&mut self, key: &str, value: &Value<'_>, wanted: &str) {
        let found = kind(value.get_ref());
        self.problem(value.span(), format!("{key:?} must be {wanted}, not {found}"));
    }

    pub(super) fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<(String, Range<usize>)> {
        let value = table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text.to_string(), value.span())),
            _ => {
                self.wrong(key, value, "a text");
                None
            }
        }
    }

    pub(super) fn flag(&mut self, table: &DeTable<'_>, key: &str) -> Option<bool> {
        let value = table.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                self.wrong(key, value, "true or false");
                None
            }
        }
    }

    pub(super) fn count(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        most: i64,
    ) -> Option<(usize, Range<usize>)> {
        let value = table.get(key)?;
        let Some(number) = integer(value.get_ref()) else {
            self.wrong(key, value, "a whole number");
            return None;
        };
        match usize::try_from(number).ok().filter(|_| number <= most) {
            Some(count) => Some((count, value.span())),
            None => {
                self.problem(value.span(), format!("{key:?} must be from 0 to {most}, not {number}"));
                None
            }
        }
    }

    pub(super) fn table<'t, 'd>(
        &mut self,
        table: &'t DeTable<'d>,
        key: &str,
    ) -> Option<(&'t DeTable<'d>, Range<usize>)> {
        let value = table.get(key)?;
        match value.get_ref() {
            DeValue::Table(inner) => Some((inner, value.span())),
            _ => {
                self.wrong(key, value, "a table");
                None
            }
        }
    }

    /// Tables by name, in the order of the file.
    pub(super) fn tables<'t, 'd>(
        &mut self,
        table: &'t DeTable<'d>,
        key: &str,
    ) -> Vec<(String, &'t DeTable<'d>, Range<usize>)> {
        let Some((inner, _)) = self.table(table, key) else { return Vec::new() };
        let mut named = Vec::new();
        for (name, value) in inner {
            match value.get_ref() {
                DeValue::Table(found) => named.push((name.get_ref().to_string(), found, name.span())),
                _ => self.wrong(name.get_ref(), value, "a table"),
            }
        }
        named.sort_by_key(|(_, _, span)| span.start);
        named
    }

    /// One text or several.
    pub(super) fn texts(&mut self, key: &str, value: &Value<'_>) -> Option<Vec<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some(vec![text.to_string()]),
            DeValue::Array(list) => {
                let texts: Vec<_> = list.iter().filter_map(|v| scalar(v.get_ref())).collect();
                if texts.len() == list.len() {
                    return Some(texts);
                }
                let odd = list.iter().find(|v| scalar(v.get_ref()).is_none()).unwrap_or(value);
                self.wrong(key, odd, "a list of texts");
                None
            }
            _ => {
                self.wrong(key, value, "a text or a list of texts");
                None
            }
        }
    }

    /// Names and texts.
    pub(super) fn pairs(&mut self, table: &DeTable<'_>, key: &str) -> BTreeMap<String, String> {
        let Some((inner, _)) = self.table(table, key) else { return BTreeMap::new() };
        let mut pairs = BTreeMap::new();
        for (name, value) in inner {
            match scalar(value.get_ref()) {
                Some(text) if !name.get_ref().is_empty() => {
                    pairs.insert(name.get_ref().to_string(), text);
                }
                _ => self.wrong(name.get_ref(), value, "a text, a number, true or false"),
            }
        }
        pairs
    }
}

pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

/// What can stand for a text.
pub(super) fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(_) => integer(value).map(|n| n.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
