//! The grammar of the command line: what docker-machine took is taken, what makes no sense exits 2 and says so on
//! stderr.

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn an_unknown_command_is_told_in_docker_machines_sentence() {
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
fn a_hint_to_help_names_the_path_we_were_called_by() {
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
    error: unexpected argument '--badflag' found

    Usage: rmachine ls [OPTIONS]

    For more information, try '--help'.
    ");
    assert_snapshot!(lab.run("ls --timeout abc"), @r"
    exit 2
    --- stderr
    error: invalid value 'abc' for '--timeout <TIMEOUT>': invalid digit found in string

    For more information, try '--help'.
    ");
    assert_snapshot!(lab.run("ls --timeout"), @r"
    exit 2
    --- stderr
    error: a value is required for '--timeout <TIMEOUT>' but none was supplied

    For more information, try '--help'.
    ");
    assert_snapshot!(lab.run("--badflag"), @r"
    exit 2
    --- stderr
    error: unexpected argument '--badflag' found

    Usage: rmachine [OPTIONS] [COMMAND]

    For more information, try '--help'.
    ");
    assert_snapshot!(lab.run("ls -q --progress loud"), @r"
    exit 2
    --- stderr
    error: invalid value 'loud' for '--progress <HOW>'
      [possible values: auto, plain, fancy, json, none]

    For more information, try '--help'.
    ");
    assert_snapshot!(lab.run("ls -qf"), @r"
    exit 2
    --- stderr
    error: a value is required for '--format <TEMPLATE>' but none was supplied

    For more information, try '--help'.
    ");
}

#[test]
fn a_flag_of_another_driver_is_told_to_be_one() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("create -d none --generic-ssh-user u x"), @r#"
    exit 2
    --- stderr
    error: unexpected argument '--generic-ssh-user' found

      tip: to pass '--generic-ssh-user' as a value, use '-- --generic-ssh-user'

    Usage: rmachine create --driver <DRIVER> [NAME]...

    For more information, try '--help'.
    Hint: that flag belongs to the driver "generic": add -d generic
    "#);
}

#[test]
fn commands_that_take_no_or_one_name_say_so() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("active x"), @r"
    exit 2
    --- stderr
    Error: Too many arguments given
    ");
    assert_snapshot!(lab.run("env -u x"), @r"
    exit 2
    --- stderr
    Error: Expected no machine name when the -u flag is present
    ");
    assert_snapshot!(lab.run("rm"), @r"
    exit 2
    --- stderr
    Error: Expected to get one or more machine names as arguments
    ");
    for words in ["env a b", "inspect a b", "status a b", "url a b", "version a b", "config a b"] {
        let outcome = lab.run(words);
        let said = (outcome.code, outcome.stderr.as_str());
        assert_eq!(said, (Some(2), "Error: Expected one machine name as an argument\n"), "{words}");
    }
}

#[test]
fn versions() {
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
fn flags_are_taken_in_every_form_that_go_takes() {
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
fn values_that_look_like_flags_are_values() {
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
fn the_store_is_found_by_flag_environment_and_home_in_this_order() {
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
fn debugging_by_environment_wants_a_truth_value() {
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
