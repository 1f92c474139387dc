use rmachine_driver::HostKeyPair;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMACHINE rmachine web1";
const PRIVATE: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n";
const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHOST first boot";
const LIMIT: usize = 64 * 1024;

fn boot<'a>(login: &'a str, private: &'a SecretString, own: Option<&'a [u8]>) -> FirstBoot<'a> {
    let host_key = Some(HostKeyPair { private, public: HOST_KEY });
    FirstBoot { login, public_key: Some(KEY), host_key, host_name: Some("web1"), own }
}

fn made(login: &str, own: Option<&str>) -> String {
    let private = PRIVATE.into();
    let text = user_data(&boot(login, &private, own.map(str::as_bytes)), LIMIT).unwrap();
    text.expose_secret().to_owned()
}

#[test]
fn what_cannot_be_is_refused() {
    let private = PRIVATE.into();
    let refused = |own: &[u8]| user_data(&boot("root", &private, Some(own)), LIMIT).unwrap_err();
    assert_eq!(refused(b"echo hi\n"), UserDataError::Unknown("echo hi".to_owned()));
    assert_eq!(refused(b"\x1f\x8b\x08"), UserDataError::NotText);
    assert_eq!(check_own(b"echo", LIMIT), Err(UserDataError::Unknown("echo".to_owned())));
    assert_eq!(check_own(b"", LIMIT), Ok(()));
    let long = format!("#!/bin/sh\n{}", "a".repeat(LIMIT));
    let error = refused(long.as_bytes()).to_string();
    assert!(error.contains("65536"), "{error}");
    for login in ["", "-x", "a b", "x\ny", "ä", &"a".repeat(33)] {
        let error = user_data(&boot(login, &private, None), LIMIT).unwrap_err();
        assert_eq!(error, UserDataError::Login(login.to_owned()));
    }
}

#[test]
fn an_empty_file_adds_nothing() {
    assert_eq!(made("root", Some("")), made("root", None));
}

/// Judged by cloud-init itself: what it reads out of the text is what was meant.
#[cfg(feature = "system-tests")]
mod system {
    #![allow(clippy::disallowed_methods, reason = "tests ask the real program")]

    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The folder with cloud-init's code; unpacked once.
    fn cloud_init() -> &'static str {
        static CODE: OnceLock<String> = OnceLock::new();
        CODE.get_or_init(|| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/lab/cloud-init");
            let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
            let done = Command::new(script).env("CARGO_TARGET_DIR", target).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        })
    }

    /// The merged config and the other parts, as cloud-init has them; valid by its own schema.
    fn read(text: &str) -> (Value, Vec<(String, String)>) {
        let mut python = Command::new("/usr/bin/python3")
            .args(["-c", include_str!("merged.py")])
            .env("PYTHONPATH", cloud_init())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let done = python.wait_with_output().unwrap();
        assert!(done.status.success(), "{text}\n{}", String::from_utf8_lossy(&done.stderr));
        let mut answer: Value = serde_json::from_slice(&done.stdout).unwrap();
        (answer["config"].take(), serde_json::from_value(answer["scripts"].take()).unwrap())
    }

    /// What stands in every machine's config, whatever the user adds.
    fn assert_ours(config: &Value) {
        assert_eq!(config["hostname"], "web1");
        let last = config["bootcmd"].as_array().and_then(|all| all.last()).unwrap();
        assert_eq!(
            (&last[0], &last[1], &last[3]),
            (&json!("cloud-init-per"), &json!("instance"), &json!("sh"))
        );
        assert_eq!(config["ssh_deletekeys"], true);
        assert_eq!(config["ssh_keys"], json!({"ed25519_private": PRIVATE, "ed25519_public": HOST_KEY}));
    }

    #[test]
    fn alone() {
        let (config, scripts) = read(&made("root", None));
        assert_ours(&config);
        assert_eq!(config["ssh_authorized_keys"], json!([KEY]));
        assert_eq!(config["disable_root"], false);
        assert!(scripts.is_empty() && config.get("package_upgrade").is_none());

        let (config, _) = read(&made("admin", None));
        assert_ours(&config);
        assert_eq!(config["users"][0], "default");
        assert_eq!(config["users"][1]["name"], "admin");
        assert_eq!(config["users"][1]["ssh_authorized_keys"], json!([KEY]));
        assert!(config.get("disable_root").is_none());
    }

    #[test]
    fn with_a_config_of_the_users() {
        let own = "#cloud-config\nusers:\n  - name: bob\n    gecos: \"Böb\"\nssh_authorized_keys: [ssh-rsa BOB]\n\
                   packages: [htop]\ndisable_root: true\nssh_keys: {ed25519_private: theirs, ed25519_public: theirs}\n";
        let (config, scripts) = read(&made("admin", Some(own)));
        assert_ours(&config);
        let names: Vec<&Value> = config["users"].as_array().unwrap().iter().map(|u| &u["name"]).collect();
        assert_eq!(names, [&json!("bob"), &Value::Null, &json!("admin")]);
        assert_eq!(config["users"][0]["gecos"], "Böb");
        assert_eq!(config["packages"], json!(["htop"]));
        assert!(scripts.is_empty());

        let (config, _) = read(&made("root", Some(own)));
        assert_eq!(config["ssh_authorized_keys"], json!(["ssh-rsa BOB", KEY]));
        assert_eq!(config["disable_root"], false, "or nobody gets in");
    }

    #[test]
    fn with_a_script_of_the_users() {
        for script in [
            "#!/bin/sh\necho 'hello' && touch /x\n",
            "#!/bin/sh\necho 'grüße 🦀'\n",
            "#!/bin/sh\n--rmachine-part\n",
        ] {
            let (config, scripts) = read(&made("root", Some(script)));
            assert_ours(&config);
            let [(kind, text)] = &scripts[..] else { panic!("{scripts:?}") };
            assert_eq!((kind.as_str(), text.trim_end()), ("text/x-shellscript", script.trim_end()));
        }
    }

    #[test]
    fn with_a_message_of_the_users() {
        let own = "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n--==B==\n\
                   Content-Type: text/cloud-config\n\n#cloud-config\npackages: [htop]\n\n--==B==\n\
                   Content-Type: text/x-shellscript\n\n#!/bin/sh\necho hi\n--==B==--\n";
        let (config, scripts) = read(&made("root", Some(own)));
        assert_ours(&config);
        assert_eq!(config["packages"], json!(["htop"]));
        assert_eq!(config["ssh_authorized_keys"], json!([KEY]));
        assert_eq!(scripts.len(), 1, "{scripts:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

        #[test]
        fn values_are_data(name in "\\PC{0,12}[\\x00-\\x7f\u{85}\u{2028}\u{feff}🦀]{0,12}") {
            let private = PRIVATE.into();
            let key = format!("ssh-ed25519 AAAA {name}");
            let boot = FirstBoot { public_key: Some(&key), ..boot("root", &private, None) };
            let text = user_data(&boot, LIMIT).unwrap();
            let (config, _) = read(text.expose_secret());
            prop_assert_eq!(&config["ssh_authorized_keys"][0], &json!(key.trim()));
        }
    }
}
