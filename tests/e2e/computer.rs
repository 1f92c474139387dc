//! A computer of its own on which rmachine runs: a lab host with an engine that nobody shares, to be started as a test
//! wants it, and to be gone with all that was made on it.

use std::process::{Command, Stdio};

use crate::e2e::docker_user::docker;
use crate::e2e::lab::{Done, Host, User, done, until};

const BINARY: &str = env!("CARGO_BIN_EXE_rmachine");

pub struct Computer {
    pub host: Host,
}

impl Computer {
    /// `options` are those of `tests/lab/up`.
    pub fn up(name: &str, options: &[&str]) -> Self {
        let computer = Self { host: Host::up(name, options) };
        computer.put(BINARY, "/usr/local/bin/rmachine");
        computer
    }

    pub fn put(&self, from: &str, to: &str) {
        docker(&["cp", from, &format!("{}:{to}", self.host.name)]).ok();
    }

    pub fn run(&self, command: &str) -> String {
        self.host.run(command)
    }

    pub fn rmachine(&self, args: &[&str]) -> Done {
        self.rmachine_as("root", args)
    }

    /// With an environment as poor as cron's.
    pub fn command_as(&self, user: &str, program: &str, args: &[&str]) -> Command {
        let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
        let mut command = Command::new("docker");
        command.args(["exec", "-u", user, "-w", &home, &self.host.name, "env", "-i"]);
        command.args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
        command.args([format!("HOME={home}"), format!("USER={user}"), program.to_owned()]).args(args);
        command.stdin(Stdio::null());
        command
    }

    pub fn rmachine_as(&self, user: &str, args: &[&str]) -> Done {
        done(self.command_as(user, "rmachine", args).output().expect("docker runs"))
    }

    pub fn until_engine_answers(&self) {
        until("the computer's engine answers", || self.host.try_run("docker version").status.success());
    }

    /// The engine anew, with this daemon.json.
    pub fn configure_engine(&self, daemon_json: &str) {
        self.run(&format!("echo '{daemon_json}' >/etc/docker/daemon.json && systemctl restart docker"));
        self.until_engine_answers();
    }

    /// The node image of the engine that all tests share, so that none has to be built here.
    pub fn give_image(&self) {
        let built = User::new().rmachine(&["node-image", "build"]).ok().out;
        let image = built.lines().last().expect("an image");
        let script = format!("docker save {image} | docker exec -i {} docker load", self.host.name);
        let loaded = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
        done(loaded).ok();
    }

    /// All that the engine holds, but for images.
    pub fn left(&self) -> String {
        self.run("docker ps -aq; docker volume ls -q; docker network ls -q --filter type=custom")
    }
}
