//! Hosts that cannot be reached, on loopback or in a network of the test's own: one error that names the host, says what is
//! left and what to do next.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread::spawn;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use super::fake_engine::Port;
use super::harness::{Outcome, Sandbox};

/// A key that a program would send to the host, were there one.
pub(super) fn lab() -> Sandbox {
    let lab = Sandbox::new();
    let key = lab.path("H/key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Made first, so that what follows is about the host alone.
    lab.ok("create -d none --url u certs");
    lab.ok("rm -y certs");
    lab
}

pub(super) fn create(address: &str, port: u16) -> String {
    format!(
        "create -d generic --generic-ip-address {address} --generic-ssh-port {port} --generic-ssh-key /H/key --ssh-timeout 1 x"
    )
}

/// The create that failed, and how the machine stands afterwards.
fn failed(lab: &Sandbox, address: &str, port: u16) -> Outcome {
    let outcome = lab.run(&create(address, port));
    stands(lab);
    outcome.with(format!(":{port}"), ":PORT")
}

fn stands(lab: &Sandbox) {
    assert_eq!(lab.machines(), ["x"], "no more and no less");
    let error = lab.ok("ls -t 1 -f '{{.Phase}} {{.Error}}'");
    assert!(error.starts_with("created not created completely (phase created): "), "{error}");
    assert!(error.contains("rmachine create --resume x") && error.contains("rmachine rm x"), "{error}");
    lab.ok("rm -y x");
    assert!(lab.machines().is_empty(), "{:?}", lab.machines());
}

#[test]
fn create_reports_a_refused_connection() {
    let port = Port::open().number();
    assert_snapshot!(failed(&lab(), "127.0.0.1", port), @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: 127.0.0.1:PORT refused the connection
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
}

#[test]
fn create_reports_a_host_that_sends_no_ssh_banner() {
    let port = Port::open();
    assert_snapshot!(failed(&lab(), "127.0.0.1", port.number()), @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: 127.0.0.1:PORT took the connection, but did not finish the SSH handshake within 1 s
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
}

#[test]
fn create_reports_a_server_that_is_not_ssh() {
    let port = says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    assert_snapshot!(failed(&lab(), "127.0.0.1", port), @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: something answered on 127.0.0.1:PORT, but it does not speak SSH (it said "HTTP/1.1 400 Bad Request")
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
}

#[test]
fn create_reports_a_connection_that_is_closed_at_once() {
    let port = says("");
    assert_snapshot!(failed(&lab(), "127.0.0.1", port), @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: 127.0.0.1:PORT closed the connection before the SSH handshake was done
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
}

/// A server that greets everybody with these words and closes.
fn says(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(words.as_bytes());
        }
    });
    port
}

/// A listener whose queue is full drops what comes: to a client that looks like a host behind a firewall.
struct BlackHole {
    listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queue.push(stream);
        }
        Self { listener, _queue: queue }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

#[test]
fn create_reports_a_connection_timeout() {
    let hole = BlackHole::open();
    let lab = lab();
    let began = Instant::now();
    let outcome = lab.run(&create("127.0.0.1", hole.port())).with(format!(":{}", hole.port()), ":PORT");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_snapshot!(outcome, @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: no answer from 127.0.0.1:PORT within 1 s
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
    assert_eq!(lab.ok("ls -t 1 -f '{{.Name}} {{.State}}'"), "x Timeout\n");
    lab.ok("rm -y x");
}

#[test]
fn create_reports_a_host_without_a_route() {
    let lab = lab();
    let outcome =
        lab.run_apart("ip link set lo up; ip route add unreachable 192.0.2.5", &create("192.0.2.5", 22));
    assert_snapshot!(outcome, @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: cannot reach 192.0.2.5:22: no route to host
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
    stands(&lab);
    assert_snapshot!(lab.run_apart("ip link set lo up", &create("192.0.2.5", 22)), @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: cannot reach 192.0.2.5:22: network is unreachable
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
    stands(&lab);
}

#[test]
fn create_reports_a_name_that_cannot_be_resolved() {
    let lab = lab();
    lab.write("nsswitch.conf", "hosts: files\n");
    let files_only = format!("mount --bind {} /etc/nsswitch.conf", lab.path("nsswitch.conf").display());
    assert_snapshot!(lab.run_apart(&files_only, &create("nosuch.example", 22)), @r#"
    exit 1
    --- stdout
    Running pre-create checks...
    Creating machine...
    (x) Importing SSH key...
    Waiting for machine to be running, this may take a few minutes...
    Detecting operating system of created instance...
    Waiting for SSH to be available...
    --- stderr
    Error creating machine: cannot find the address of nosuch.example: failed to lookup address information: Name or service not known
      left behind: machine "x" in phase created, shown by `rmachine ls`
    Hint: `rmachine create --resume x` goes on from there, `rmachine rm x` removes it
    "#);
    stands(&lab);
}

#[test]
fn ssh_reports_an_unreachable_host() {
    let lab = lab();
    let port = Port::open().number();
    lab.run(&create("127.0.0.1", port));
    assert_snapshot!(lab.run("ssh x id").with(port, "PORT"), @r"
    exit 1
    --- stderr
    127.0.0.1:PORT refused the connection
    ");
    assert_snapshot!(lab.run("status x"), @r"
    exit 0
    --- stdout
    Stopped
    ");
    assert_snapshot!(lab.run("url x"), @r"
    exit 0
    --- stdout
    tcp://127.0.0.1:2376
    ");
}
