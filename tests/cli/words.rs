//! Completion as shells really do it, and manual pages as `man` reads them.

use std::process::Command;

use super::harness::Sandbox;

fn lab() -> Sandbox {
    let lab = Sandbox::new();
    for name in ["node1", "node2", "other"] {
        lab.plant(name, "v3-none.json");
    }
    lab
}

/// What a shell says with our program first on its PATH.
fn shell(lab: &Sandbox, program: &str, args: &[&str]) -> String {
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
    assert_eq!(bash(&lab, "rmachine certs --output js"), ["json"]);
    assert_eq!(bash(&lab, "rmachine ssh node1 l"), [""], "the machine's words are not ours");
}

/// It is asked with each press of the key: no name is looked up, no host is waited for.
#[test]
fn completing_asks_nobody() {
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
fn zsh_takes_its_script() {
    let lab = lab();
    let script = "autoload -Uz compinit; compinit -D -u; source <(rmachine completion zsh); print -l $_comps[rmachine]; \
                  _describe() { print -l -- \"$1|$2|$3\" \"${(@P)3}\" }; words=(rmachine ssh node); CURRENT=3; _rmachine";
    assert_eq!(shell(&lab, "zsh", &["-fc", script]), "_rmachine\n-V|rmachine|plain\nnode1\nnode2\n");
}

#[test]
fn fish_completes_by_its_own_engine() {
    let lab = lab();
    let script = "source (rmachine completion fish | psub); complete -C 'rmachine ssh node'";
    assert_eq!(shell(&lab, "fish", &["--no-config", "-c", script]), "node1\nnode2\n");
    let flags = shell(
        &lab,
        "fish",
        &["--no-config", "-c", "source (rmachine completion fish | psub); complete -C 'rmachine certs --o'"],
    );
    assert!(flags.starts_with("--output\ttable or json"), "{flags}");
}

#[test]
fn every_page_is_clean_and_named_after_its_command() {
    let lab = lab();
    assert!(lab.ok("man --dir /T/man").starts_with("Wrote "));
    let pages = lab.tree().into_iter().filter(|p| p.starts_with("man/") && p.ends_with(".1"));
    let pages: Vec<String> = pages.collect();
    assert!(pages.len() > 25 && pages.contains(&"man/rmachine-scp.1".to_owned()), "{pages:?}");
    assert!(!pages.iter().any(|p| p.contains("__")), "{pages:?}");
    for page in &pages {
        let path = lab.path(page).display().to_string();
        assert_eq!(shell(&lab, "groff", &["-ww", "-man", "-Tutf8", "-z", &path]), "", "{page}");
    }
    let shown = shell(&lab, "man", &["-l", &lab.path("man/rmachine-scp.1").display().to_string()]);
    for word in ["rmachine-scp(1)", "--recursive", "Examples:"] {
        assert!(shown.contains(word), "{word} is not in:\n{shown}");
    }
    assert_eq!(lab.ok("man scp"), std::fs::read_to_string(lab.path("man/rmachine-scp.1")).unwrap());
    assert_eq!(lab.run("man nosuch").code, Some(1));
}
