//! The host: a container of the lab, looked into and reset from outside, past SSH and past what is measured.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const RESET: &str = include_str!("reset.sh");

#[derive(Debug)]
pub(crate) struct Host {
    /// Its container's.
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) key: PathBuf,
}

impl Host {
    /// An engine that runs and was never configured.
    pub(crate) fn reset(&self) {
        self.shell(RESET, &[&self.name]);
    }

    /// How often systemd has started the engine since the host booted.
    pub(crate) fn engine_starts(&self) -> usize {
        const STARTING: &str = "Starting docker.service";
        let log = self.shell("journalctl --sync; journalctl -b -u docker.service -o cat --no-pager", &[]);
        log.lines().filter(|line| line.starts_with(STARTING)).count()
    }

    /// That whoever was measured did the work.
    pub(crate) fn must_be_configured(&self, name: &str) {
        const LOOK: &str = "test \"$(stat -c %a /etc/docker/server-key.pem)\" = 600
            test -s /etc/docker/ca.pem
            test -s /etc/systemd/system/docker.service.d/10-machine.conf
            grep -q tlsverify /etc/docker/daemon.json
            test \"$(hostname)\" = \"$1\"
            systemctl is-active --quiet docker.service";
        self.shell(&format!("set -e\n{LOOK}"), &[name]);
    }

    fn shell(&self, script: &str, args: &[&str]) -> String {
        let mut docker = Command::new("docker");
        docker.args(["exec", "-i", &self.name, "sh", "-s", "--"]).args(args);
        let mut child = docker
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(script.as_bytes()).expect("the shell reads");
        drop(stdin);
        let output = child.wait_with_output().expect("docker ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "in {}: {script}\nfailed: {said}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
