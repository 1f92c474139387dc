//! As much of systemd's unit files as it takes to know how an engine is started.

/// The drop-in that docker-machine writes too, so that both tools can manage one host.
pub(crate) const DROP_IN: &str = "10-machine.conf";

/// One file of a unit, in the order in which systemd reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl UnitFile {
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.name() == DROP_IN
    }

    /// systemd reads drop-ins by the order of their names, wherever they lie.
    pub(crate) fn is_after_ours(&self) -> bool {
        self.path.ends_with(".conf") && self.name() > DROP_IN
    }

    /// The commands that this file alone sets, if it does: an empty one takes back those before it.
    pub(crate) fn exec_start(&self) -> Option<Vec<String>> {
        let mut commands = None;
        for command in self.service_lines().iter().filter_map(|line| value_of(line, "ExecStart")) {
            let list: &mut Vec<String> = commands.get_or_insert_default();
            if command.is_empty() { list.clear() } else { list.push(command.to_owned()) }
        }
        commands
    }

    fn service_lines(&self) -> Vec<String> {
        let mut section = String::new();
        let mut lines = logical_lines(&self.text);
        lines.retain(|line| {
            if line.starts_with('[') {
                line.clone_into(&mut section);
            }
            section == "[Service]"
        });
        lines
    }
}

/// What systemd would run, had it read only these files.
pub(super) fn exec_start<'a>(files: impl IntoIterator<Item = &'a UnitFile>) -> Option<String> {
    let last = files.into_iter().filter_map(UnitFile::exec_start).last();
    last.and_then(|commands| commands.into_iter().next_back())
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

    fn file(text: &str) -> UnitFile {
        UnitFile { path: "/etc/x.conf".into(), text: text.into() }
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
