//! One engine option, typed.

use crate::engine::options::OptionError;
use crate::engine::options::table::{self, Flag, Kind, Whose};
use crate::engine::options::value::{self, Piece};

/// A setting of the engine that a user asked for: understood, typed, and known to have a place in daemon.json.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EngineOpt {
    pub(super) flag: &'static Flag,
    pub(super) piece: Piece,
    /// Worth telling: an old name that was taken for a new one.
    pub(super) note: Option<String>,
}

impl EngineOpt {
    /// The key of daemon.json that it sets.
    #[cfg(test)]
    pub(crate) fn key(&self) -> &'static str {
        self.flag.key
    }

    /// Reads what follows `--engine-opt`: `name=value`, `name value` or, for what is true or false, `name` alone; with
    /// or without the dashes that dockerd wants.
    pub(crate) fn parse(text: &str) -> Result<Self, OptionError> {
        let text = text.trim();
        let text = text.trim_start_matches('-');
        let (name, value) = match text.split_once(|c: char| c == '=' || c.is_whitespace()) {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let (flag, note) = lookup(name)?;
        let origin = format!("the engine option {}", flag.name);
        let mut option = Self::read(flag, value, &origin)?;
        option.note = note;
        Ok(option)
    }

    /// The value of a flag that has its own name in docker-machine, which `origin` is.
    pub(super) fn of(name: &str, value: &str, origin: &str) -> Result<Self, OptionError> {
        let (flag, _) = lookup(name)?;
        Self::read(flag, Some(value), origin)
    }

    fn read(flag: &'static Flag, given: Option<&str>, origin: &str) -> Result<Self, OptionError> {
        let expected = || value::expected(&flag.kind);
        let text = match (given, &flag.kind) {
            (None, Kind::Bool) => "true",
            (None | Some(""), _) => {
                return Err(OptionError::NoValue { origin: origin.to_owned(), expected: expected() });
            }
            (Some(text), _) => text,
        };
        let refused =
            |expected| OptionError::Value { origin: origin.to_owned(), given: shown(text), expected };
        if flag.name == "label" && reserved_label(text) {
            return Err(refused("a label outside the namespaces that Docker keeps for itself".to_owned()));
        }
        let piece = value::read(&flag.kind, flag.name, text).ok_or_else(|| refused(expected()))?;
        Ok(Self { flag, piece, note: None })
    }
}

fn lookup(name: &str) -> Result<(&'static Flag, Option<String>), OptionError> {
    let Some(flag) = table::find(name) else {
        return Err(OptionError::Unknown { name: name.to_owned(), nearest: table::nearest(name) });
    };
    match flag.whose {
        Whose::User => Ok((flag, None)),
        Whose::Reserved(why) | Whose::Removed(why) => Err(OptionError::Refused { name: flag.name, why }),
        Whose::Renamed(new) => {
            let (flag, _) = lookup(new)?;
            Ok((flag, Some(format!("the engine option {name} is now called {new}, and was taken for it"))))
        }
    }
}

/// A value as it may be shown: without the user and password of a URL.
fn shown(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://***{}", &text[..scheme], &text[at..]),
        _ => text.to_owned(),
    }
}

/// dockerd refuses these since 20.10.
fn reserved_label(label: &str) -> bool {
    ["com.docker.", "io.docker.", "org.dockerproject."].iter().any(|space| label.starts_with(space))
}
