//! Keys of all kinds, against the real sshd and the real agent.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::ssh::tests::lab::{Agent, Home, Sshd, Typist, chmod, join, join_as, public};
use crate::ssh::{HostKeyPolicy, Prompter, SshEnv, SshError, fingerprint};

async fn try_with(
    sshd: &Sshd,
    key: Option<&Path>,
    env: &SshEnv,
    prompter: &dyn Prompter,
) -> Result<(), SshError> {
    let session = join_as(&sshd.endpoint(key), env, HostKeyPolicy::TrustFirst, prompter).await?;
    assert!(session.output("true", b"").await?.status.success());
    Ok(())
}

#[tokio::test]
async fn every_kind_of_key() {
    let home = Home::new();
    let kinds: [&[&str]; 6] = [
        &["ed25519"],
        &["ecdsa"],
        &["ecdsa", "-b", "384"],
        &["rsa", "-b", "2048"],
        &["rsa", "-b", "2048", "-m", "PEM"],
        &["ecdsa", "-m", "PKCS8"],
    ];
    for kind in kinds {
        let key = home.key(&kind.concat(), kind, "");
        let sshd = Sshd::start(&[&key]);
        join(&sshd.endpoint(Some(&key)), &home.env()).await.unwrap_or_else(|e| panic!("{kind:?}: {e}"));
    }
}

#[tokio::test]
async fn rsa_is_never_sha1() {
    let home = Home::new();
    let key = home.key("id_rsa", &["rsa", "-b", "2048"], "");
    for (algorithms, works) in [("rsa-sha2-512", true), ("ssh-rsa", false)] {
        let sshd = Sshd::with(&[&key], &["ed25519"], &format!("PubkeyAcceptedAlgorithms {algorithms}"));
        let joined = join(&sshd.endpoint(Some(&key)), &home.env()).await;
        assert_eq!(joined.is_ok(), works, "{algorithms}: {joined:?}");
    }
}

#[tokio::test]
async fn a_named_key_is_the_only_one() {
    let home = Home::new();
    let (good, named) = (home.key("id_ed25519", &["ed25519"], ""), home.key("named", &["ed25519"], ""));
    let agent = Agent::holding(&[&good]);
    let sshd = Sshd::start(&[&good]);
    let env = SshEnv { agent_socket: Some(agent.socket.clone()), ..home.env() };
    let e = join(&sshd.endpoint(Some(&named)), &env).await.unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "127.0.0.1:{} did not let root in with {} ({})",
            sshd.port,
            fingerprint(&public(&named)).unwrap(),
            named.display()
        )
    );
    assert!(!e.is_transient() && e.hint().is_some());
}

#[tokio::test]
async fn key_files_that_cannot_be_used() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let sshd = Sshd::start(&[&key]);
    let told =
        async |path: &Path| join(&sshd.endpoint(Some(path)), &home.env()).await.unwrap_err().to_string();

    chmod(&key, 0o644);
    assert_eq!(told(&key).await, format!("permissions 0644 for '{}' are too open", key.display()));
    let absent = home.ssh("absent");
    assert_eq!(told(&absent).await, format!("the SSH key {} does not exist", absent.display()));
    let folder = home.ssh("folder");
    std::fs::create_dir(&folder).unwrap();
    assert!(told(&folder).await.contains("cannot be read"));
    for text in
        ["", "hello", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"]
    {
        let bad = home.write("bad", text);
        chmod(&bad, 0o600);
        assert!(told(&bad).await.contains("is not a usable SSH private key"), "{text:?}");
    }
    assert!(told(&home.ssh("id_ed25519.pub")).await.contains("is only a public key"));
}

#[tokio::test]
async fn a_passphrase_is_asked_for_and_may_be_mistyped() {
    let home = Home::new();
    for (name, kind) in [
        ("openssh", &["ed25519"][..]),
        ("pem", &["rsa", "-b", "2048", "-m", "PEM"]),
        ("pkcs8", &["ecdsa", "-m", "PKCS8"]),
    ] {
        let key = home.key(name, kind, "secret");
        let sshd = Sshd::start(&[&key]);
        let typist = Typist::of(&["wrong", "secret"]);
        try_with(&sshd, Some(&key), &home.env(), &typist).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(typist.asked.load(Ordering::SeqCst), 2);
        assert_eq!(typist.paths.lock().unwrap()[0], key);

        let typist = Typist::of(&["wrong"; 5]);
        let e = try_with(&sshd, Some(&key), &home.env(), &typist).await.unwrap_err();
        assert_eq!(e.to_string(), format!("wrong passphrase for the SSH key {}", key.display()));
        assert_eq!(typist.asked.load(Ordering::SeqCst), 3);

        let e = try_with(&sshd, Some(&key), &home.env(), &Typist::of(&[])).await.unwrap_err();
        assert!(matches!(e, SshError::PassphraseNeeded { .. }), "{e}");
        assert_eq!(e.hint().unwrap(), format!("ssh-add '{}'", key.display()));
    }
}

#[tokio::test]
async fn no_passphrase_is_asked_for_a_key_that_would_not_do() {
    let home = Home::new();
    let (locked, good) =
        (home.key("locked", &["ed25519"], "secret"), home.key("id_rsa", &["rsa", "-b", "2048"], ""));
    let sshd = Sshd::start(&[&good]);
    home.write("config", "IdentityFile ~/.ssh/locked\n");
    let typist = Typist::of(&["secret"]);
    try_with(&sshd, None, &home.env(), &typist).await.unwrap();
    let e = try_with(&sshd, Some(&locked), &home.env(), &typist).await.unwrap_err();
    assert!(matches!(e, SshError::AuthRefused { .. }), "{e}");
    assert_eq!(typist.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_agent_opens_what_is_locked() {
    let home = Home::new();
    let key = home.key("named", &["ed25519"], "");
    let agent = Agent::holding(&[&key]);
    let sshd = Sshd::start(&[&key]);
    let env = SshEnv { agent_socket: Some(agent.socket.clone()), ..home.env() };
    let locked =
        std::process::Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(&key).output();
    assert!(locked.unwrap().status.success());
    let typist = Typist::of(&["secret"]);
    try_with(&sshd, Some(&key), &env, &typist).await.unwrap();
    // the file may even be gone, or be the public half
    std::fs::remove_file(&key).unwrap();
    try_with(&sshd, Some(&key), &env, &typist).await.unwrap();
    try_with(&sshd, Some(&home.ssh("named.pub")), &env, &typist).await.unwrap();
    assert_eq!(typist.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_agents_keys_of_every_kind() {
    let home = Home::new();
    for kind in [&["ed25519"][..], &["ecdsa"], &["rsa", "-b", "2048"]] {
        let (other, key) = (home.key("other", &["ed25519"], ""), home.key("key", kind, ""));
        let agent = Agent::holding(&[&other, &key]);
        let sshd = Sshd::start(&[&key]);
        let env = SshEnv { agent_socket: Some(agent.socket.clone()), ..SshEnv::default() };
        join(&sshd.endpoint(None), &env).await.unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        for name in ["other", "other.pub", "key", "key.pub"] {
            std::fs::remove_file(home.ssh(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn the_users_own_keys_are_found() {
    let home = Home::new();
    let key = home.key("id_ecdsa", &["ecdsa"], "");
    let sshd = Sshd::start(&[&key]);
    join(&sshd.endpoint(None), &home.env()).await.unwrap();
    chmod(&key, 0o640);
    let e = join(&sshd.endpoint(None), &home.env()).await.unwrap_err();
    let text = format!(
        "there is no SSH key to log in to 127.0.0.1:{} as root; permissions 0640 for '{}' are too open",
        sshd.port,
        key.display()
    );
    assert_eq!(e.to_string(), text);
}

#[tokio::test]
async fn a_full_agent_does_not_crowd_out_the_key_that_was_named() {
    let home = Home::new();
    let keys: Vec<_> = (0..8).map(|n| home.key(&format!("k{n}"), &["ed25519"], "")).collect();
    let key = home.key("mine", &["ed25519"], "");
    let agent =
        Agent::holding(&keys.iter().chain([&key]).map(std::path::PathBuf::as_path).collect::<Vec<_>>());
    let sshd = Sshd::with(&[&key], &["ed25519"], "MaxAuthTries 20");
    let env = SshEnv { agent_socket: Some(agent.socket.clone()), ..home.env() };

    let e = join(&sshd.endpoint(None), &env).await.unwrap_err();
    let SshError::AuthRefused { offered, .. } = &e else { panic!("{e}") };
    assert_eq!(offered.split(", ").count(), 6, "{offered}");
    assert!(offered.contains("(agent: test k0)"), "{offered}");

    home.write("config", "Host 127.0.0.1\n IdentityFile ~/.ssh/mine\n");
    join(&sshd.endpoint(None), &env).await.unwrap();
    // with no other key tried before it
    let strict = Sshd::with(&[&key], &["ed25519"], "MaxAuthTries 1");
    join(&strict.endpoint(None), &env).await.unwrap();
}

#[tokio::test]
async fn identities_only_leaves_the_agents_other_keys_alone() {
    let home = Home::new();
    let (good, named) = (home.key("good", &["ed25519"], ""), home.key("named", &["ed25519"], ""));
    let agent = Agent::holding(&[&good]);
    let sshd = Sshd::start(&[&good]);
    let env = SshEnv { agent_socket: Some(agent.socket.clone()), ..home.env() };
    home.write("config", "IdentityFile ~/.ssh/named\nIdentitiesOnly yes\n");
    let e = join(&sshd.endpoint(None), &env).await.unwrap_err();
    assert!(e.to_string().contains(&named.display().to_string()) && !e.to_string().contains("agent"), "{e}");
    home.write("config", "IdentityFile ~/.ssh/named\n");
    join(&sshd.endpoint(None), &env).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_told() {
    let home = Home::new();
    let sshd = Sshd::start(&[]);
    let env = SshEnv { agent_socket: Some(home.ssh("nowhere")), ..home.env() };
    let e = join(&sshd.endpoint(None), &env).await.unwrap_err().to_string();
    assert!(e.contains("as root; the SSH agent at") && e.contains("cannot be reached"), "{e}");
}

#[tokio::test]
async fn a_host_with_little_patience_is_told() {
    let home = Home::new();
    let keys: Vec<_> = (0..4).map(|n| home.key(&format!("k{n}"), &["ed25519"], "")).collect();
    let agent = Agent::holding(&keys.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>());
    let sshd = Sshd::with(&[], &["ed25519"], "MaxAuthTries 2");
    let env = SshEnv { agent_socket: Some(agent.socket.clone()), ..home.env() };
    let e = join(&sshd.endpoint(None), &env).await.unwrap_err().to_string();
    assert!(e.contains("test k1)") && !e.contains("test k2)"), "{e}");
    assert!(e.contains("it said: Too many authentication failures"), "{e}");
}

#[tokio::test]
async fn what_else_a_host_may_want() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let config = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let sshd = Sshd::with(&[&key], &["ed25519"], config);
    let e = join(&sshd.endpoint(Some(&key)), &home.env()).await.unwrap_err().to_string();
    assert!(e.ends_with("took the key of root, but also wants password, which rmachine does not do"), "{e}");

    let sshd = Sshd::with(&[&key], &["ed25519"], "PasswordAuthentication yes\nPubkeyAuthentication no");
    let e = join(&sshd.endpoint(Some(&key)), &home.env()).await.unwrap_err().to_string();
    assert!(e.contains("it takes only password"), "{e}");
}
