//! `inspect`: Go templates and JSON.

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn inspect_formats_with_go_templates() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    lab.plant("do", "v3-digitalocean.json");
    for (format, machine, said) in [
        ("{{.Driver.IPAddress}}", "x", "127.0.0.1:2376"),
        ("{{.HostOptions.AuthOptions.StorePath}}", "x", "/S/machines/x"),
        ("{{json .Driver.SwarmMaster}}", "x", "false"),
        ("{{.HostOptions.SwarmOptions.Discovery}}:{{.Name}}", "x", ":x"),
        ("{{.HostOptions.EngineOptions.Dns}}", "x", "<no value>"),
        ("{{.Nope}}", "x", "<no value>"),
        ("{{.Driver.Nope.Deeper}}", "x", "<no value>"),
        ("{{if eq .DriverName \"none\"}}yes{{end}}", "x", "yes"),
        ("{{len .HostOptions.EngineOptions.Env}}", "x", "0"),
        ("{{index .HostOptions \"Memory\"}}", "x", "0"),
        ("{{ .Name | urlquery }} {{.Name | printf \"%s!\"}}", "x", "x x!"),
        ("{{.Driver.DropletID}}", "do", "9007199254740993"),
        ("", "x", ""),
    ] {
        let outcome = lab.call_words("rmachine", ["inspect", "-f", format, machine].map(str::to_owned)).run();
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (Some(0), &*format!("{said}\n")),
            "{format}: {outcome}"
        );
    }
}

#[test]
fn inspect_prints_json_on_one_line_or_indented() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    assert_snapshot!(lab.run("inspect -f '{{json .Driver}}' x"), @r#"
    exit 0
    --- stdout
    {"IPAddress":"127.0.0.1:2376","MachineName":"x","SSHKeyPath":"","SSHPort":0,"SSHUser":"","StorePath":"/S","SwarmDiscovery":"","SwarmHost":"","SwarmMaster":false,"URL":"tcp://127.0.0.1:2376"}
    "#);
    assert_snapshot!(lab.run("inspect x -f '{{prettyjson .Driver}}'"), @r#"
    exit 0
    --- stdout
    {
        "IPAddress": "127.0.0.1:2376",
        "MachineName": "x",
        "SSHKeyPath": "",
        "SSHPort": 0,
        "SSHUser": "",
        "StorePath": "/S",
        "SwarmDiscovery": "",
        "SwarmHost": "",
        "SwarmMaster": false,
        "URL": "tcp://127.0.0.1:2376"
    }
    "#);
}

#[test]
fn inspect_refuses_an_invalid_template() {
    let lab = Sandbox::new();
    lab.plant("x", "v3-none.json");
    assert_snapshot!(lab.run("inspect -f '{{.Name' x"), @r"
    exit 1
    --- stderr
    template parsing error: template: :1: unclosed action
    ");
    assert_snapshot!(lab.run("inspect -f '{{nosuch .Name}}' x"), @r"
    exit 1
    --- stderr
    template parsing error: template: :1: function nosuch not defined
    ");
}

/// A machine that docker-machine calls by another name than its folder's goes by the folder's.
#[test]
fn folder_name_overrides_the_name_in_config_json() {
    let lab = Sandbox::new();
    lab.plant("other", "v3-none.json");
    assert_eq!(lab.ok("inspect -f '{{.Name}} {{.Driver.MachineName}}' other"), "other x\n");
}
