//! `completion`: what real shells offer.

use std::process::Command;

use super::fake_engine::ping_socket;
use super::harness::Sandbox;

pub(super) fn lab() -> Sandbox {
    let lab = Sandbox::new();
    for name in ["node1", "node2", "other"] {
        lab.plant(name, "v3-none.json");
    }
    lab
}

/// What a shell says with our program first on its PATH.
pub(super) fn shell(lab: &Sandbox, program: &str, args: &[&str]) -> String {
    let path = format!("{}:/usr/bin:/bin", lab.path("bin").display());
    let output = Command::new(program)
        .args(args)
        .env_clear()
        .env("PATH", path)
        .env("HOME", lab.path("H"))
        .env("MACHINE_STORAGE_PATH", lab.store())
        .env("DOCKER_HOST", "tcp://192.0.2.1:1")
        .current_dir(lab.path("H"))
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The words, as bash parts them, and what it then offers in place of the last.
fn bash(lab: &Sandbox, words: &str) -> Vec<String> {
    let script = format!(
        "source <(rmachine completion bash); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         compopt() {{ :; }}; _rmachine_complete; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    shell(lab, "bash", &["-c", &script]).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_machines_drivers_and_their_flags() {
    let lab = lab();
    assert_eq!(bash(&lab, "rmachine regen"), ["regenerate-certs"]);
    assert_eq!(bash(&lab, "rmachine ssh node"), ["node1", "node2"]);
    assert_eq!(bash(&lab, "rmachine stop node1 ''"), ["node1", "node2", "other"]);
    assert_eq!(bash(&lab, "rmachine create -d gen"), ["generic"]);
    assert_eq!(bash(&lab, "rmachine create -d generic --generic-ssh-u"), ["--generic-ssh-user"]);
    assert_eq!(bash(&lab, "rmachine create --driver = no"), ["none"]);
    assert_eq!(bash(&lab, "rmachine scp file oth"), ["other:"]);
    assert_eq!(bash(&lab, "rmachine snapshot res"), ["restore"]);
    assert_eq!(bash(&lab, "rmachine snapshot ls oth"), ["other"]);
    assert_eq!(bash(&lab, "rmachine certs --output js"), ["json"]);
    assert_eq!(bash(&lab, "rmachine ssh node1 l"), [""], "the machine's words are not ours");
}

/// It is asked with each press of the key: no name is looked up, no host is waited for.
#[test]
fn completion_contacts_no_host_and_no_dns_server() {
    let lab = lab();
    let began = std::time::Instant::now();
    let outcome =
        lab.call("__complete zsh 2 rmachine create ''").env("DOCKER_HOST", "tcp://192.0.2.1:2376").run();
    assert_eq!(outcome.code, Some(0));
    assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
    assert_eq!(lab.ok("__complete fish 2 rmachine ip no"), "node1\nnode2\n");
    assert_eq!(lab.run("__complete fish nonsense").code, Some(0));
}

#[test]
fn options_of_the_default_driver_are_completed() {
    let lab = lab();
    let engine = ping_socket(&lab);
    let complete = |words: &str, docker_host: &str| {
        let index = shlex::split(words).unwrap().len() - 1;
        lab.call(&format!("__complete bash {index} {words}")).env("DOCKER_HOST", docker_host).run().stdout
    };
    for create in ["rmachine create", "rmachine swarm create"] {
        let words = format!("{create} --docker-mem");
        assert_eq!(complete(&words, &engine), "--docker-memory\n", "{create}");
        assert_eq!(complete(&words, "unix:///nowhere/docker.sock"), "", "{create}");
        assert_eq!(complete(&format!("{create} -d none --docker-mem"), &engine), "", "{create}");
    }
}

#[test]
fn zsh_loads_the_completion_script() {
    let lab = lab();
    let script = "autoload -Uz compinit; compinit -D -u; source <(rmachine completion zsh); print -l $_comps[rmachine]; \
                  _describe() { print -l -- \"$1|$2|$3\" \"${(@P)3}\" }; words=(rmachine ssh node); CURRENT=3; _rmachine";
    assert_eq!(shell(&lab, "zsh", &["-fc", script]), "_rmachine\n-V|rmachine|plain\nnode1\nnode2\n");
}

#[test]
fn fish_completes_commands_and_flags() {
    let lab = lab();
    let script = "source (rmachine completion fish | psub); complete -C 'rmachine ssh node'";
    assert_eq!(shell(&lab, "fish", &["--no-config", "-c", script]), "node1\nnode2\n");
    let flags = shell(
        &lab,
        "fish",
        &["--no-config", "-c", "source (rmachine completion fish | psub); complete -C 'rmachine certs --o'"],
    );
    assert!(flags.starts_with("--output\tOutput format: table or json"), "{flags}");
}
