//! What a session does, on the real sshd.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::ssh::tests::lab::{Home, Sshd, TIMEOUT, join};
use crate::ssh::{ExitStatus, Session, Size, SshError, Stream, Terminal};

struct Lab {
    sshd: Sshd,
    home: Home,
    session: Session,
}

async fn lab() -> Lab {
    lab_with("").await
}

async fn lab_with(config: &str) -> Lab {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let sshd = Sshd::with(&[&key], &["ed25519"], config);
    let session = join(&sshd.endpoint(Some(&key)), &home.env()).await.unwrap();
    Lab { sshd, home, session }
}

/// Fits no window and repeats at no chunk's length.
fn noise(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[tokio::test]
async fn commands_say_and_return() {
    let lab = lab().await;
    let out = lab.session.output("echo out; echo err >&2; exit 7", b"").await.unwrap();
    assert_eq!(out.status, ExitStatus::Code(7));
    assert_eq!((out.stdout.as_slice(), out.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    let out = lab.session.output("tr a-z A-Z", b"hello").await.unwrap();
    assert_eq!((out.status, out.stdout.as_slice()), (ExitStatus::Code(0), &b"HELLO"[..]));
    let out = lab.session.output("kill -TERM $$", b"").await.unwrap();
    assert_eq!((out.status.code(), out.status.success()), (143, false));
    assert_eq!(lab.session.host_key().split(' ').take(2).collect::<Vec<_>>(), {
        let line = lab.sshd.host_key("ed25519");
        line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>()
    });
    lab.session.close().await;
    drop(lab.home);
}

#[tokio::test]
async fn input_that_nobody_reads_does_not_hang() {
    let lab = lab().await;
    let out = timeout(TIMEOUT, lab.session.output("exit 3", &noise(8 << 20))).await.unwrap().unwrap();
    assert_eq!(out.status, ExitStatus::Code(3));
}

#[tokio::test]
async fn several_commands_at_once() {
    let lab = lab().await;
    let (a, b) = (lab.home.ssh("a"), lab.home.ssh("b"));
    let meet = |mine: &Path, other: &Path| {
        format!("touch {}; until [ -e {} ]; do sleep 0.05; done", mine.display(), other.display())
    };
    let (meet_b, meet_a) = (meet(&a, &b), meet(&b, &a));
    let both = async { tokio::join!(lab.session.output(&meet_b, b""), lab.session.output(&meet_a, b"")) };
    let (a, b) = timeout(TIMEOUT, both).await.unwrap();
    assert!(a.unwrap().status.success() && b.unwrap().status.success());
}

#[tokio::test]
async fn hosts_that_allow_one_command_at_a_time() {
    let lab = lab_with("MaxSessions 1").await;
    for _ in 0..10 {
        assert!(lab.session.output("true", b"").await.unwrap().status.success());
    }
}

#[tokio::test]
async fn a_channel_waits_for_its_command() {
    let lab = lab_with("MaxSessions 1").await;
    // A second one would be refused.
    lab.session.prepare().await;
    assert!(lab.session.output("true", b"").await.unwrap().status.success());
    // Refused, and tried again when it is wanted.
    let (said, ()) = tokio::join!(lab.session.output("sleep 0.2; echo said", b""), lab.session.prepare());
    assert_eq!(said.unwrap().stdout, b"said\n");
    assert!(lab.session.output("true", b"").await.unwrap().status.success());
}

#[tokio::test]
async fn lines_come_as_they_are_said() {
    let lab = lab().await;
    let heard = lab.home.ssh("heard");
    let command =
        format!("cat; until [ -e {} ]; do sleep 0.05; done; echo two >&2; printf three", heard.display());
    let mut said = Vec::new();
    let lines = lab.session.lines(&command, b"one\n", |stream, line| {
        said.push((stream, line.to_owned()));
        std::fs::write(&heard, "").unwrap();
    });
    assert!(timeout(TIMEOUT, lines).await.unwrap().unwrap().success());
    assert_eq!(said.remove(0), (Stream::Stdout, "one".to_owned()));
    // the two streams of a command keep no order between them
    said.sort_by_key(|(_, line)| line.clone());
    assert_eq!(said, [(Stream::Stdout, "three".to_owned()), (Stream::Stderr, "two".to_owned())]);
}

#[tokio::test]
async fn a_pipe_carries_bytes_both_ways() {
    let lab = lab().await;
    let data = noise(32 << 20);
    let (mut near, stdin) = duplex(64 * 1024);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let send = async {
        near.write_all(&data).await.unwrap();
        drop(near);
    };
    let piped = lab.session.pipe(Some("cat; echo done >&2"), stdin, &mut out, &mut err);
    let (status, ()) = tokio::join!(timeout(TIMEOUT * 3, piped), send);
    assert!(status.unwrap().unwrap().success());
    assert!(out == data, "{} of {} bytes came back", out.len(), data.len());
    assert_eq!(err, b"done\n");
}

#[tokio::test]
async fn a_pipe_ends_with_the_command_even_if_input_stays_open() {
    let lab = lab().await;
    let (near, stdin) = duplex(64);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let piped = lab.session.pipe(Some("echo hi; exit 4"), stdin, &mut out, &mut err);
    assert_eq!(timeout(TIMEOUT, piped).await.unwrap().unwrap(), ExitStatus::Code(4));
    assert_eq!(out, b"hi\n");
    drop(near);
}

#[tokio::test]
async fn a_pipe_without_a_command_is_the_users_shell() {
    let lab = lab().await;
    let mut out = Vec::new();
    let script = &b"echo from a script\nexit 6\n"[..];
    let status = lab.session.pipe(None, script, &mut out, tokio::io::sink()).await.unwrap();
    assert_eq!(status, ExitStatus::Code(6));
    assert!(String::from_utf8_lossy(&out).contains("from a script"));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_command() {
    let lab = lab().await;
    // more often than sshd allows channels at a time
    for _ in 0..12 {
        let (reader, stdout) = duplex(16);
        drop(reader);
        let piped = lab.session.pipe(Some("yes"), tokio::io::empty(), stdout, tokio::io::sink());
        let e = timeout(TIMEOUT, piped).await.unwrap().unwrap_err();
        assert!(matches!(e, SshError::Local { what: "standard output", .. }), "{e}");
    }
}

#[tokio::test]
async fn a_dropped_command_is_ended_on_the_host() {
    let lab = lab().await;
    let mark = lab.home.ssh("mark");
    let command =
        format!("trap 'touch {}; exit' HUP PIPE; while :; do echo x; sleep 0.05; done", mark.display());
    let cut = timeout(Duration::from_millis(400), lab.session.output(&command, b"")).await;
    assert!(cut.is_err());
    let deadline = Instant::now() + TIMEOUT;
    while !mark.exists() {
        assert!(Instant::now() < deadline, "it runs on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_terminal_has_a_size_and_follows_it() {
    let lab = lab().await;
    let (mut keys, input) = duplex(1024);
    let (mut screen, output) = duplex(64 * 1024);
    let (resize, size) = watch::channel(Size { columns: 91, rows: 17 });
    let command = "echo $TERM; stty size; read x; echo got $x; trap 'stty size; exit 5' WINCH; echo ready; \
                   while :; do sleep 0.05; done";
    let shell = lab.session.shell(Some(command), Terminal::new("vt220", input, output, size));
    let user = async {
        keys.write_all(b"typed\n").await.unwrap();
        let mut seen = read_until(&mut screen, "ready").await;
        resize.send(Size { columns: 120, rows: 40 }).unwrap();
        seen.push_str(&read_until(&mut screen, "40 120").await);
        seen
    };
    let (status, seen) = tokio::join!(timeout(TIMEOUT, shell), user);
    assert_eq!(status.unwrap().unwrap(), ExitStatus::Code(5));
    assert!(["vt220", "17 91", "got typed"].iter().all(|part| seen.contains(part)), "{seen}");
}

async fn read_until(from: &mut (impl AsyncReadExt + Unpin), what: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    while !seen.contains(what) {
        let n = timeout(TIMEOUT, from.read(&mut buffer))
            .await
            .unwrap_or_else(|_| panic!("only {seen:?}"))
            .unwrap();
        assert!(n > 0, "ended after {seen:?}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    seen
}

#[tokio::test]
async fn sockets_of_the_host_are_reached() {
    let lab = lab().await;
    let path = lab.home.ssh("socket");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = unix.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    tokio::spawn(async move {
        let (mut stream, _) = tcp.accept().await.unwrap();
        stream.write_all(b"hello").await.unwrap();
    });
    let mut text = String::new();
    lab.session.direct_tcpip("127.0.0.1", port).await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");

    let mut stream = lab.session.unix_socket(path.to_str().unwrap()).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    stream.shutdown().await.unwrap();
    text.clear();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "ping");

    let e = lab.session.unix_socket("/nowhere").await.map(drop).unwrap_err();
    assert!(e.to_string().contains("refused to connect to /nowhere"), "{e}");
}

#[tokio::test]
async fn what_the_host_forbids_is_told() {
    let lab = lab_with("AllowTcpForwarding no\nPermitTTY no").await;
    let e = lab.session.direct_tcpip("127.0.0.1", 1).await.map(drop).unwrap_err();
    assert!(e.to_string().ends_with("refused to connect to 127.0.0.1:1: administratively prohibited"), "{e}");
    let (_resize, size) = watch::channel(Size { columns: 80, rows: 24 });
    let (_keys, input) = duplex(16);
    let e = lab
        .session
        .shell(Some("true"), Terminal::new("xterm", input, tokio::io::sink(), size))
        .await
        .unwrap_err();
    assert!(e.to_string().ends_with("refused to open a terminal: the host does not allow it"), "{e}");
}

#[tokio::test]
async fn a_lost_connection_is_told() {
    let lab = lab().await;
    let e = timeout(TIMEOUT, lab.session.output("kill -9 $PPID; sleep 5", b"")).await.unwrap().unwrap_err();
    assert!(matches!(e, SshError::Lost { .. }) && e.is_transient(), "{e:?}");
    let e = lab.session.output("true", b"").await.unwrap_err();
    assert!(matches!(e, SshError::Lost { .. }), "{e:?}");
}
