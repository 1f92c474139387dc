//! Hosts that the real sshd does not play: russh's own server, in this process.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server;
use russh::server::{Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Preferred, Sig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::ssh::tests::lab::{Home, Sshd, TIMEOUT, endpoint, join};
use crate::ssh::{ExitStatus, SshError};

/// What this host is like.
#[derive(Clone, Copy, Default)]
struct Nature {
    banner: Option<&'static str>,
    refuses: bool,
    rsa: Option<Option<HashAlg>>,
}

#[derive(Clone, Copy)]
struct Host(Nature);

impl server::Handler for Host {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(self.0.banner.map(str::to_owned))
    }

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let sha1 = *key.algorithm == Algorithm::Rsa { hash: None };
        Ok(if self.0.refuses || sha1 { Auth::reject() } else { Auth::Accept })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        let handle = session.handle();
        match command {
            b"signal" => handle.exit_signal_request(id, Sig::SEGV, true, String::new(), String::new()).await,
            b"nothing" => Ok(()),
            b"status without eof" => handle.exit_status_request(id, 9).await,
            _ => return session.channel_failure(id),
        }
        .map_err(|()| russh::Error::Disconnect)?;
        handle.close(id).await.map_err(|()| russh::Error::Disconnect)
    }
}

async fn host(nature: Nature) -> u16 {
    let mut config = server::Config {
        auth_rejection_time: Duration::ZERO,
        keys: vec![PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()],
        ..server::Config::default()
    };
    if let Some(hash) = nature.rsa {
        config.preferred = Preferred {
            key: Cow::Owned(vec![Algorithm::Ed25519, Algorithm::Rsa { hash }]),
            ..Preferred::DEFAULT
        };
    }
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let running = server::run_stream(Arc::clone(&config), stream, Host(nature)).await;
            tokio::spawn(async move { drop(running.unwrap().await) });
        }
    });
    port
}

#[tokio::test]
async fn the_ways_a_command_ends() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let session = join(&endpoint(host(Nature::default()).await, Some(&key)), &home.env()).await.unwrap();
    let out = session.output("signal", b"").await.unwrap();
    assert_eq!((out.status.clone(), out.status.code()), (ExitStatus::Signal("SEGV".into()), 139));
    let out = session.output("status without eof", b"").await.unwrap();
    assert_eq!(out.status, ExitStatus::Code(9));
    let e = session.output("nothing", b"").await.unwrap_err();
    assert!(matches!(e, SshError::NoExitStatus { .. }), "{e}");
}

#[tokio::test]
async fn the_signature_is_one_that_the_host_knows() {
    let home = Home::new();
    let key = home.key("id_rsa", &["rsa", "-b", "2048"], "");
    for hash in [HashAlg::Sha256, HashAlg::Sha512] {
        let port = host(Nature { rsa: Some(Some(hash)), ..Nature::default() }).await;
        join(&endpoint(port, Some(&key)), &home.env()).await.unwrap();
    }
    let port = host(Nature { rsa: Some(None), ..Nature::default() }).await;
    let e = join(&endpoint(port, Some(&key)), &home.env()).await.unwrap_err().to_string();
    assert!(e.contains("the host takes RSA only with SHA-1"), "{e}");
}

#[tokio::test]
async fn a_host_that_is_still_booting_is_worth_waiting_for() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let banner = "\"System is booting up. Unprivileged users are not permitted to log in yet.\"\n";
    for (banner, transient) in [(banner, true), ("Authorized use only.\nKeep out.\n", false)] {
        let port = host(Nature { banner: Some(banner), refuses: true, ..Nature::default() }).await;
        let e = join(&endpoint(port, Some(&key)), &home.env()).await.unwrap_err();
        assert_eq!(e.is_transient(), transient, "{e}");
        let said = banner.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(e.to_string().ends_with(&format!("; it said: {said}")), "{e}");
    }
}

/// A cable that can be cut without either end being told.
async fn cable(to: u16) -> (u16, tokio::sync::oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (cut, cutting) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            _ = cutting => tokio::time::sleep(TIMEOUT * 6).await,
        }
    });
    (port, cut)
}

#[tokio::test]
async fn a_peer_that_died_is_noticed() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let sshd = Sshd::start(&[&key]);
    let (port, cut) = cable(sshd.port).await;
    let session = join(&endpoint(port, Some(&key)), &home.env()).await.unwrap();
    let started = Instant::now();
    let waiting = session.output("sleep 60", b"");
    let cutter = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        cut.send(()).unwrap();
    };
    let (out, ()) = tokio::join!(timeout(TIMEOUT, waiting), cutter);
    let e = out.unwrap().unwrap_err();
    assert!(e.to_string().ends_with("was lost: it stopped answering"), "{e}");
    assert!(started.elapsed() > Duration::from_secs(4), "it was given up too early: {:?}", started.elapsed());
}
