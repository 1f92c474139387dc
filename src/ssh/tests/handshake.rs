//! Who answers, and whether it is the right one.

use std::time::{Duration, Instant};

use rmachine_driver::Endpoint;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::ssh::tests::lab::{Home, Sshd, TIMEOUT, endpoint, free_port, join, join_as};
use crate::ssh::{Connect, HostKeyPolicy, SshEnv, SshError, Unattended, connect, fingerprint};

async fn briefly(endpoint: &Endpoint) -> SshError {
    let c = Connect {
        endpoint,
        alias: None,
        use_config: true,
        policy: HostKeyPolicy::TrustFirst,
        connect_timeout: Duration::from_secs(1),
        env: &SshEnv::default(),
        prompter: &Unattended,
    };
    connect(c).await.unwrap_err()
}

/// Answers every connection with these bytes, then closes or keeps silent.
async fn listener(answer: &'static str, close: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(answer.as_bytes()).await.unwrap();
            if close {
                // a close with unread data would be a reset, which may overtake the answer
                let _ = stream.shutdown().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            } else {
                kept.push(stream);
            }
        }
    });
    port
}

#[tokio::test]
async fn nobody_there() {
    let port = free_port();
    let e = briefly(&endpoint(port, None)).await;
    assert_eq!(e.to_string(), format!("127.0.0.1:{port} refused the connection"));
    assert!(e.is_transient());
}

#[tokio::test]
async fn no_answer() {
    // A full backlog drops packets, as a host that is down does.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fill = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        fill.push(stream);
    }
    let started = Instant::now();
    let e = briefly(&endpoint(address.port(), None)).await;
    assert_eq!(e.to_string(), format!("no answer from 127.0.0.1:{} within 1 s", address.port()));
    assert!(e.is_transient() && started.elapsed() < Duration::from_millis(1500));
}

#[tokio::test]
async fn a_silent_listener() {
    let port = listener("", false).await;
    let started = Instant::now();
    let e = briefly(&endpoint(port, None)).await;
    assert!(matches!(e, SshError::Silent { seconds: 1, .. }) && e.is_transient(), "{e}");
    assert!(started.elapsed() < Duration::from_millis(1500));
}

#[tokio::test]
async fn not_ssh() {
    let port = listener("HTTP/1.1 400 Bad Request\r\n\r\nno", true).await;
    let e = briefly(&endpoint(port, None)).await;
    assert_eq!(
        e.to_string(),
        format!(
            "something answered on 127.0.0.1:{port}, but it does not speak SSH (it said \"HTTP/1.1 400 Bad Request\")"
        )
    );
    assert!(!e.is_transient());
}

#[tokio::test]
async fn closed_or_busy() {
    for (answer, busy) in [("", false), ("SSH-2.0-x\r\n", false), ("Exceeded MaxStartups\r\n", true)] {
        let e = briefly(&endpoint(listener(answer, true).await, None)).await;
        assert!(e.is_transient(), "{answer:?}: {e}");
        assert_eq!(matches!(e, SshError::Busy { .. }), busy, "{answer:?}: {e}");
        assert_eq!(matches!(e, SshError::Closed { .. }), !busy, "{answer:?}: {e}");
    }
}

#[tokio::test]
async fn an_unknown_name() {
    let host = rmachine_driver::HostAddr::parse("no-such-host.invalid").unwrap();
    let e = briefly(&Endpoint { host, ..endpoint(22, None) }).await;
    assert!(matches!(e, SshError::Resolve { .. }) && !e.is_transient(), "{e}");
}

struct Lab {
    sshd: Sshd,
    home: Home,
    endpoint: Endpoint,
}

fn lab() -> Lab {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let sshd = Sshd::with(&[&key], &["ed25519", "ecdsa", "rsa"], "");
    let endpoint = sshd.endpoint(Some(&key));
    Lab { sshd, home, endpoint }
}

impl Lab {
    async fn join(&self, policy: HostKeyPolicy) -> Result<String, SshError> {
        let session = join_as(&self.endpoint, &self.home.env(), policy, &Unattended).await?;
        Ok(session.host_key().to_owned())
    }
}

#[tokio::test]
async fn each_key_of_a_host_can_be_the_pinned_one() {
    let lab = lab();
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let line = lab.sshd.host_key(kind);
        let seen = lab.join(HostKeyPolicy::Pinned(vec![line.clone()])).await.unwrap();
        assert!(line.starts_with(&seen), "pinned {line}, saw {seen}");
        let fingerprint = HostKeyPolicy::Fingerprint(fingerprint(&line).unwrap());
        assert!(line.starts_with(&lab.join(fingerprint).await.unwrap()));
    }
    assert!(lab.join(HostKeyPolicy::TrustFirst).await.unwrap().starts_with("ssh-ed25519 "));
}

#[tokio::test]
async fn another_key_is_refused_before_we_log_in() {
    let lab = lab();
    let seen = fingerprint(&lab.sshd.host_key("ed25519")).unwrap();
    let other = std::fs::read_to_string(lab.home.ssh("id_ed25519.pub")).unwrap();
    let expected = fingerprint(&other).unwrap();
    for policy in [HostKeyPolicy::Pinned(vec![other]), HostKeyPolicy::Fingerprint(expected.clone())] {
        // a key that is not there would be told first, were it looked at
        let endpoint = lab.sshd.endpoint(Some(&lab.home.ssh("absent")));
        let e = join_as(&endpoint, &lab.home.env(), policy, &Unattended).await.unwrap_err();
        let text = format!(
            "the host key of 127.0.0.1:{} has changed: expected {expected}, but it showed {seen}",
            lab.sshd.port
        );
        assert_eq!((e.to_string(), e.is_transient()), (text, false));
    }
}

#[tokio::test]
async fn a_host_that_lost_the_pinned_type_has_changed() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let sshd = Sshd::with(&[&key], &["ecdsa"], "");
    let pinned = HostKeyPolicy::Pinned(vec![crate::ssh::tests::lab::public(&key)]);
    let e = join_as(&sshd.endpoint(Some(&key)), &home.env(), pinned, &Unattended).await.unwrap_err();
    assert!(matches!(e, SshError::HostKeyChanged { .. }), "{e}");
}

#[tokio::test]
async fn a_policy_that_makes_no_sense() {
    let lab = lab();
    for policy in
        [HostKeyPolicy::Pinned(vec!["ssh-ed25519 x".into()]), HostKeyPolicy::Fingerprint("MD5:00".into())]
    {
        assert!(matches!(lab.join(policy).await.unwrap_err(), SshError::BadHostKey { .. }));
    }
}

struct Jump {
    bastion: Sshd,
    inner: Sshd,
    home: Home,
}

/// A host behind a jump host, and a user whose config says so.
fn jump() -> Jump {
    let home = Home::new();
    let key = home.key("jump_key", &["ed25519"], "");
    let bastion = Sshd::start(&[&key]);
    let inner = Sshd::start(&[&home.key("id_ed25519", &["ed25519"], "")]);
    home.write(
        "config",
        &format!(
            "Host inside\n HostName 127.0.0.1\n ProxyJump bastion\nHost bastion\n HostName localhost\n Port {}\n User root\n \
             IdentityFile ~/.ssh/jump_key\n",
            bastion.port
        ),
    );
    Jump { bastion, inner, home }
}

impl Jump {
    fn known(&self, key: &str) {
        self.home.write("known_hosts", &format!("[localhost]:{} {key}", self.bastion.port));
    }

    async fn join(&self) -> Result<String, SshError> {
        let host = rmachine_driver::HostAddr::parse("inside").unwrap();
        let endpoint = Endpoint { host, ..self.inner.endpoint(None) };
        let session = join(&endpoint, &self.home.env()).await?;
        let out = session.output("echo $SSH_CONNECTION", b"").await?;
        assert!(self.inner.host_key("ed25519").starts_with(session.host_key()));
        session.close().await;
        Ok(String::from_utf8(out.stdout).unwrap())
    }
}

#[tokio::test]
async fn through_a_jump_host() {
    let jump = jump();
    jump.known(&jump.bastion.host_key("ed25519"));
    let said = jump.join().await.unwrap();
    assert!(said.trim().ends_with(&format!("127.0.0.1 {}", jump.inner.port)), "{said}");
}

#[tokio::test]
async fn through_two_jump_hosts() {
    let jump = jump();
    let second = Sshd::start(&[&jump.home.ssh("jump_key")]);
    jump.home.write(
        "known_hosts",
        &format!(
            "[localhost]:{} {}[127.0.0.1]:{} {}",
            jump.bastion.port,
            jump.bastion.host_key("ed25519"),
            second.port,
            second.host_key("ed25519")
        ),
    );
    let config = std::fs::read_to_string(jump.home.ssh("config")).unwrap();
    let two = format!("ProxyJump bastion,root@127.0.0.1:{}", second.port);
    let key = "Host 127.0.0.1\n IdentityFile ~/.ssh/jump_key\n";
    jump.home.write("config", &(config.replace("ProxyJump bastion", &two) + key));
    jump.join().await.unwrap();
}

#[tokio::test]
async fn an_unknown_jump_host_is_refused() {
    let jump = jump();
    let e = jump.join().await.unwrap_err();
    assert!(matches!(e, SshError::JumpHostUnknown { .. }), "{e}");
    assert!(e.to_string().contains(&fingerprint(&jump.bastion.host_key("ed25519")).unwrap()), "{e}");
    assert_eq!(e.hint().unwrap(), format!("ssh -p {} root@localhost", jump.bastion.port));
}

#[tokio::test]
async fn a_jump_host_that_changed_or_was_revoked_is_refused() {
    let jump = jump();
    jump.known(&jump.inner.host_key("ed25519"));
    let e = jump.join().await.unwrap_err();
    assert!(e.to_string().contains("has changed: expected SHA256:"), "{e}");

    let line = jump.bastion.host_key("ed25519");
    jump.home.write("known_hosts", &format!("[localhost]:{} {line}@revoked * {line}", jump.bastion.port));
    let e = jump.join().await.unwrap_err();
    assert!(e.to_string().contains("is marked as revoked in"), "{e}");
}

#[tokio::test]
async fn trouble_at_the_jump_host_is_told_as_such() {
    let jump = jump();
    jump.known(&jump.bastion.host_key("ed25519"));
    let host = rmachine_driver::HostAddr::parse("inside").unwrap();
    let closed = Endpoint { host: host.clone(), ..endpoint(free_port(), None) };
    let e = join(&closed, &jump.home.env()).await.unwrap_err();
    assert!(
        e.to_string().starts_with(&format!("the jump host localhost:{} cannot reach", jump.bastion.port)),
        "{e}"
    );
    assert!(e.is_transient());

    jump.home.key("other", &["ed25519"], "");
    let config = std::fs::read_to_string(jump.home.ssh("config")).unwrap();
    jump.home.write("config", &config.replace("jump_key", "other"));
    let e = join(&Endpoint { host, ..jump.inner.endpoint(None) }, &jump.home.env()).await.unwrap_err();
    assert!(e.to_string().starts_with("on the way through the jump host localhost:"), "{e}");
    assert!(!e.is_transient());
}

#[tokio::test]
async fn a_route_that_cannot_work() {
    let home = Home::new();
    home.write(
        "config",
        "Host a\n ProxyJump b\nHost b\n ProxyJump a\nHost c\n ProxyCommand nc %h %p\nHost d\n ProxyJump -x\n",
    );
    for (host, text) in [
        ("a", "the jump hosts of a lead in a circle or are too many"),
        ("c", "~/.ssh/config reaches c by ProxyCommand, which rmachine does not run"),
        ("d", "cannot find the address of -x: ProxyJump wants [user@]host[:port]"),
    ] {
        let host = rmachine_driver::HostAddr::parse(host).unwrap();
        let e = join(&Endpoint { host, ..endpoint(22, None) }, &home.env()).await.unwrap_err();
        assert_eq!(e.to_string(), text);
    }
}

#[tokio::test]
async fn a_config_that_is_not_asked_has_no_say() {
    let lab = lab();
    lab.home.write("config", "Host *\n HostName no-such-host.invalid\n ProxyCommand false\n");
    let c = Connect {
        endpoint: &lab.endpoint,
        alias: None,
        use_config: false,
        policy: HostKeyPolicy::TrustFirst,
        connect_timeout: TIMEOUT,
        env: &lab.home.env(),
        prompter: &Unattended,
    };
    connect(c).await.unwrap();
}

#[test]
fn sessions_can_move_between_threads() {
    fn sent<T: Send>(_: T) {}
    let (env, endpoint) = (SshEnv::default(), endpoint(1, None));
    sent(join(&endpoint, &env));
    fn shared<T: Send + Sync>() {}
    shared::<crate::ssh::Session>();
}
