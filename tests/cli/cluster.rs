//! `cluster`, as far as no host is needed: the file and what is wrong with it, and plans for a store that is empty or full
//! of strangers.

use super::harness::{Outcome, Sandbox};

const LAB: &str = "name = \"lab\"
driver = \"docker\"

[groups.managers]
role = \"manager\"
count = 1

[groups.workers]
role = \"worker\"
count = 2
";

/// `cluster` with these words, beside a file of this text.
fn cluster(lab: &Sandbox, file: &str, words: &str) -> Outcome {
    lab.write("H/cluster.toml", file);
    lab.call(&format!("cluster {words}")).env("DOCKER_HOST", "unix:///nowhere/docker.sock").run()
}

#[test]
fn cluster_file_errors_are_reported_all_at_once() {
    let lab = Sandbox::new();
    let file = LAB.replace("driver", "drivr").replace("count = 2", "cuont = 2\nlabels = [\"a\"]");
    insta::assert_snapshot!(cluster(&lab, &file, "plan"), @r#"
    exit 1
    --- stderr
    cluster.toml:2:1: unknown key "drivr"; did you mean "driver"?
    cluster.toml:8:9: [groups.workers] has no count: count = 1
    cluster.toml:10:1: unknown key "cuont" in [groups.workers]; did you mean "count"?
    cluster.toml:11:10: "labels" must be a table, not a list
    "#);
    assert!(lab.tree().iter().all(|p| !p.starts_with("S/")), "{:?}", lab.tree());
}

#[test]
fn driver_option_errors_name_their_line_in_the_cluster_file() {
    let lab = Sandbox::new();
    let with = |line: &str| LAB.replace("count = 2", &format!("count = 2\n{line}"));
    insta::assert_snapshot!(cluster(&lab, &with("options = { memory = \"1m\" }"), "up"), @r#"
    exit 1
    --- stderr
    cluster.toml:11:22: lab-workers-1: Error setting machine configuration from flags provided: --docker-memory "1m" is too little for a machine: give it 512m or more
    "#);
    insta::assert_snapshot!(cluster(&lab, &with("engine = { opt = { mtu = \"wide\" } }"), "up"), @r#"
    exit 1
    --- stderr
    cluster.toml:11:18: lab-workers-1: Invalid engine options: the engine option mtu takes a whole number, not "wide"
    "#);
    insta::assert_snapshot!(cluster(&lab, &with("options = { volumne = \"x\" }"), "up"), @r#"
    exit 1
    --- stderr
    cluster.toml:11:13: the driver "docker" has no option "volumne" (in [groups.workers.options]); did you mean "volume"?
    "#);
    insta::assert_snapshot!(cluster(&lab, &LAB.replace("docker", "dockr"), "up"), @r#"
    exit 1
    --- stderr
    cluster.toml:2:10: there is no driver "dockr"; did you mean "docker"?
    "#);
    assert_eq!(lab.machines(), Vec::<String>::new());
}

#[test]
fn stack_parameter_errors_name_their_line_in_the_cluster_file() {
    let lab = Sandbox::new();
    let with = |lines: &str| format!("{LAB}{lines}");
    insta::assert_snapshot!(cluster(&lab, &with("[stacks.monitoring]\nintervall = \"5s\"\n"), "up"), @r#"
    exit 1
    --- stderr
    cluster.toml:12:13: the stack has no parameter "intervall"; did you mean interval?
    Hint: it takes: alert_after, alert_webhook, alertmanager, cadvisor, certificate_days, certificates, discovery, endpoint_mode, engine_port, grafana, grafana_password, grafana_port, interval, node, retention, image.alertmanager, image.blackbox-exporter, image.cadvisor, image.grafana, image.node-exporter, image.prometheus, image.socat, engines
    "#);
    insta::assert_snapshot!(cluster(&lab, &with("[stacks.monitoring]\ninterval = 5\n"), "plan"), @r#"
    exit 1
    --- stderr
    cluster.toml:12:12: interval takes a duration like 15s, not "5"
    "#);
    insta::assert_snapshot!(cluster(&lab, &with("[stacks.monitoring]\ninterval = [5]\n"), "plan"), @r#"
    exit 1
    --- stderr
    cluster.toml:12:12: "interval" must be a text, a number, true or false, not a list
    "#);
    insta::assert_snapshot!(cluster(&lab, &with("[stacks.monitorin]\n"), "plan"), @r#"
    exit 1
    --- stderr
    cluster.toml:11:9: there is no stack "monitorin"; did you mean monitoring?
    Hint: there are: logging-elk, logging-syslog, monitoring, registry, routing, visualizer
    "#);
    insta::assert_snapshot!(cluster(&lab, &with("[stacks.blue]\nfrom = \"./nowhere\"\n"), "plan"), @r#"
    exit 1
    --- stderr
    cluster.toml:11:9: ./nowhere cannot be read: no such file or directory
    "#);
    insta::assert_snapshot!(cluster(&lab, &with("[stacks.monitoring]\ngrafana_password = \"x\"\n"), "plan"), @r#"
    exit 1
    --- stderr
    cluster.toml:12:20: grafana_password is a secret, which others could read where it is written
    Hint: "@FILE" in its place reads it from a file; --set grafana_password=@- from standard input
    "#);
    let plan = cluster(&lab, &with("[stacks.monitoring]\n[stacks.registry]\n"), "plan").stdout;
    assert!(plan.contains("5 to add") && plan.contains("stack     monitoring"), "{plan}");
}

#[test]
fn plan_of_an_empty_store_creates_every_machine() {
    let lab = Sandbox::new();
    let file = format!("{LAB}[networks.web]\n").replace("count = 1", "count = 2");
    insta::assert_snapshot!(cluster(&lab, &file, "plan"), @r#"
    exit 0
    --- stdout
    Cluster lab:
      add   manager   lab-managers-1   in the group "managers"
      add   manager   lab-managers-2   in the group "managers"
      add   worker    lab-workers-1    in the group "workers"
      add   worker    lab-workers-2    in the group "workers"
      add   network   web              in the file
    5 to add, 0 to change, 0 to replace, 0 to remove
    --- stderr
    Warning: cluster.toml:4:2: 2 managers are worse than 1: losing either stops the swarm; take 1 or 3
    "#);
    insta::assert_snapshot!(cluster(&lab, LAB, "plan -o json --detailed-exitcode"), @r#"
    exit 2
    --- stdout
    {
      "cluster": "lab",
      "changes": true,
      "steps": [
        {
          "action": "add",
          "kind": "manager",
          "name": "lab-managers-1",
          "reasons": [
            "in the group \"managers\""
          ]
        },
        {
          "action": "add",
          "kind": "worker",
          "name": "lab-workers-1",
          "reasons": [
            "in the group \"workers\""
          ]
        },
        {
          "action": "add",
          "kind": "worker",
          "name": "lab-workers-2",
          "reasons": [
            "in the group \"workers\""
          ]
        }
      ],
      "unchangeable": [],
      "notes": []
    }
    "#);
    assert_eq!(lab.machines(), Vec::<String>::new(), "a plan makes nothing");
}

#[test]
fn plan_refuses_a_machine_outside_the_cluster() {
    let lab = Sandbox::new();
    lab.create_none("lab-workers-1");
    insta::assert_snapshot!(cluster(&lab, LAB, "up"), @r#"
    exit 1
    --- stderr
    Docker machine "lab-workers-1" exists already, and belongs to no swarm
    Hint: `rmachine swarm join lab-workers-1 --cluster lab` makes it a part of this one; or give the cluster or the group another name
    "#);
    assert_eq!(lab.machines(), ["lab-workers-1"]);
}

#[test]
fn cluster_commands_report_a_missing_file_or_cluster() {
    let lab = Sandbox::new();
    insta::assert_snapshot!(lab.run("cluster plan"), @r"
    exit 1
    --- stderr
    cannot read cluster.toml: no such file or directory
    Hint: `rmachine cluster init` writes an example; -f names another file
    ");
    insta::assert_snapshot!(lab.run("cluster down -y gone"), @r"
    exit 0
    --- stdout
    Nothing to remove: no machine belongs to the cluster gone.
    ");
    insta::assert_snapshot!(cluster(&lab, LAB, "roll workers"), @r"
    exit 1
    --- stderr
    the machine lab-workers-1 is not there yet
    Hint: rmachine cluster up
    ");
    insta::assert_snapshot!(cluster(&lab, LAB, "roll wokers"), @r#"
    exit 2
    --- stderr
    the file has no group and no machine "wokers"
    Hint: its groups: managers, workers
    "#);
}

#[test]
fn cluster_init_writes_a_valid_file() {
    let lab = Sandbox::new();
    insta::assert_snapshot!(lab.run("cluster init demo"), @r"
    exit 0
    --- stdout
    Wrote cluster.toml: edit it, then `rmachine cluster plan`
    ");
    let plan = lab.call("cluster plan").run();
    assert!(plan.stdout.ends_with("3 to add, 0 to change, 0 to replace, 0 to remove\n"), "{plan}");
    insta::assert_snapshot!(lab.run("cluster init"), @r"
    exit 1
    --- stderr
    cannot write cluster.toml: file exists
    ");
    for driver in rmachine::registry::Registry::default().names() {
        let example = lab.run(&format!("cluster init -f - -d {driver}"));
        if driver == "none" {
            assert_eq!(example.code, Some(2), "{example}");
        } else {
            assert!(example.stdout.contains(&format!("driver = \"{driver}\"")), "{example}");
        }
    }
}
