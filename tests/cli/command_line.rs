//! The grammar of the command line: what docker-machine took is taken, what makes no sense exits 2 and says so on
//! stderr.

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn unknown_command_is_reported_in_docker_machine_words() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("nosuch"), @r"
    exit 1
    --- stderr
    rmachine: 'nosuch' is not a rmachine command. See 'rmachine --help'.
    ");
    assert_snapshot!(lab.run_as_docker_machine("nosuch"), @r"
    exit 1
    --- stderr
    docker-machine: 'nosuch' is not a docker-machine command. See 'docker-machine --help'.
    ");
    assert_snapshot!(lab.run("help nosuch"), @r"
    exit 1
    --- stderr
    rmachine: 'nosuch' is not a rmachine command. See 'rmachine --help'.
    ");
}

#[test]
fn help_hint_repeats_the_program_path() {
    let lab = Sandbox::new();
    let path = lab.path("bin/docker-machine").display().to_string();
    assert_snapshot!(lab.call_words(&path, ["nosuch".to_owned()]).run(), @r"
    exit 1
    --- stderr
    docker-machine: 'nosuch' is not a docker-machine command. See '/T/bin/docker-machine --help'.
    ");
}

#[test]
fn usage_errors_exit_2_with_the_message_on_stderr() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("ls --badflag"), @r"
    exit 2
    --- stderr
    flag provided but not defined: -badflag
    Hint: see `rmachine ls --help`
    ");
    assert_eq!(lab.run("ls -badflag"), lab.run("ls --badflag=x"));
    assert_snapshot!(lab.run("ls --timeout abc"), @r#"
    exit 2
    --- stderr
    invalid value "abc" for flag -timeout: parse error
    Hint: see `rmachine ls --help`
    "#);
    assert_snapshot!(lab.run("ls --timeout"), @r"
    exit 2
    --- stderr
    flag needs an argument: -timeout
    Hint: see `rmachine ls --help`
    ");
    assert_snapshot!(lab.run("ls -qf"), @r"
    exit 2
    --- stderr
    flag needs an argument: -f
    Hint: see `rmachine ls --help`
    ");
    assert_snapshot!(lab.run("--badflag"), @r"
    exit 2
    --- stderr
    flag provided but not defined: -badflag
    Hint: see `rmachine --help`
    ");
    assert_snapshot!(lab.run("node-image ls --badflag"), @r"
    exit 2
    --- stderr
    flag provided but not defined: -badflag
    Hint: see `rmachine node-image ls --help`
    ");
    assert_snapshot!(lab.run("create -d none --swarm=maybe x"), @r#"
    exit 2
    --- stderr
    invalid boolean value "maybe" for -swarm: parse error
    Hint: see `rmachine create --help`
    "#);
    assert_snapshot!(lab.run("ls -q --progress loud"), @r#"
    exit 2
    --- stderr
    invalid value "loud" for flag -progress: parse error
    Hint: it takes one of: auto, plain, fancy, json, none
    Hint: see `rmachine ls --help`
    "#);
}

/// docker-machine puts its help on stdout, and the reason on stderr.
#[test]
fn usage_errors_as_docker_machine_print_help_on_stdout() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run_as_docker_machine("ip -x"), @r"
    exit 2
    --- stdout
    Incorrect Usage.

    Usage: docker-machine ip [arg...]

    Print the IP address of machines

    Description:
       Machines to use [default: the machine named default]
    ⏎
    --- stderr
    flag provided but not defined: -x
    Hint: see `docker-machine ip --help`
    ");
}

#[test]
fn usage_errors_suggest_the_nearest_word() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("ls --quite"), @r"
    exit 2
    --- stderr
    flag provided but not defined: -quite
    Hint: did you mean `--quiet`?
    Hint: see `rmachine ls --help`
    ");
    assert_snapshot!(lab.run("crate x"), @r"
    exit 1
    --- stderr
    rmachine: 'crate' is not a rmachine command. See 'rmachine --help'.
    Hint: did you mean `rmachine create`?
    ");
    assert_snapshot!(lab.run_as_docker_machine("inspct x"), @r"
    exit 1
    --- stderr
    docker-machine: 'inspct' is not a docker-machine command. See 'docker-machine --help'.
    Hint: did you mean `docker-machine inspect`?
    ");
}

#[test]
fn repeated_flag_has_its_last_value() {
    let lab = Sandbox::new();
    lab.ok("create -d none --url tcp://a:1 --url tcp://b:1 --swarm-strategy a --swarm-strategy=b x");
    assert_eq!(lab.ok("url x"), "tcp://b:1\n");
    assert_eq!(lab.ok("ls -q --quiet -t 1 --timeout 2"), "x\n");
    assert_eq!(lab.ok("inspect -f '{{.Driver.URL}}' --format '{{.Name}}' x"), "x\n");
}

#[test]
fn numbers_are_accepted_in_every_go_form() {
    let lab = Sandbox::new();
    lab.ok("create -d generic --dry-run --generic-ip-address h --generic-ssh-port 0x16 x");
    for timeout in ["0x1", "-1", "-t 007"] {
        let words =
            if timeout.starts_with("-t") { timeout.to_owned() } else { format!("--timeout {timeout}") };
        assert_eq!(lab.run(&format!("active {words}")).stderr, "No active host found\n", "{timeout}");
    }
    let by_env =
        lab.call("create -d generic --dry-run --generic-ip-address h x").env("GENERIC_SSH_PORT", "0x1F");
    assert!(by_env.run().stdout.contains(":31\n"));
}

#[test]
fn flag_of_another_driver_is_reported_as_such() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("create -d none --generic-ssh-user u x"), @r#"
    exit 2
    --- stderr
    flag provided but not defined: -generic-ssh-user
    Hint: that flag belongs to the driver "generic": add -d generic
    Hint: see `rmachine create --help`
    "#);
}

#[test]
fn commands_refuse_surplus_names() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("active x"), @r"
    exit 1
    --- stderr
    Error: Too many arguments given
    ");
    assert_snapshot!(lab.run("env -u x"), @r"
    exit 1
    --- stderr
    Error: Expected no machine name when the -u flag is present
    ");
    assert_snapshot!(lab.run("rm"), @r"
    exit 1
    --- stderr
    Error: Expected to get one or more machine names as arguments
    ");
    for words in ["env a b", "inspect a b", "status a b", "url a b", "version a b", "config a b"] {
        let outcome = lab.run(words);
        let said = (outcome.code, outcome.stderr.as_str());
        assert_eq!(said, (Some(1), "Error: Expected one machine name as an argument\n"), "{words}");
    }
}

#[test]
fn version_is_printed_by_flag_and_command() {
    let lab = Sandbox::new();
    for words in ["version", "--version", "-v", "-version"] {
        let own = lab.run(words);
        assert!(own.stderr.is_empty(), "{own}");
        assert_eq!(version_shape(&own.stdout), "rmachine version 0.1.0, build X\n", "{words}");
        let theirs = lab.run_as_docker_machine(words);
        assert_eq!(version_shape(&theirs.stdout), "docker-machine version 0.1.0, build X\n", "{words}");
    }
}

fn version_shape(said: &str) -> String {
    let (version, build) = said.split_once(", build ").unwrap();
    assert!(build.ends_with('\n') && build.trim().chars().all(|c| c.is_ascii_alphanumeric()), "{said:?}");
    format!("{version}, build X\n")
}

#[test]
fn flags_are_accepted_in_every_go_form() {
    let lab = Sandbox::new();
    for (n, flags) in [
        "-d none --url tcp://127.0.0.1:2376 NAME",
        "-driver none -url tcp://127.0.0.1:2376 NAME",
        "--driver=none --url=tcp://127.0.0.1:2376 NAME",
        "-driver=none -url=tcp://127.0.0.1:2376 NAME",
        "NAME -d none --url tcp://127.0.0.1:2376",
        "-d=none NAME --url=tcp://127.0.0.1:2376 --swarm=false",
        "-d none --url tcp://127.0.0.1:2376 -- NAME",
    ]
    .into_iter()
    .enumerate()
    {
        lab.ok(&format!("create {}", flags.replace("NAME", &format!("m{n}"))));
    }
    assert_eq!(lab.ok("ls -quiet"), "m0\nm1\nm2\nm3\nm4\nm5\nm6\n");
    assert_eq!(lab.ok("inspect m0 -f {{.Name}}"), "m0\n");
    assert_eq!(lab.ok("inspect m0 -format={{.Name}}"), "m0\n");
    assert_eq!(lab.ok("-s /S ls -q --filter name=m1"), "m1\n");
    lab.ok("rm m0 -f m1 -y");
    assert_eq!(lab.ok("ls -q=true"), "m2\nm3\nm4\nm5\nm6\n");
}

#[test]
fn flag_values_may_begin_with_a_dash() {
    let lab = Sandbox::new();
    lab.ok("create -d none --url tcp://127.0.0.1:2376 --engine-label -x=y --swarm-opt --heartbeat=5 x");
    assert_eq!(lab.ok("inspect -f '{{json .HostOptions.EngineOptions.Labels}}' x"), "[\"-x=y\"]\n");
    let opts = lab.ok("inspect -f '{{json .HostOptions.SwarmOptions.ArbitraryFlags}}' x");
    assert_eq!(opts, "[\"--heartbeat=5\"]\n");
}

/// GitLab's runner gives the first of them with every call, docker-machine-py the rest.
#[test]
fn global_flags_of_docker_machine_are_accepted() {
    let lab = Sandbox::new();
    lab.create_none("x");
    for globals in [
        "--bugsnag-api-token=no-report",
        "--github-api-token t --native-ssh",
        "--storage-path /S --tls-ca-cert /S/certs/ca.pem --tls-ca-key /S/certs/ca-key.pem",
        "--tls-client-cert /S/certs/cert.pem --tls-client-key /S/certs/key.pem",
    ] {
        assert_eq!(lab.ok(&format!("{globals} ip x")), "127.0.0.1:2376\n", "{globals}");
    }
}

#[test]
fn store_path_comes_from_flag_then_environment_then_home() {
    let lab = Sandbox::new();
    lab.ok("-s /T/by-flag create -d none --url u by-flag");
    lab.ok("create -d none --url u by-env");
    let home = |words: &str| lab.call(words).env_remove("MACHINE_STORAGE_PATH").run();
    assert_eq!(home("create -d none --url u by-home").code, Some(0));
    assert!(lab.path("H/.docker/machine/machines/by-home/config.json").is_file());
    assert_eq!(lab.ok("-s /T/by-flag ls -q"), "by-flag\n");
    assert_eq!(lab.ok("ls -q"), "by-env\n");
    assert_eq!(home("ls -q").stdout, "by-home\n");
}

#[test]
fn debug_variable_must_be_a_boolean() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.call("ls -q").env("MACHINE_DEBUG", "maybe").run(), @r#"
    exit 1
    --- stderr
    Error parsing boolean value from MACHINE_DEBUG: "maybe" is neither true nor false
    "#);
    for value in ["1", "true", "0", "FALSE", ""] {
        assert_eq!(lab.call("ls -q").env("MACHINE_DEBUG", value).run().code, Some(0), "{value:?}");
    }
}

#[test]
fn a_wrong_word_below_a_group_is_reported_for_the_group() {
    let lab = Sandbox::new();
    let outcome = lab.run("swarm crate");
    assert!(
        outcome.stderr.starts_with("rmachine swarm: 'crate' is not a rmachine swarm command."),
        "{outcome}"
    );
    assert!(outcome.stderr.contains("did you mean `rmachine swarm create`?"), "{outcome}");
    assert!(lab.run("nosuch").stderr.starts_with("rmachine: 'nosuch' is not a rmachine command."));
}

#[test]
fn a_command_of_another_program_or_group_is_named_where_it_is() {
    let lab = Sandbox::new();
    for (words, meant) in [
        ("delete x", "`rmachine rm`"),
        ("shell x", "`rmachine ssh`"),
        ("nodes", "`rmachine swarm status`"),
        ("up", "`rmachine cluster up`"),
        ("deploy lab web", "`rmachine stack deploy`"),
        ("restore x", "`rmachine snapshot restore` or `rmachine swarm restore`"),
        ("swarm nodes", "`rmachine swarm status`"),
        ("swarm list", "`rmachine swarm ls`"),
        ("cluster ls", "`rmachine swarm ls`"),
        ("stack logs", "`rmachine logs`"),
    ] {
        let outcome = lab.run(words);
        assert!(outcome.stderr.ends_with(&format!("Hint: did you mean {meant}?\n")), "{words}: {outcome}");
    }
}

#[test]
fn each_group_takes_the_regular_verbs() {
    let lab = Sandbox::new();
    for (words, same) in [
        ("swarm show", "swarm status"),
        ("swarm destroy", "swarm rm"),
        ("cluster show", "cluster status"),
        ("cluster rm", "cluster down"),
        ("cluster create", "cluster up"),
        ("stack create", "stack deploy"),
        ("node-image create", "node-image build"),
        ("credentials create", "credentials set"),
        ("show", "inspect"),
    ] {
        assert_eq!(lab.ok(&format!("{words} --help")), lab.ok(&format!("{same} --help")), "{words}");
    }
}

#[test]
fn flags_that_were_renamed_are_still_accepted() {
    let lab = Sandbox::new();
    for words in ["backup -o /T/b x", "backup --output /T/b x", "restore -i /T/b x", "restore --input=/T/b x"]
    {
        let outcome = lab.run(&format!("swarm {words}"));
        assert!(outcome.stderr.starts_with("Docker machine \"x\" does not exist."), "{words}: {outcome}");
    }
}
