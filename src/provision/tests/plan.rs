use insta::assert_snapshot;

use crate::provision::plan::plan;
use crate::provision::tests::*;
use crate::provision::{EngineVersion, HostFile, ProvisionError, ServiceFile, first_files};

fn error(answer: &str, wanted: &Wanted) -> ProvisionError {
    plan(&facts_of(answer), wanted).unwrap_err()
}

/// The answer of a host on which changes were made.
fn after(answer: &str, changes: &Changes) -> String {
    let mut answer = with(answer, "= hostname prov8", "= hostname node1");
    answer = and(&answer, "hosts", "127.0.1.1 node1");
    let (mut digests, mut modes) = (String::new(), String::new());
    for file in &changes.configure.as_ref().unwrap().files {
        let name = file.name.as_str();
        if !file.name.is_pem() {
            answer = and(&answer, name, &content(changes, file.name));
        }
        digests.push_str(&format!("{}  {name}\n", file.digest()));
        modes.push_str(&format!("{} {name}\n", file.name.mode()));
    }
    and(&and(&answer, "digests", &digests), "modes", &modes)
}

#[test]
fn an_engine_that_was_never_ours() {
    let changes = plan(&facts_of(TRIXIE), &wanted()).unwrap();
    assert_snapshot!(changes.to_string(), @r"
    name the host node1
    write /etc/docker/daemon.json (mode 0644)
    write /etc/docker/ca.pem (mode 0644)
    write /etc/docker/server.pem (mode 0644)
    write /etc/docker/server-key.pem (mode 0600)
    write /etc/systemd/system/docker.service.d/10-machine.conf (mode 0644)
    restart the engine
    ");
    assert_snapshot!(content(&changes, FileName::DaemonJson), @r#"
    {
      "labels": [
        "env=prod",
        "x=$(id -u)",
        "provider=generic"
      ],
      "metrics-addr": "0.0.0.0:9323",
      "log-opts": {
        "max-size": "10m"
      },
      "hosts": [
        "fd://",
        "tcp://0.0.0.0:2376"
      ],
      "tlsverify": true,
      "tlscacert": "/etc/docker/ca.pem",
      "tlscert": "/etc/docker/server.pem",
      "tlskey": "/etc/docker/server-key.pem"
    }
    "#);
    assert_snapshot!(content(&changes, START_OPTIONS), @r#"
    [Service]
    ExecStart=
    ExecStart=/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
    Environment="A=b \"c\""
    Environment="P=50%%"
    "#);
}

#[test]
fn what_was_done_is_not_done_again() {
    let done = after(TRIXIE, &plan(&facts_of(TRIXIE), &wanted()).unwrap());
    let again = plan(&facts_of(&done), &wanted()).unwrap();
    assert!(again.is_empty(), "{again}");
}

#[test]
fn an_engine_on_its_way_up_with_what_is_wanted_is_waited_for() {
    let done = after(TRIXIE, &plan(&facts_of(TRIXIE), &wanted()).unwrap());
    let starting = with(&done, "| ActiveState=active", "| ActiveState=activating");
    let waits = plan(&facts_of(&starting), &wanted()).unwrap();
    assert_eq!(waits.to_string(), "wait for the engine, which is starting\n");
    assert!(waits.only_waits());
    let queued =
        |job: &str| with(&done, "| ActiveState=active", &format!("| ActiveState=inactive\n| Job={job}"));
    assert!(plan(&facts_of(&queued("57")), &wanted()).unwrap().only_waits(), "others come first");
    assert!(!plan(&facts_of(&queued("0")), &wanted()).unwrap().only_waits(), "nobody starts it");
    let not_at_boot = with(&starting, "| UnitFileState=enabled", "| UnitFileState=disabled");
    for more in [TRIXIE, &done, &not_at_boot] {
        assert!(!plan(&facts_of(more), &wanted()).unwrap().only_waits(), "{more}");
    }
    let other =
        wanted_with(&["metrics-addr=127.0.0.1:9323", "log-opt=max-size=10m"], &["env=prod", "x=$(id -u)"]);
    let told = plan(&facts_of(&starting), &other).unwrap().to_string();
    assert!(told.ends_with("restart the engine\n"), "{told}");
    let cut_off = with(&starting, "= hostname node1", "= hostname node1\n= pending yes");
    let told = plan(&facts_of(&cut_off), &wanted()).unwrap().to_string();
    assert_eq!(told, "restart the engine\n");
}

#[test]
fn a_version_is_asked_for_where_it_makes_a_difference() {
    assert!(!wanted_with(&["log-opt=max-size=10m"], &["env=prod"]).asks_version());
    assert!(wanted_with(&["metrics-addr=0.0.0.0:9323"], &[]).asks_version(), "once it was experimental");
    assert!(wanted_with(&["ip-forward-no-drop"], &[]).asks_version(), "it came with 28.0");
    let pinned =
        Wanted { engine_version: Some(EngineVersion::parse("26.1").unwrap()), ..wanted_with(&[], &[]) };
    assert!(pinned.asks_version());
}

#[test]
fn a_first_start_finds_what_would_be_written_to_a_fresh_engine() {
    let text = "[Service]\nExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS\n";
    let unit = ServiceFile { path: "/usr/lib/systemd/system/docker.service".into(), text: text.into() };
    let first = first_files(unit, &wanted()).unwrap();
    let written = plan(&facts_of(TRIXIE), &wanted()).unwrap().configure.unwrap().files;
    let shown = |files: &[HostFile]| files.iter().map(|f| (f.name.path(), f.digest())).collect::<Vec<_>>();
    assert_eq!(shown(&first), shown(&written));
    assert_eq!(first.len(), 5);
}

#[test]
fn one_thing_changed_is_one_file_written() {
    let done = after(TRIXIE, &plan(&facts_of(TRIXIE), &wanted()).unwrap());
    let steps = |answer: &str, wanted: &Wanted| plan(&facts_of(answer), wanted).unwrap().to_string();

    let mut renewed = wanted();
    renewed.tls.cert = "another\n".into();
    assert_snapshot!(steps(&done, &renewed), @r"
    write /etc/docker/server.pem (mode 0644)
    restart the engine
    ");
    assert_snapshot!(steps(&with(&done, "| 600 server-key.pem", "| 644 server-key.pem"), &wanted()), @r"
    write /etc/docker/server-key.pem (mode 0600)
    restart the engine
    ");
    assert_snapshot!(steps(&done, &wanted_with(&["debug"], &["env=prod"])), @r"
    write /etc/docker/daemon.json (mode 0644)
    restart the engine
    ");
    assert_snapshot!(steps(&with(&done, "= hostname node1", "= hostname other"), &wanted()), @"name the host node1");
    assert_snapshot!(steps(&with(&done, "| UnitFileState=enabled", "| UnitFileState=disabled"), &wanted()), @"start the engine at boot");
    assert_snapshot!(steps(&with(&done, "| ActiveState=active", "| ActiveState=inactive"), &wanted()), @"restart the engine");
    assert_snapshot!(steps(&with(&done, "= service-manager systemd", "= service-manager systemd\n= pending yes"), &wanted()), @"restart the engine");
}

#[test]
fn layout_of_a_daemon_json_does_not_count() {
    let mut changes = plan(&facts_of(TRIXIE), &wanted()).unwrap();
    let files = &mut changes.configure.as_mut().unwrap().files;
    files[0].content =
        serde_json::from_str::<serde_json::Value>(&content_of(&files[0])).unwrap().to_string().into();
    assert!(plan(&facts_of(&after(TRIXIE, &changes)), &wanted()).unwrap().is_empty());
}

fn content_of(file: &HostFile) -> String {
    use rmachine_driver::secrecy::ExposeSecret;
    file.content.expose_secret().to_owned()
}

#[test]
fn what_a_host_has_is_kept() {
    let answer = and(
        TRIXIE,
        "daemon.json",
        r#"{"data-root": "/srv", "hosts": ["unix:///var/run/docker.sock"], "labels": ["a=b"]}"#,
    );
    let changes = plan(&facts_of(&answer), &wanted_with(&[], &[])).unwrap();
    assert_snapshot!(content(&changes, FileName::DaemonJson), @r#"
    {
      "data-root": "/srv",
      "hosts": [
        "unix:///var/run/docker.sock",
        "tcp://0.0.0.0:2376"
      ],
      "labels": [
        "a=b",
        "provider=generic"
      ],
      "tlsverify": true,
      "tlscacert": "/etc/docker/ca.pem",
      "tlscert": "/etc/docker/server.pem",
      "tlskey": "/etc/docker/server-key.pem"
    }
    "#);
}

#[test]
fn a_drop_in_of_docker_machine_is_taken_over() {
    let theirs = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H tcp://0.0.0.0:2376 -H unix:///var/run/docker.sock --storage-driver overlay2 --tlsverify --label provider=generic \nEnvironment=\n";
    let path = "/etc/systemd/system/docker.service.d/10-machine.conf";
    let answer = and(&and(TRIXIE, "10-machine.conf", theirs), &format!("unit {path}"), theirs);
    let changes = plan(&facts_of(&answer), &wanted()).unwrap();
    assert!(content(&changes, START_OPTIONS).contains("ExecStart=/usr/sbin/dockerd --containerd="));
    assert!(content(&changes, FileName::DaemonJson).contains("fd://"));
}

#[test]
fn flags_of_other_files_give_way_or_are_named() {
    let early = and(
        TRIXIE,
        "unit /etc/systemd/system/docker.service.d/05-x.conf",
        "[Service]\nExecStart=\nExecStart=/opt/dockerd --debug -H unix:///x --metrics-addr=:1\n",
    );
    let changes = plan(&facts_of(&early), &wanted()).unwrap();
    assert!(content(&changes, START_OPTIONS).contains("\nExecStart=/opt/dockerd --debug\n"));

    let late = and(
        TRIXIE,
        "unit /etc/systemd/system/docker.service.d/override.conf",
        "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H tcp://0.0.0.0:2375\n",
    );
    let error = error(&late, &wanted());
    assert_eq!(
        error.to_string(),
        "/etc/systemd/system/docker.service.d/override.conf starts the engine with -H tcp://0.0.0.0:2375, which daemon.json is to say"
    );
    let harmless = late.replace(" -H tcp://0.0.0.0:2375", " --debug");
    let steps = |answer: &str| plan(&facts_of(answer), &wanted()).unwrap().to_string();
    assert_eq!(steps(&harmless), steps(TRIXIE));
}

#[test]
fn flags_in_docker_opts_give_way() {
    let quiet = and(TRIXIE, "default", "DOCKER_OPTS=\"--icc=false\"");
    assert!(content(&plan(&facts_of(&quiet), &wanted()).unwrap(), START_OPTIONS).contains("$DOCKER_OPTS"));
    let clash = and(
        TRIXIE,
        "default",
        "#DOCKER_OPTS=x\nDOCKER_OPTS=\"--icc=false -H tcp://0.0.0.0:2375 --label 'a=b'\"",
    );
    let changes = plan(&facts_of(&clash), &wanted()).unwrap();
    assert_snapshot!(content(&changes, START_OPTIONS), @r#"
    [Service]
    ExecStart=
    ExecStart=/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock --icc=false
    Environment="A=b \"c\""
    Environment="P=50%%"
    "#);
}

#[test]
fn without_an_engine_one_is_installed_first() {
    let mut wanted = wanted();
    wanted.engine_version = Some(EngineVersion::parse("v26.1").unwrap());
    let steps = |wanted: &Wanted| plan(&facts_of(BARE), wanted).unwrap().to_string();
    assert_snapshot!(steps(&wanted), @r"
    install Docker 26.1 from the distribution
    configure the engine and restart it
    ");
    wanted.engine_version = None;
    wanted.install = InstallMethod::Script { url: "https://get.docker.com".into() };
    assert_snapshot!(steps(&wanted), @r"
    install Docker by the script https://get.docker.com
    configure the engine and restart it
    ");
    wanted.install = InstallMethod::None;
    assert!(matches!(error(BARE, &wanted), ProvisionError::NoEngine));
}

#[test]
fn hosts_that_cannot_be() {
    let rocky = with(BARE, "| ID=debian", "| ID=rocky\n| ID_LIKE=\"rhel centos fedora\"");
    let rocky =
        with(&rocky, "| PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"", "| PRETTY_NAME=\"Rocky Linux 9.4\"");
    let rocky =
        with(&rocky, "= tool.apt-get /usr/bin/apt-get", "= tool.dnf /usr/bin/dnf\n= tool.yum /usr/bin/yum");
    let nothing = with(&rocky, "= tool.dnf /usr/bin/dnf\n= tool.yum /usr/bin/yum", "");
    let sysv = with(BARE, "= service-manager systemd", "= service-manager init");
    let snap = with(BARE, "= service-manager systemd", "= service-manager systemd\n= snap yes");
    let static_build = with(
        BARE,
        "= service-manager systemd",
        "= service-manager systemd\n= tool.dockerd /usr/local/bin/dockerd",
    );
    let no_sudo = with(BARE, "= sudo yes", "= sudo missing");
    let said: Vec<String> = [&rocky, &nothing, &sysv, &snap, &static_build, &no_sudo, &PASSWORD.to_owned()]
        .map(|answer| error(answer, &wanted()).to_string())
        .into();
    assert_snapshot!(said.join("\n"), @r#"
    rmachine does not support the package manager of Rocky Linux 9.4 (found on the host: dnf, yum); supported: apt on Debian, Ubuntu and their relatives
    rmachine does not support the package manager of Rocky Linux 9.4 (found on the host: none); supported: apt on Debian, Ubuntu and their relatives
    rmachine does not support the service manager of Debian GNU/Linux 13 (trixie) (found on the host: init); supported: systemd
    the host's Docker engine is a snap, which keeps its configuration to itself
    the host has /usr/local/bin/dockerd, but no systemd unit docker.service that starts it
    debian is not root on the host, and there is no sudo
    plain is not root on the host, and sudo says: sudo: a password is required
    "#);
}

#[test]
fn a_relative_of_debian_will_do() {
    let mint = with(TRIXIE, "| ID=debian", "| ID=linuxmint\n| ID_LIKE=\"ubuntu debian\"");
    let steps = |answer: &str| plan(&facts_of(answer), &wanted()).unwrap().to_string();
    assert_eq!(steps(&mint), steps(TRIXIE));
    assert!(steps(&mint).contains("write /etc/docker/daemon.json"));
}

#[test]
fn an_engine_that_is_there_is_kept() {
    let mut wanted = wanted();
    wanted.engine_version = Some(EngineVersion::parse("28.0").unwrap());
    let changes = plan(&facts_of(TRIXIE), &wanted).unwrap();
    assert_snapshot!(changes.warnings.join("\n"), @"The host has engine 26.1.5, which is kept; --engine-version 28.0 is for hosts without one");
    wanted.engine_version = Some(EngineVersion::parse("26.1").unwrap());
    assert!(plan(&facts_of(TRIXIE), &wanted).unwrap().warnings.is_empty());
}

#[test]
fn an_option_too_new_or_a_broken_daemon_json_is_refused() {
    let broken = and(TRIXIE, "daemon.json", "{ not json");
    assert!(matches!(error(&broken, &wanted()), ProvisionError::Options(_)));
    let new = wanted_with(&["bip6=fd00::1/64"], &[]);
    assert!(matches!(error(BOOKWORM, &new), ProvisionError::Options(_)));
}

#[test]
fn a_name_that_no_host_can_have_is_left() {
    let mut wanted = wanted();
    wanted.machine = MachineName::existing("under_score").unwrap();
    let changes = plan(&facts_of(TRIXIE), &wanted).unwrap();
    assert_eq!(changes.configure.unwrap().hostname, None);
    assert_snapshot!(changes.warnings.join("\n"), @"The host keeps its name prov8: under_score is none that a host can have");
    wanted.set_hostname = false;
    assert!(plan(&facts_of(TRIXIE), &wanted).unwrap().warnings.is_empty());
}

#[test]
fn little_space_is_worth_a_word() {
    let answer = and(BARE, "df", "tmpfs 9 9 20480 50% /var/lib");
    let changes = plan(&facts_of(&answer), &wanted()).unwrap();
    assert_eq!(changes.warnings, ["Only 20 MiB are free at /var/lib on the host"]);
}

#[test]
fn versions() {
    for (wanted, found, same) in [
        ("26", "26.1.5", true),
        ("26.1", "26.1.5", true),
        ("v26.1.5", "26.1.5", true),
        ("26.1.5+dfsg1-9", "26.1.5", true),
        ("5:26.1.5-1~debian.13~trixie", "26.1.5", true),
        ("2", "26.1.5", false),
        ("26.1", "26.10.0", false),
        ("26.1.5", "26.1", false),
    ] {
        assert_eq!(EngineVersion::parse(wanted).unwrap().is(found), same, "{wanted} and {found}");
    }
    for bad in ["", "latest", "26 1", "26;id", "-26", "2$(id)"] {
        assert!(EngineVersion::parse(bad).is_err(), "{bad:?} was taken");
    }
}
