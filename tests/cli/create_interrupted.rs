//! A create that ends in the middle, by Ctrl-C, SIGTERM or kill -9: the machine is still there to be listed, resumed and
//! removed, and nothing stays locked.

use std::time::Instant;

use insta::assert_snapshot;

use super::fake_engine::Port;
use super::harness::{Outcome, Running, Sandbox};
use super::unreachable_hosts;

/// A host that takes connections and says nothing: whoever makes a machine of it waits.
struct Scene {
    lab: Sandbox,
    port: Port,
}

impl Scene {
    fn new() -> Self {
        Self { lab: unreachable_hosts::lab(), port: Port::open() }
    }

    /// A create that has come as far as waiting for SSH.
    fn waiting(&self) -> Running {
        let words = unreachable_hosts::create("127.0.0.1", self.port.number())
            .replace("--ssh-timeout 1", "--ssh-timeout 300");
        self.wait(&words)
    }

    fn wait(&self, words: &str) -> Running {
        let mut running = self.lab.call(words).spawn();
        running.wait_for_line("Waiting for SSH to be available...");
        running
    }

    fn rows(&self) -> Outcome {
        self.lab
            .run("ls -f '{{.Name}} {{.DriverName}} {{.Phase}} {{.Error}}'")
            .with(self.port.number(), "PORT")
    }
}

#[test]
fn ls_shows_the_phase_of_a_killed_create() {
    let scene = Scene::new();
    let running = scene.waiting();
    running.signal("KILL");
    assert_eq!(running.end().code, None);
    assert_snapshot!(scene.rows(), @r"
    exit 0
    --- stdout
    x generic created not created completely (phase created); `rmachine create --resume x` goes on, `rmachine rm x` gives up
    ");
    let mut left = scene.lab.machines();
    left.retain(|name| name.starts_with('.'));
    assert_eq!(
        left,
        [".x.lock"],
        "a killed process cannot take its lock's file along, and leaves nothing else"
    );
}

#[test]
fn killed_create_leaves_no_lock_and_can_be_removed() {
    let scene = Scene::new();
    let running = scene.waiting();
    running.signal("KILL");
    running.end();
    let began = Instant::now();
    assert_snapshot!(scene.lab.run("rm -y x"), @r"
    exit 0
    --- stdout
    About to remove x
    WARNING: This action will delete both local reference and remote instance.
    Successfully removed x
    ");
    assert!(began.elapsed().as_secs() < 10, "it waited for a lock: {:?}", began.elapsed());
    assert!(scene.lab.machines().is_empty(), "{:?}", scene.lab.machines());
}

#[test]
fn resume_continues_a_killed_create() {
    let scene = Scene::new();
    let running = scene.waiting();
    running.signal("KILL");
    running.end();
    let resumed = scene.wait("create --resume x --ssh-timeout 300");
    resumed.signal("INT");
    let outcome = resumed.end();
    assert_snapshot!(outcome, @r"
    exit 130
    --- stdout
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Interrupted. What was reached is kept: `rmachine create --resume x` goes on, `rmachine rm x` removes it.
    ");
}

#[test]
fn create_refuses_the_name_of_a_killed_create() {
    let scene = Scene::new();
    let running = scene.waiting();
    running.signal("KILL");
    running.end();
    assert_snapshot!(scene.lab.run(&unreachable_hosts::create("127.0.0.1", scene.port.number())), @r#"
    exit 1
    --- stderr
    Docker machine "x" already exists
    Hint: its making was not finished: `rmachine create --resume x`
    "#);
}

#[test]
fn ctrl_c_reports_the_unfinished_machine_and_how_to_resume() {
    let scene = Scene::new();
    let running = scene.waiting();
    running.signal("INT");
    assert_snapshot!(running.end(), @r"
    exit 130
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Interrupted. What was reached is kept: `rmachine create --resume x` goes on, `rmachine rm x` removes it.
    ");
    assert_snapshot!(scene.rows(), @r"
    exit 0
    --- stdout
    x generic created not created completely (phase created); `rmachine create --resume x` goes on, `rmachine rm x` gives up
    ");
    assert_eq!(scene.lab.machines(), ["x"], "its lock went with it");
}

#[test]
fn sigterm_reports_the_unfinished_machine_and_how_to_resume() {
    let scene = Scene::new();
    let running = scene.waiting();
    running.signal("TERM");
    assert_snapshot!(running.end(), @r"
    exit 130
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Interrupted. What was reached is kept: `rmachine create --resume x` goes on, `rmachine rm x` removes it.
    ");
    assert_eq!(scene.lab.machines(), ["x"]);
}

#[test]
fn ctrl_c_ends_an_ls_that_waits_for_an_engine() {
    let scene = Scene::new();
    scene.lab.ok(&format!("create -d none --url {} n", scene.port.url()));
    let running = scene.lab.call("ls -t 300").spawn();
    until_connected(&running, scene.port.number());
    running.signal("INT");
    assert_snapshot!(running.end(), @r"
    exit 130
    --- stderr
    Interrupted.
    ");
}

/// Until the process has a connection to this port, as the kernel lists it.
fn until_connected(running: &Running, port: u16) {
    let remote = format!("0100007F:{port:04X}");
    let table = format!("/proc/{}/net/tcp", running.id());
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    // Local address, then remote address; the state 01 is an established connection.
    let connected = |l: &str| l.split_whitespace().nth(2) == Some(&remote);
    while !std::fs::read_to_string(&table).unwrap().lines().any(connected) {
        assert!(Instant::now() < deadline, "no connection to {port}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn commands_report_which_process_creates_a_machine() {
    let scene = Scene::new();
    let running = scene.waiting();
    let rows = scene.rows().with(running.id(), "PID");
    assert_snapshot!(rows, @r"
    exit 0
    --- stdout
    x generic created is being created by process PID (phase created)
    ");
    assert_eq!(scene.lab.ok("ls -q"), "x\n");
    assert_eq!(scene.lab.ok("ip x"), "127.0.0.1\n", "reading needs no lock");
    running.signal("KILL");
    running.end();
}

/// Two in a row: the second finds the machine where the first left it.
#[test]
fn interrupted_resume_can_be_resumed() {
    let scene = Scene::new();
    for words in ["", "create --resume x --ssh-timeout 300", "create --resume x --ssh-timeout 300"] {
        let running = if words.is_empty() { scene.waiting() } else { scene.wait(words) };
        running.signal("INT");
        assert_eq!(running.end().code, Some(130), "{words}");
    }
    let failed = scene.lab.run("create --resume x --ssh-timeout 1").with(scene.port.number(), "PORT");
    assert_snapshot!(failed, @r#"
    exit 1
    --- stdout
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: 127.0.0.1:PORT took the connection, but did not finish the SSH handshake within 1 s
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
    scene.lab.ok("rm -y x");
    assert!(scene.lab.machines().is_empty());
}
