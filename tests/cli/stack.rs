//! `stack`, `metrics`, `logs` and `top` where no swarm has to be asked.

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn stack_list_prints_the_built_in_stacks() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("stack ls"), @r"
    exit 0
    --- stdout
    STACK            WHAT IT IS
    logging-elk      All logs searchable: Logstash, Elasticsearch and Kibana
    logging-syslog   All logs in one place, by rsyslog
    monitoring       Prometheus with every engine and node of the swarm, alerts, and Grafana
    registry         A private registry for the cluster's own images
    routing          Traefik on the managers: requests to services by their labels
    visualizer       Who runs what: a page with the tasks of each node
    ");
    assert_snapshot!(lab.run("stack ls -q"), @r"
    exit 0
    --- stdout
    logging-elk
    logging-syslog
    monitoring
    registry
    routing
    visualizer
    ");
    assert_snapshot!(lab.run("stack show logging-syslog"), @r"
    exit 0
    --- stdout
    logging-syslog: All logs in one place, by rsyslog

    rsyslog on one node keeps the logs of all containers, one file for each node and container, on a volume. It listens on that
    node's address in the network that the nodes share, and nowhere else. With --set engines=true the engines of all nodes
    are told to send their containers' logs there, one node at a time.

    Parameters (--set NAME=VALUE):
      endpoint_mode   vip    vip or dnsrr   how services are found by name; dnsrr where the kernel has no IPVS (published ports are then the nodes' own)
      node            -      text           the machine that keeps the data [default: the first manager]
      port            5514   a port         where rsyslog listens
      protocol        udp    udp or tcp     udp may lose lines; with tcp no container starts while rsyslog is down

    Images (--set image.NAME=REFERENCE):
      rsyslog   rsyslog/rsyslog:2026-04

    Of engines it wants (--set engines=true), since engines send the logs of their containers:
      log-driver=syslog
      log-opt=syslog-address=${{ protocol }}://${{ node.address }}:${{ port }}
      log-opt=syslog-format=rfc5424
      log-opt=tag={{.Name}}
    ");
    assert_snapshot!(lab.run("stack show visualizer --compose"), @r#"
    exit 0
    --- stdout
    version: "3.8"

    services:
      visualizer:
        image: ${{ image.visualizer }}
        networks: [visualizer]
        volumes:
          - /var/run/docker.sock:/var/run/docker.sock:ro
        deploy:
          placement: {constraints: [node.role == manager]}

    networks:
      visualizer:
        driver: overlay
    "#);
}

#[test]
fn stack_deploy_reports_errors_before_it_contacts_a_host() {
    let lab = Sandbox::new();
    for words in [
        "stack deploy lab monitorin",
        "stack deploy lab monitoring --set discovry=dns",
        "stack deploy lab monitoring --set interval=often",
        "stack deploy lab monitoring --set interval",
        "stack deploy lab monitoring --set grafana_password=x",
        "stack deploy lab monitoring --set grafana_password=@nowhere",
        "stack deploy lab monitoring --set image.prometeus=x",
        "stack deploy lab monitoring --name 'My Stack'",
        "stack deploy lab ./nowhere",
    ] {
        let done = lab.run(words);
        assert!(done.code != Some(0) && done.stdout.is_empty(), "{words}: {done}");
        assert!(!done.stderr.contains("no cluster"), "{words}: {done}");
    }
    assert_snapshot!(lab.run("stack deploy lab monitoring --set discovery=dsn"), @r#"
    exit 1
    --- stderr
    discovery takes dns or swarm, not "dsn"; did you mean dns?
    "#);
    assert_snapshot!(lab.run("stack deploy lab visualizer --set prot=80"), @r#"
    exit 1
    --- stderr
    the stack has no parameter "prot"; did you mean port?
    Hint: it takes: endpoint_mode, node, port, image.visualizer
    "#);
    assert_snapshot!(lab.run("stack deploy lab visualizer"), @r#"
    exit 1
    --- stderr
    There is no cluster "lab" in this store
    Hint: `rmachine swarm init NODE` makes one of a machine
    "#);
    assert_snapshot!(lab.run("logs lab"), @r#"
    exit 1
    --- stderr
    There is no cluster "lab" in this store
    Hint: `rmachine swarm init NODE` makes one of a machine
    "#);
    assert_snapshot!(lab.run("top"), @r"
    exit 1
    --- stderr
    No machine of this store belongs to a swarm
    Hint: rmachine swarm init NODE
    ");
}

#[test]
fn metrics_prints_prometheus_targets() {
    let lab = Sandbox::new();
    assert_snapshot!(lab.run("metrics targets"), @r"
    exit 0
    --- stdout
    []
    ");
    lab.plant("x", "v3-none.json");
    assert_snapshot!(lab.run("metrics targets"), @r#"
    exit 0
    --- stdout
    [
      {
        "targets": [
          "127.0.0.1:9323"
        ],
        "labels": {
          "driver": "none",
          "machine": "x"
        }
      }
    ]
    --- stderr
    Not told to give metrics: x. `rmachine provision --engine-opt metrics-addr=ADDRESS:9323 NAME` tells one.
    "#);
}
