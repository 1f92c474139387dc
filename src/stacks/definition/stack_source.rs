//! Where a stack comes from: this program, or a folder of the user's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rmachine_driver::describe_error;

use crate::stacks::definition::error::meant;
use crate::stacks::definition::{Manifest, StackError, built_in};

/// What a stack is called in a swarm: part of the names of services, networks and hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackName(String);

impl StackName {
    pub fn parse(text: &str) -> Result<Self, StackError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if first && text.len() <= 32 && text.chars().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(StackError::new(format!(
            "{text:?} cannot be the name of a stack: at most 32 small letters, digits, - and _"
        ))
        .hint("--name NAME gives it another"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[derive(Debug, Clone)]
pub struct Stack {
    /// What it is called unless the user says otherwise; what services bear as their source.
    pub id: String,
    pub manifest: Manifest,
    pub(crate) compose: String,
    /// Whether files hold `${{ ... }}` for us. Those of a folder without `stack.toml` are as they are.
    pub(crate) templates: bool,
    files: Files,
}

#[derive(Debug, Clone)]
enum Files {
    BuiltIn(BTreeMap<&'static str, &'static str>),
    Folder(PathBuf),
}

pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    built_in::STACKS.iter().map(|(name, _)| *name)
}

impl Stack {
    /// A name is one of ours; what has a slash, or is `.`, is a folder.
    pub fn find(word: &str) -> Result<Self, StackError> {
        if word.contains(['/', '\\']) || word.starts_with('.') {
            return Self::folder(Path::new(word));
        }
        match built_in::STACKS.iter().find(|(name, _)| *name == word) {
            Some((name, files)) => Self::built_in(name, files),
            None => Err(no_such(word)),
        }
    }

    fn built_in(name: &str, files: &'static [(&'static str, &'static str)]) -> Result<Self, StackError> {
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        let text = |file: &str| files.get(file).copied().unwrap_or_default();
        let named = |e: StackError| StackError { message: format!("{name}: {e}"), ..e };
        let manifest = Manifest::parse(text("stack.toml")).map_err(named)?;
        let compose = text("compose.yml").to_owned();
        Ok(Self { id: name.to_owned(), manifest, compose, templates: true, files: Files::BuiltIn(files) })
    }

    fn folder(folder: &Path) -> Result<Self, StackError> {
        let absolute = folder.canonicalize().map_err(|e| unreadable(folder, &e))?;
        let id = absolute.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (_, compose) = ["compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"]
            .iter()
            .find_map(|name| Some((name, std::fs::read_to_string(absolute.join(name)).ok()?)))
            .ok_or_else(|| {
                StackError::new(format!("there is no compose.yml in {}", folder.display()))
                    .hint("a stack is a folder with a compose.yml and, if it takes parameters, a stack.toml")
            })?;
        let path = absolute.join("stack.toml");
        let (manifest, templates) = match std::fs::read_to_string(&path) {
            Ok(text) => (Manifest::parse(&text), true),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (Manifest::plain(), false),
            Err(e) => return Err(unreadable(&path, &e)),
        };
        let named = |e: StackError| StackError { message: format!("{}: {e}", folder.display()), ..e };
        let manifest = manifest.map_err(named)?;
        Ok(Self { id: id.to_lowercase(), manifest, compose, templates, files: Files::Folder(absolute) })
    }

    /// A file that the compose file names.
    pub(super) fn file(&self, path: &str) -> Result<Vec<u8>, StackError> {
        match &self.files {
            Files::BuiltIn(files) => {
                let name = path.trim_start_matches("./");
                let text = files.get(name).map(|text| text.as_bytes().to_vec());
                text.ok_or_else(|| StackError::new(format!("{}: there is no file {path}", self.id)))
            }
            Files::Folder(folder) => {
                let path = folder.join(path);
                std::fs::read(&path).map_err(|e| unreadable(&path, &e))
            }
        }
    }
}

fn no_such(word: &str) -> StackError {
    let known: Vec<_> = built_in_names().collect();
    let error = StackError::new(format!("there is no stack {word:?}{}", meant(word, known.iter().copied())))
        .hint(format!("there are: {}", known.join(", ")));
    if Path::new(word).is_dir() {
        return error.hint(format!("the folder of that name is ./{word}"));
    }
    error
}

fn unreadable(path: &Path, error: &std::io::Error) -> StackError {
    StackError::new(format!("{} cannot be read: {}", path.display(), describe_error(error)))
}
