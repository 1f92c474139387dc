//! systemd: what its units say about the engine, and the drop-in that changes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::engine::options;
use crate::provision::answer::Answer;
use crate::provision::error::ProvisionError;
use crate::provision::service::{ServiceFile, ServiceState, StartOptions};

/// docker-machine writes this drop-in too, so that both tools can manage one host.
pub(super) const DROP_IN: &str = "/etc/systemd/system/docker.service.d/10-machine.conf";

macro_rules! templates {
    ($($file:literal),*) => {
        &[$((
            concat!("service/systemd/", $file),
            include_str!(concat!("../../../templates/provision/service/systemd/", $file)),
        )),*]
    };
}

pub(super) const TEMPLATES: &[(&str, &str)] =
    templates!["engine.sh", "facts.sh", "pause.sh", "reboot.sh", "reload-sshd.sh"];

pub(super) fn state(answer: &Answer<'_>) -> Option<ServiceState> {
    let service = unit_properties(answer);
    if service.get("LoadState") != Some(&"loaded") {
        return None;
    }
    let state = service.get("ActiveState").copied();
    // The job of one that does not run is its start, which waits for others: while a host boots.
    let queued = service.get("Job").is_some_and(|job| !matches!(*job, "" | "0"));
    let file = |(path, text): (&str, &str)| ServiceFile { path: path.to_owned(), text: text.to_owned() };
    Some(ServiceState {
        active: state == Some("active"),
        starting: state == Some("activating") || state == Some("inactive") && queued,
        enabled: service.get("UnitFileState") == Some(&"enabled"),
        files: answer.texts_below("unit ").map(file).collect(),
    })
}

fn unit_properties<'a>(answer: &'a Answer<'_>) -> BTreeMap<&'a str, &'a str> {
    let block = answer.text("units").split("\n\n").find(|block| block.contains("Id=docker.service"));
    block.unwrap_or_default().lines().filter_map(|line| line.split_once('=')).collect()
}

/// What starts the engine without our drop-in.
pub(super) fn start_command(files: &[ServiceFile]) -> Option<String> {
    exec_start(files.iter().filter(|file| !is_ours(file) && !is_after_ours(file)))
}

/// The text of our drop-in. A drop-in that is read after it has the last word.
pub(super) fn drop_in(command: &str, from: &StartOptions<'_>) -> Result<String, ProvisionError> {
    check_later(from.files, from.daemon_json)?;
    let command = without_clashes(command, from.defaults, from.daemon_json);
    let mut text = format!("[Service]\nExecStart=\nExecStart={command}\n");
    for (name, value) in from.env {
        text.push_str(&options::systemd_environment(name, value));
        text.push('\n');
    }
    Ok(text)
}

fn check_later(files: &[ServiceFile], daemon_json: &Map<String, Value>) -> Result<(), ProvisionError> {
    let last = files.iter().rfind(|file| is_after_ours(file) && own_exec_start(file).is_some());
    let Some((file, command)) = last.and_then(|file| Some((file, exec_start([file])?))) else {
        return Ok(());
    };
    let flags = options::without_clashes(&words(&command), daemon_json).dropped.join(" ");
    if flags.is_empty() { Ok(()) } else { Err(ProvisionError::Clash { path: file.path.clone(), flags }) }
}

/// The command without the flags that daemon.json says too, which dockerd would refuse.
fn without_clashes(base: &str, defaults: &str, daemon_json: &Map<String, Value>) -> String {
    let mut words = words(base);
    if let Some(at) = words.iter().position(|word| word == "$DOCKER_OPTS" || word == "${DOCKER_OPTS}") {
        let options = docker_opts(defaults);
        if !options::without_clashes(&options, daemon_json).dropped.is_empty() {
            words.splice(at..=at, options);
        }
    }
    let parted = options::without_clashes(&words, daemon_json);
    if parted.dropped.is_empty() {
        return base.to_owned();
    }
    parted.kept.iter().map(|word| systemd_word(word)).collect::<Vec<_>>().join(" ")
}

fn docker_opts(defaults: &str) -> Vec<String> {
    let mut values = defaults.lines().filter_map(|line| line.trim().strip_prefix("DOCKER_OPTS="));
    let value = values.next_back().and_then(shlex::split).unwrap_or_default().join(" ");
    words(&value)
}

/// systemd's quotes are near enough to a shell's; a line that is no shell's is parted at its blanks.
fn words(command: &str) -> Vec<String> {
    let blanks = || command.split_whitespace().map(str::to_owned).collect();
    if command.contains(['"', '\'']) { shlex::split(command).unwrap_or_else(blanks) } else { blanks() }
}

fn systemd_word(word: &str) -> String {
    if !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// systemd reads drop-ins by the order of their names, wherever they lie.
fn is_after_ours(file: &ServiceFile) -> bool {
    file.path.ends_with(".conf") && name(&file.path) > name(DROP_IN)
}

fn is_ours(file: &ServiceFile) -> bool {
    name(&file.path) == name(DROP_IN)
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// What systemd would run, had it read only these files.
fn exec_start<'a>(files: impl IntoIterator<Item = &'a ServiceFile>) -> Option<String> {
    let last = files.into_iter().filter_map(own_exec_start).last();
    last.and_then(|commands| commands.into_iter().next_back())
}

/// The commands that this file alone sets, if it does: an empty one takes back those before it.
fn own_exec_start(file: &ServiceFile) -> Option<Vec<String>> {
    let mut commands = None;
    for command in service_lines(&file.text).iter().filter_map(|line| value_of(line, "ExecStart")) {
        let list: &mut Vec<String> = commands.get_or_insert_default();
        if command.is_empty() { list.clear() } else { list.push(command.to_owned()) }
    }
    commands
}

fn service_lines(text: &str) -> Vec<String> {
    let mut section = String::new();
    let mut lines = logical_lines(text);
    lines.retain(|line| {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        }
        section == "[Service]"
    });
    lines
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (name, value) = line.split_once('=')?;
    (name.trim() == key).then(|| value.trim())
}

/// A backslash at the end of a line continues it, comments in between do not count.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let (part, continued) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        let whole = open.take().map_or_else(|| part.to_owned(), |before| format!("{before} {part}"));
        if continued { open = Some(whole) } else { lines.push(whole) }
    }
    lines.extend(open);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ServiceFile {
        ServiceFile { path: "/etc/x.conf".into(), text: text.into() }
    }

    #[test]
    fn the_last_file_that_sets_it_wins() {
        let unit =
            file("[Unit]\nExecStart=no\n[Service]\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n");
        let other = file("[Service]\nLimitNOFILE=1\n");
        let reset = file("[Service]\nExecStart=\nExecStart = /usr/bin/dockerd --debug\n");
        let plain = "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS";
        assert_eq!(exec_start([&unit, &other]).as_deref(), Some(plain));
        assert_eq!(exec_start([&unit, &reset]).as_deref(), Some("/usr/bin/dockerd --debug"));
        assert_eq!(exec_start([&other]), None);
    }

    #[test]
    fn lines_continue_over_comments() {
        let unit = file(
            "[Service]\nExecStart=/usr/bin/dockerd \\\n# about -H\n  -H fd:// \\\n  --debug\nRestart=always\n",
        );
        assert_eq!(exec_start([&unit]).as_deref(), Some("/usr/bin/dockerd  -H fd://  --debug"));
    }
}
