//! `env`: the words of each shell, byte for byte.

use insta::assert_snapshot;

use super::fake_engine::{Port, VERSION};
use super::harness::Sandbox;

fn lab() -> Sandbox {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    lab
}

#[test]
fn env_detects_the_shell_of_the_user() {
    let lab = lab();
    assert_snapshot!(lab.run("env x"), @r#"
    exit 0
    --- stdout
    export DOCKER_TLS_VERIFY="1"
    export DOCKER_HOST="tcp://127.0.0.1:2376"
    export DOCKER_CERT_PATH="/S/machines/x"
    export DOCKER_MACHINE_NAME="x"
    # Run this command to configure your shell: ⏎
    # eval $(rmachine env x)
    "#);
    let bash = lab.run("env x").stdout;
    for shell in ["/usr/bin/zsh", "/bin/sh", "whatever"] {
        assert_eq!(lab.call("env x").env("SHELL", shell).run().stdout, bash, "{shell}");
    }
    let fish = lab.call("env x").env("SHELL", "/usr/bin/fish").run().stdout;
    assert!(fish.starts_with("set -gx DOCKER_TLS_VERIFY \"1\";\n"), "{fish}");
}

#[test]
fn env_sets_variables_in_the_syntax_of_each_shell() {
    let lab = lab();
    assert_snapshot!(lab.run("env --shell bash x"), @r#"
    exit 0
    --- stdout
    export DOCKER_TLS_VERIFY="1"
    export DOCKER_HOST="tcp://127.0.0.1:2376"
    export DOCKER_CERT_PATH="/S/machines/x"
    export DOCKER_MACHINE_NAME="x"
    # Run this command to configure your shell: ⏎
    # eval $(rmachine env --shell bash x)
    "#);
    assert_snapshot!(lab.run("env --shell fish x"), @r#"
    exit 0
    --- stdout
    set -gx DOCKER_TLS_VERIFY "1";
    set -gx DOCKER_HOST "tcp://127.0.0.1:2376";
    set -gx DOCKER_CERT_PATH "/S/machines/x";
    set -gx DOCKER_MACHINE_NAME "x";
    # Run this command to configure your shell: ⏎
    # eval (rmachine env --shell fish x)
    "#);
    assert_snapshot!(lab.run("env --shell powershell x"), @r#"
    exit 0
    --- stdout
    $Env:DOCKER_TLS_VERIFY = "1"
    $Env:DOCKER_HOST = "tcp://127.0.0.1:2376"
    $Env:DOCKER_CERT_PATH = "/S/machines/x"
    $Env:DOCKER_MACHINE_NAME = "x"
    # Run this command to configure your shell: ⏎
    # & rmachine env --shell powershell x | Invoke-Expression
    "#);
    assert_snapshot!(lab.run("env x --shell cmd"), @r#"
    exit 0
    --- stdout
    SET DOCKER_TLS_VERIFY=1
    SET DOCKER_HOST=tcp://127.0.0.1:2376
    SET DOCKER_CERT_PATH=/S/machines/x
    SET DOCKER_MACHINE_NAME=x
    REM Run this command to configure your shell: ⏎
    REM 	@FOR /f "tokens=*" %i IN ('rmachine env x --shell cmd') DO @%i
    "#);
    assert_snapshot!(lab.run("env --shell tcsh x"), @r#"
    exit 0
    --- stdout
    setenv DOCKER_TLS_VERIFY "1";
    setenv DOCKER_HOST "tcp://127.0.0.1:2376";
    setenv DOCKER_CERT_PATH "/S/machines/x";
    setenv DOCKER_MACHINE_NAME "x";
    : Run this command to configure your shell: ⏎
    : eval `rmachine env --shell tcsh x`
    "#);
    assert_snapshot!(lab.run("env --shell=emacs x"), @r#"
    exit 0
    --- stdout
    (setenv "DOCKER_TLS_VERIFY" "1")
    (setenv "DOCKER_HOST" "tcp://127.0.0.1:2376")
    (setenv "DOCKER_CERT_PATH" "/S/machines/x")
    (setenv "DOCKER_MACHINE_NAME" "x")
    ;; Run this command to configure your shell: ⏎
    ;; (with-temp-buffer (shell-command "rmachine env --shell=emacs x" (current-buffer)) (eval-buffer))
    "#);
    assert_snapshot!(lab.run("env --shell nonsense x"), @r#"
    exit 0
    --- stdout
    export DOCKER_TLS_VERIFY="1"
    export DOCKER_HOST="tcp://127.0.0.1:2376"
    export DOCKER_CERT_PATH="/S/machines/x"
    export DOCKER_MACHINE_NAME="x"
    # Run this command to configure your shell: ⏎
    # eval $(rmachine env --shell nonsense x)
    "#);
}

#[test]
fn env_unsets_variables_in_the_syntax_of_each_shell() {
    let lab = lab();
    assert_snapshot!(lab.run("env -u"), @r"
    exit 0
    --- stdout
    unset DOCKER_TLS_VERIFY
    unset DOCKER_HOST
    unset DOCKER_CERT_PATH
    unset DOCKER_MACHINE_NAME
    # Run this command to configure your shell: ⏎
    # eval $(rmachine env -u)
    ");
    assert_snapshot!(lab.run("env -u --shell fish"), @r"
    exit 0
    --- stdout
    set -e DOCKER_TLS_VERIFY;
    set -e DOCKER_HOST;
    set -e DOCKER_CERT_PATH;
    set -e DOCKER_MACHINE_NAME;
    # Run this command to configure your shell: ⏎
    # eval (rmachine env -u --shell fish)
    ");
    assert_snapshot!(lab.run("env -u --shell powershell"), @r#"
    exit 0
    --- stdout
    Remove-Item Env:\DOCKER_TLS_VERIFY
    Remove-Item Env:\DOCKER_HOST
    Remove-Item Env:\DOCKER_CERT_PATH
    Remove-Item Env:\DOCKER_MACHINE_NAME
    # Run this command to configure your shell: ⏎
    # & rmachine env -u --shell powershell | Invoke-Expression
    "#);
    assert_snapshot!(lab.run("env -u --shell cmd"), @r#"
    exit 0
    --- stdout
    SET DOCKER_TLS_VERIFY=
    SET DOCKER_HOST=
    SET DOCKER_CERT_PATH=
    SET DOCKER_MACHINE_NAME=
    REM Run this command to configure your shell: ⏎
    REM 	@FOR /f "tokens=*" %i IN ('rmachine env -u --shell cmd') DO @%i
    "#);
    assert_snapshot!(lab.run("env --unset --shell tcsh"), @r"
    exit 0
    --- stdout
    unsetenv DOCKER_TLS_VERIFY;
    unsetenv DOCKER_HOST;
    unsetenv DOCKER_CERT_PATH;
    unsetenv DOCKER_MACHINE_NAME;
    : Run this command to configure your shell: ⏎
    : eval `rmachine env --unset --shell tcsh`
    ");
    assert_snapshot!(lab.run("env --unset --shell emacs"), @r#"
    exit 0
    --- stdout
    (setenv "DOCKER_TLS_VERIFY" nil)
    (setenv "DOCKER_HOST" nil)
    (setenv "DOCKER_CERT_PATH" nil)
    (setenv "DOCKER_MACHINE_NAME" nil)
    ;; Run this command to configure your shell: ⏎
    ;; (with-temp-buffer (shell-command "rmachine env --unset --shell emacs" (current-buffer)) (eval-buffer))
    "#);
}

#[test]
fn env_refuses_an_unknown_shell_after_a_notice() {
    let lab = lab();
    assert_snapshot!(lab.call("env x").env_remove("SHELL").run(), @r"
    exit 1
    --- stdout
    The default lines below are for a sh/bash shell, you can specify the shell you're using, with the --shell flag.
    ⏎
    --- stderr
    Error: Unknown shell
    ");
    assert_eq!(lab.call("env x").env("SHELL", "").run(), lab.call("env x").env_remove("SHELL").run());
    assert_eq!(lab.call("env --shell sh x").env_remove("SHELL").run().code, Some(0));
}

#[test]
fn no_proxy_option_adds_the_machine_address() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-generic.json");
    assert_snapshot!(lab.run("env --no-proxy x"), @r#"
    exit 0
    --- stdout
    export DOCKER_TLS_VERIFY="1"
    export DOCKER_HOST="tcp://10.0.0.5:2376"
    export DOCKER_CERT_PATH="/S/machines/x"
    export DOCKER_MACHINE_NAME="x"
    export NO_PROXY="10.0.0.5"
    # Run this command to configure your shell: ⏎
    # eval $(rmachine env --no-proxy x)
    "#);
    let line = |key: &str, value: &str| {
        let said = lab.call("env x --no-proxy").env(key, value).run().stdout;
        said.lines().find(|l| l.to_lowercase().contains("no_proxy=")).unwrap().to_owned()
    };
    assert_eq!(line("no_proxy", "localhost"), "export no_proxy=\"localhost,10.0.0.5\"");
    assert_eq!(line("NO_PROXY", "a,10.0.0.5"), "export NO_PROXY=\"a,10.0.0.5\"");
    assert_eq!(line("no_proxy", ""), "export NO_PROXY=\"10.0.0.5\"");
}

#[test]
fn no_proxy_is_unset_in_its_existing_case() {
    let lab = lab();
    assert_snapshot!(lab.run("env -u --no-proxy"), @r"
    exit 0
    --- stdout
    unset DOCKER_TLS_VERIFY
    unset DOCKER_HOST
    unset DOCKER_CERT_PATH
    unset DOCKER_MACHINE_NAME
    unset NO_PROXY
    # Run this command to configure your shell: ⏎
    # eval $(rmachine env -u --no-proxy)
    ");
    let said = lab.call("env -u --no-proxy").env("no_proxy", "q").run().stdout;
    assert!(said.contains("\nunset no_proxy\n"), "docker-machine glues the value to it: {said}");
}

#[test]
fn env_hint_repeats_the_command_line() {
    let lab = lab();
    let hint = |program: &str, words: &str| {
        let words = words.split(' ').map(str::to_owned);
        let said = lab.call_words(program, words).run().stdout;
        said.lines().last().unwrap().to_owned()
    };
    assert_eq!(hint("rmachine", "env x"), "# eval $(rmachine env x)");
    assert_eq!(hint("rmachine", "-D env --shell bash x"), "# eval $(rmachine -D env --shell bash x)");
    assert_eq!(hint("docker-machine", "env -u"), "# eval $(docker-machine env -u)");
    let spaced = lab.path("b in/rmachine");
    std::fs::create_dir(lab.path("b in")).unwrap();
    std::os::unix::fs::symlink(lab.path("bin/rmachine"), &spaced).unwrap();
    let spaced = spaced.display().to_string();
    assert_eq!(hint(&spaced, "env x"), "# eval $(\"/T/b in/rmachine\" env x)");
}

/// What Ansible's inventory relies on: as docker-machine, `env` asks the engine.
#[test]
fn env_as_docker_machine_checks_the_engine_first() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    let number = port.number();
    port.serve(&lab, VERSION);
    let theirs = lab.run_as_docker_machine("env --shell=sh x");
    assert_snapshot!(theirs.clone().with(number, "PORT"), @r#"
    exit 0
    --- stdout
    export DOCKER_TLS_VERIFY="1"
    export DOCKER_HOST="tcp://127.0.0.1:PORT"
    export DOCKER_CERT_PATH="/S/machines/x"
    export DOCKER_MACHINE_NAME="x"
    # Run this command to configure your shell: ⏎
    # eval $(docker-machine env --shell=sh x)
    "#);
    let ours = lab.run("env --check --shell=sh x");
    let four = |o: &super::harness::Outcome| o.stdout.lines().take(4).collect::<Vec<_>>().join("\n");
    assert_eq!(four(&ours), four(&theirs));
}

#[test]
fn env_check_fails_when_the_engine_is_unreachable() {
    let lab = Sandbox::new();
    let port = Port::open();
    lab.ok(&format!("create -d none --url {} x", port.url()));
    let number = port.number();
    drop(port);
    assert_eq!(lab.run("env x").code, Some(0), "without --check the store is enough");
    assert_snapshot!(lab.run("env --check x").with(number, "PORT"), @r#"
    exit 1
    --- stderr
    Error checking TLS connection: Error checking and/or regenerating the certs: There was an error validating certificates for host "127.0.0.1:PORT": dial tcp 127.0.0.1:PORT: connect: connection refused
    You can attempt to regenerate them using 'rmachine regenerate-certs [name]'.
    Be advised that this will trigger a Docker daemon restart which might stop running containers.
    ⏎
    "#);
}

/// A master of a classic swarm, its engine served and its manager as the test wants it.
fn master(lab: &Sandbox) -> (Port, Port) {
    let (engine, manager) = (Port::open(), Port::open());
    lab.ok(&format!(
        "create -d none --url {} --swarm --swarm-master --swarm-discovery token://t --swarm-host tcp://0.0.0.0:{} sm",
        engine.url(),
        manager.number()
    ));
    (engine, manager)
}

#[test]
fn env_swarm_prints_the_classic_swarm_master() {
    let lab = Sandbox::new();
    let (engine, manager) = master(&lab);
    let url = manager.url();
    engine.serve(&lab, VERSION);
    manager.serve(&lab, VERSION);
    for program in ["rmachine", "docker-machine"] {
        let env = lab.call_as(program, "env --swarm sm").run();
        assert_eq!((env.code, env.stderr.as_str()), (Some(0), ""), "{program}: {env}");
        assert!(env.stdout.contains(&format!("export DOCKER_HOST=\"{url}\"\n")), "{program}: {env}");
        let config = lab.call_as(program, "config sm --swarm").run();
        assert_eq!(config.stdout.lines().last(), Some(&*format!("-H={url}")), "{program}: {config}");
    }
    let active = lab.call("active").env("DOCKER_HOST", &url).run();
    assert_eq!(active.stdout, "sm\n");
}

/// `create --swarm-master` starts one of these.
#[test]
fn env_swarm_prints_the_engine_of_a_swarm_mode_manager() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-generic.json");
    let own = |role: &str| {
        format!(
            r#"{{"Version": 1, "Uuid": "{}", "Phase": "ready", "Swarm": {{"Cluster": "c", "Role": "{role}"}}}}"#,
            uuid::Uuid::nil()
        )
    };
    lab.write("S/machines/x/rmachine.json", &own("manager"));
    assert!(lab.ok("env --swarm x").contains("export DOCKER_HOST=\"tcp://10.0.0.5:2376\"\n"));
    lab.write("S/machines/x/rmachine.json", &own("worker"));
    assert_eq!(lab.run("env --swarm x").code, Some(1));
}

#[test]
fn env_swarm_refuses_a_machine_that_is_no_manager() {
    let lab = Sandbox::new();
    let (engine, manager) = master(&lab);
    engine.serve(&lab, VERSION);
    drop(manager);
    let down = lab.run_as_docker_machine("env --swarm sm");
    let first = down.stderr.lines().next();
    let sentence = "Error checking TLS connection: Connection to Swarm cannot be checked but the certs are valid. \
                    Maybe swarm is not started";
    assert_eq!((down.code, first), (Some(1), Some(sentence)), "{down}");
    lab.plant("x", "v3-none.json");
    assert_snapshot!(lab.run("env --swarm x"), @r#"
    exit 1
    --- stderr
    Error checking TLS connection: "x" is not a swarm master. The --swarm flag is intended for use with swarm masters
    "#);
    assert_snapshot!(lab.run("config x --swarm"), @r#"
    exit 1
    --- stderr
    Error running connection boilerplate: "x" is not a swarm master. The --swarm flag is intended for use with swarm masters
    "#);
}
