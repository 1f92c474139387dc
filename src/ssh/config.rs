//! The part of `~/.ssh/config` that decides where and as whom to connect.
//!
//! Host patterns, `Match` on host names, Include; the first value wins, as in ssh. A `Match` that would need more (a
//! program, a user, a network) does not apply: ssh2-config would apply its lines to the `Host` above it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use crate::ssh::SshError;

/// What the file says about one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostSettings {
    pub(crate) host_name: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) identity_files: Vec<PathBuf>,
    pub(crate) identities_only: Option<bool>,
    /// As written; `none` is kept, for it also stops a later value.
    pub(crate) proxy_jump: Option<String>,
    pub(crate) proxy_command: Option<String>,
}

/// Looks a host up; a missing file says nothing about anyone.
pub(crate) fn lookup(home: &Path, host: &str) -> Result<HostSettings, SshError> {
    let mut reader = Reader { home, host, found: HostSettings::default() };
    let path = home.join(".ssh/config");
    if let Some(text) = read(&path)? {
        reader.file(&path, &text, 0)?;
    }
    Ok(reader.found)
}

fn read(path: &Path) -> Result<Option<String>, SshError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SshError::ConfigUnreadable { path: path.to_owned(), source }),
    }
}

const MAX_INCLUDES: usize = 16;

struct Reader<'a> {
    home: &'a Path,
    host: &'a str,
    found: HostSettings,
}

impl Reader<'_> {
    /// Only called where the block that includes the file applies.
    fn file(&mut self, path: &Path, text: &str, depth: usize) -> Result<(), SshError> {
        let mut active = true;
        for (number, line) in text.lines().enumerate() {
            let bad = |reason: &str| SshError::Config {
                path: path.to_owned(),
                line: number + 1,
                reason: reason.to_owned(),
            };
            let Some((keyword, rest)) = split(line) else { continue };
            let words: VecDeque<_> = shlex::split(rest).ok_or_else(|| bad("a quote is not closed"))?.into();
            match keyword.as_str() {
                "host" => active = self.host_matches(words.iter().map(String::as_str)),
                "match" => active = self.matches(words),
                _ if !active => {}
                "include" if depth >= MAX_INCLUDES => return Err(bad("too many files include each other")),
                "include" => self.include(words, depth)?,
                _ => self.set(&keyword, rest, &words).map_err(|reason| bad(&reason))?,
            }
        }
        Ok(())
    }

    fn host_matches<'p>(&self, patterns: impl Iterator<Item = &'p str>) -> bool {
        let mut matched = false;
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(not) if wildcard(not, self.host) => return false,
                Some(_) => {}
                None => matched |= wildcard(pattern, self.host),
            }
        }
        matched
    }

    fn matches(&self, mut words: VecDeque<String>) -> bool {
        let host_name = self.found.host_name.as_deref().unwrap_or(self.host);
        while let Some(criterion) = words.pop_front() {
            let (negated, criterion) = match criterion.strip_prefix('!') {
                Some(criterion) => (true, criterion),
                None => (false, criterion.as_str()),
            };
            let name = match criterion.to_ascii_lowercase().as_str() {
                "all" => continue,
                "host" => host_name,
                "originalhost" => self.host,
                _ => return false,
            };
            let patterns = words.pop_front().unwrap_or_default();
            let reader = Reader { home: self.home, host: name, found: HostSettings::default() };
            if reader.host_matches(patterns.split(',')) == negated {
                return false;
            }
        }
        true
    }

    fn include(&mut self, patterns: VecDeque<String>, depth: usize) -> Result<(), SshError> {
        for pattern in patterns {
            let pattern = self.home.join(".ssh").join(expand_home(self.home, &pattern));
            for path in expand(&pattern) {
                if let Some(text) = read(&path)? {
                    self.file(&path, &text, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, keyword: &str, rest: &str, words: &VecDeque<String>) -> Result<(), String> {
        const KNOWN: [&str; 7] =
            ["hostname", "user", "port", "identityfile", "identitiesonly", "proxyjump", "proxycommand"];
        if !KNOWN.contains(&keyword) {
            return Ok(());
        }
        let Some(value) = words.front() else { return Err(format!("{keyword} has no value")) };
        let found = &mut self.found;
        match keyword {
            "hostname" => first(&mut found.host_name, || value.replace("%h", self.host).replace("%%", "%")),
            "user" => first(&mut found.user, || value.clone()),
            "port" => {
                let port = value.parse().ok().filter(|port| *port != 0);
                let port = port.ok_or_else(|| format!("{value:?} is not a port"))?;
                first(&mut found.port, || port);
            }
            "identityfile" if value == "none" => {}
            "identityfile" => found.identity_files.push(identity(self.home, self.host, value)),
            "identitiesonly" => first(&mut found.identities_only, || value.eq_ignore_ascii_case("yes")),
            // Of these two the first one wins over the other as well.
            "proxyjump" if found.proxy_command.is_none() => first(&mut found.proxy_jump, || words_of(words)),
            "proxycommand" if found.proxy_jump.is_none() => {
                first(&mut found.proxy_command, || rest.to_owned());
            }
            _ => {}
        }
        Ok(())
    }
}

fn first<T>(slot: &mut Option<T>, value: impl FnOnce() -> T) {
    slot.get_or_insert_with(value);
}

fn words_of(words: &VecDeque<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// `Keyword value`, `Keyword=value`, `Keyword = value`; the keyword in small letters.
fn split(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    Some((keyword.to_ascii_lowercase(), rest))
}

fn identity(home: &Path, host: &str, value: &str) -> PathBuf {
    let value = value.replace("%d", &home.to_string_lossy()).replace("%h", host).replace("%%", "%");
    home.join(".ssh").join(expand_home(home, &value))
}

fn expand_home(home: &Path, path: &str) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| home.join(rest))
}

/// The files that a path with wildcards in its last part names, in order.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(dir) = pattern.parent().filter(|_| name.contains(['*', '?'])) else {
        return vec![pattern.to_owned()];
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let visible = |found: &str| !found.starts_with('.') || name.starts_with('.');
    let mut files: Vec<_> = entries
        .filter(|entry| {
            entry.file_name().to_str().is_some_and(|found| visible(found) && wildcard(&name, found))
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// `*` and `?`, as in ssh_config(5).
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
#[path = "tests/config.rs"]
mod tests;
