#![allow(clippy::disallowed_methods, clippy::print_stderr)]
use rmachine_driver::{Endpoint, HostAddr, MachineName, Reporter};
use std::time::{Duration, Instant};

use crate::engine::options::{EngineFlags, EngineSettings};
use crate::provision::*;
use crate::ssh;

struct Loud(Instant);
impl Loud {
    fn say(&self, verb: &str, text: &str) {
        eprintln!("[{:6.2}] {verb}: {text}", self.0.elapsed().as_secs_f32());
    }
}
impl Reporter for Loud {
    fn step(&self, _: &MachineName, text: &str) {
        self.say("step", text);
    }
    fn detail(&self, _: &MachineName, text: &str) {
        self.say("detail", text);
    }
    fn info(&self, _: &MachineName, text: &str) {
        self.say("info", text);
    }
    fn warn(&self, _: &MachineName, text: &str) {
        self.say("warn", text);
    }
    fn finish(&self, _: &MachineName, _: bool) {}
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}
fn words(name: &str) -> Vec<String> {
    env(name).map(|v| v.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

/// P_HOST P_USER P_NAME P_OPTS P_LABELS P_ENV P_INSTALL=none|distro|URL P_VERSION P_PEM
#[tokio::test]
#[ignore]
async fn by_hand() {
    let endpoint = Endpoint {
        host: HostAddr::parse(&env("P_HOST").unwrap()).unwrap(),
        port: 22,
        user: env("P_USER").unwrap_or("root".into()),
        key: Some("/work/target/lab/id_ed25519".into()),
        host_key: None,
    };
    let senv = ssh::SshEnv::default();
    let start = Instant::now();
    let loud = Loud(start);
    let session = ssh::connect(ssh::Connect {
        endpoint: &endpoint,
        alias: None,
        use_config: false,
        policy: ssh::HostKeyPolicy::TrustFirst,
        connect_timeout: Duration::from_secs(5),
        env: &senv,
        prompter: &ssh::Unattended,
    })
    .await
    .unwrap();
    loud.say("at", "connected");
    let (opts, labels, engine_env) = (words("P_OPTS"), words("P_LABELS"), words("P_ENV"));
    let flags = EngineFlags {
        opts: &opts,
        labels: &labels,
        env: &engine_env,
        provider: "generic",
        ..EngineFlags::default()
    };
    let pem = env("P_PEM").unwrap_or("/tmp/pem".into());
    let read = |name: &str| std::fs::read_to_string(format!("{pem}/{name}")).unwrap();
    let wanted = Wanted {
        machine: MachineName::parse(&env("P_NAME").unwrap_or("prov1".into())).unwrap(),
        engine: EngineSettings::parse(&flags).unwrap(),
        engine_port: 2376,
        install: match env("P_INSTALL").as_deref() {
            None | Some("none") => InstallMethod::None,
            Some("distro") => InstallMethod::Distro,
            Some(url) => InstallMethod::Script { url: url.into() },
        },
        engine_version: env("P_VERSION").map(|v| EngineVersion::parse(&v).unwrap()),
        set_hostname: true,
        tls: Tls { ca: read("ca.pem"), cert: read("server.pem"), key: read("server-key.pem").into() },
    };
    let result = async {
        let known = facts(&session).await?;
        loud.say("at", &format!("facts; provisioner {}", known.provisioner()));
        if let Ok(changes) = plan(&known, &wanted) {
            eprint!("{changes}");
        }
        if env("P_DRY").is_some() {
            return Ok(Outcome::default());
        }
        provision(&session, known, &wanted, &loud).await
    }
    .await;
    loud.say("at", "end");
    match result {
        Ok(outcome) => eprintln!("{outcome:?}"),
        Err(e) => eprintln!(
            "ERROR {e}\n LOG {:#?}\n LEFT {}\n HINTS {:#?}",
            e.log(),
            e.left_behind(),
            e.hints(&wanted.machine)
        ),
    }
}
