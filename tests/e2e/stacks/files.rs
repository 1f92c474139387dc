//! The files of our own stacks, filled in every way, before those who will read them.

use std::path::Path;
use std::process::Command;

use rmachine::stacks::definition::{
    Compose, Given, Kind, Member, Settings, Stack, StackName, Surroundings, built_in_names,
};

use super::archive;
use crate::e2e::lab::lab_dir;

/// Every combination of what chooses, of each stack of ours.
pub fn every_way() -> impl Iterator<Item = (Stack, Compose)> {
    let nodes = vec![
        Member { id: "a".into(), name: "m1".into(), address: "10.0.0.1".into(), manager: true },
        Member { id: "b".into(), name: "m2".into(), address: "10.0.0.2".into(), manager: true },
    ];
    let at = Surroundings { cluster: "lab".into(), chosen: nodes[0].clone(), nodes, publish: false };
    built_in_names().flat_map(move |name| {
        let stack = Stack::find(name).expect("ours");
        let at = at.clone();
        ways(&stack).into_iter().map(move |given| {
            let settings = Settings::resolve(&stack.manifest, &given).expect("values that it takes");
            let name = StackName::parse("x").expect("a name");
            (stack.clone(), stack.fill(&name, &settings, &at).expect("it is whole"))
        })
    })
}

fn ways(stack: &Stack) -> Vec<Vec<Given>> {
    let mut all = vec![Vec::new()];
    for (name, parameter) in &stack.manifest.parameters {
        let ways: Vec<&str> = match &parameter.kind {
            Kind::Boolean => vec!["true", "false"],
            Kind::Choice { choices } => choices.iter().map(String::as_str).collect(),
            _ => continue,
        };
        let with =
            |one: &Vec<Given>, way: &str| one.iter().cloned().chain([Given::word(name, way)]).collect();
        all = all
            .iter()
            .flat_map(|one: &Vec<Given>| ways.iter().map(|way| with(one, way)).collect::<Vec<_>>())
            .collect();
    }
    all
}

#[test]
fn prometheus_takes_every_configuration() {
    archive();
    let promtool = lab_dir().join("promtool");
    let dir = tempfile::tempdir().expect("a folder");
    let mut seen = std::collections::BTreeSet::new();
    for (_, compose) in every_way().filter(|(stack, _)| stack.id == "monitoring") {
        let mut names = Vec::new();
        for key in ["prometheus", "rules"] {
            let config =
                compose.configs.iter().find(|c| c.name.starts_with(&format!("x_{key}-"))).expect("a config");
            let text = String::from_utf8(config.content.clone()).expect("text");
            // What it names lies elsewhere in the container.
            let text =
                text.replace("/etc/prometheus/rules.yml", &dir.path().join("rules.yml").to_string_lossy());
            std::fs::write(dir.path().join(format!("{key}.yml")), text).expect("written");
            names.push(config.name.clone());
        }
        if !seen.insert(names) {
            continue;
        }
        let file = dir.path().join("prometheus.yml");
        let checked =
            Command::new(&promtool).args(["check", "config"]).arg(&file).output().expect("promtool runs");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}\n{}", std::fs::read_to_string(&file).expect("it is there"));
    }
    assert_eq!(seen.len(), 16, "discovery, Alertmanager, cAdvisor and certificates choose");
    alerts_fire_when_they_should(&promtool, dir.path());
}

/// Prometheus' own way to test rules: series as they would come, and what fires at a moment.
fn alerts_fire_when_they_should(promtool: &Path, dir: &Path) {
    let test = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - name: all is well
    interval: 1m
    input_series:
      - {series: 'up{job="engine", instance="a:9323"}', values: "1x10"}
      - {series: 'up{job="engine", instance="b:9323"}', values: "1x10"}
      - {series: 'up{job="node", instance="a:9100"}', values: "1x10"}
      - {series: 'swarm_node_manager{instance="a:9323"}', values: "1x10"}
      - {series: 'swarm_node_manager{instance="b:9323"}', values: "1x10"}
      - {series: 'swarm_manager_nodes{state="down"}', values: "0x10"}
      - {series: 'node_filesystem_avail_bytes{fstype="ext4", mountpoint="/", instance="a"}', values: "11x10"}
      - {series: 'node_filesystem_size_bytes{fstype="ext4", mountpoint="/", instance="a"}', values: "100x10"}
      - {series: 'node_memory_MemAvailable_bytes{instance="a"}', values: "6x10"}
      - {series: 'node_memory_MemTotal_bytes{instance="a"}', values: "100x10"}
      - {series: 'probe_ssl_earliest_cert_expiry{node="m1"}', values: "2592600x10"}
    alert_rule_test:
      - {eval_time: 9m, alertname: EngineNotScraped, exp_alerts: []}
      - {eval_time: 9m, alertname: EnginesMissing, exp_alerts: []}
      - {eval_time: 9m, alertname: NodeDown, exp_alerts: []}
      - {eval_time: 9m, alertname: QuorumAtRisk, exp_alerts: []}
      - {eval_time: 9m, alertname: NodeNotReporting, exp_alerts: []}
      - {eval_time: 9m, alertname: DiskNearlyFull, exp_alerts: []}
      - {eval_time: 9m, alertname: MemoryNearlyFull, exp_alerts: []}
      - {eval_time: 9m, alertname: CertificateEnding, exp_alerts: []}
  - name: all goes wrong
    interval: 1m
    input_series:
      - {series: 'up{job="engine", instance="a:9323", node="m1"}', values: "1x10"}
      - {series: 'up{job="engine", instance="b:9323", node="m2"}', values: "1 1 0x8"}
      - {series: 'up{job="node", instance="b:9100", node="m2"}', values: "1 1 0x8"}
      - {series: 'swarm_node_manager{instance="a:9323"}', values: "1x10"}
      - {series: 'swarm_manager_nodes{state="down"}', values: "0 0 1x8"}
      - {series: 'node_filesystem_avail_bytes{fstype="ext4", mountpoint="/", instance="a"}', values: "5x10"}
      - {series: 'node_filesystem_size_bytes{fstype="ext4", mountpoint="/", instance="a"}', values: "100x10"}
      - {series: 'node_filesystem_avail_bytes{fstype="tmpfs", mountpoint="/run", instance="a"}', values: "5x10"}
      - {series: 'node_filesystem_size_bytes{fstype="tmpfs", mountpoint="/run", instance="a"}', values: "100x10"}
      - {series: 'node_memory_MemAvailable_bytes{instance="a"}', values: "4x10"}
      - {series: 'node_memory_MemTotal_bytes{instance="a"}', values: "100x10"}
      - {series: 'probe_ssl_earliest_cert_expiry{node="m1"}', values: "864300x10"}
    alert_rule_test:
      - {eval_time: 1m, alertname: EngineNotScraped, exp_alerts: []}
      - {eval_time: 3m, alertname: EngineNotScraped, exp_alerts: []}
      - eval_time: 5m
        alertname: EngineNotScraped
        exp_alerts: [{exp_labels: {severity: critical, job: engine, instance: "b:9323", node: m2}, exp_annotations: {summary: "The engine b:9323 m2 gives no metrics", description: "The node is down, or its engine runs without metrics-addr."}}]
      - eval_time: 5m
        alertname: NodeDown
        exp_alerts: [{exp_labels: {severity: critical}, exp_annotations: {summary: "1 node(s) of the swarm are down", description: "`rmachine swarm status lab` names them."}}]
      - eval_time: 5m
        alertname: QuorumAtRisk
        exp_alerts: [{exp_labels: {severity: critical}, exp_annotations: {summary: "1 of 2 managers answer; 2 are needed", description: "Below that nothing of the swarm can be changed."}}]
      - eval_time: 5m
        alertname: DiskNearlyFull
        exp_alerts: [{exp_labels: {severity: warning, fstype: ext4, mountpoint: /, instance: a}, exp_annotations: {summary: "/ of a has 5% left"}}]
      - eval_time: 5m
        alertname: EnginesMissing
        exp_alerts: [{exp_labels: {severity: warning}, exp_annotations: {summary: "1 of 2 engines give metrics"}}]
      - eval_time: 5m
        alertname: NodeNotReporting
        exp_alerts: [{exp_labels: {severity: warning, job: node, instance: "b:9100", node: m2}, exp_annotations: {summary: "node-exporter of b:9100 m2 does not answer"}}]
      - eval_time: 5m
        alertname: MemoryNearlyFull
        exp_alerts: [{exp_labels: {severity: warning, instance: a}, exp_annotations: {summary: "a has 4% of its memory left"}}]
      - eval_time: 5m
        alertname: CertificateEnding
        exp_alerts: [{exp_labels: {severity: warning, node: m1}, exp_annotations: {summary: "The certificate of m1 ends in 10d 0h 0m 0s", description: "`rmachine regenerate-certs m1` makes a new one."}}]
"#;
    let rules = every_way().find(|(stack, _)| stack.id == "monitoring").expect("it is ours").1;
    let rules = rules.configs.iter().find(|c| c.name.starts_with("x_rules-")).expect("rules").content.clone();
    let text = String::from_utf8(rules.clone()).expect("text");
    for alert in text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert_eq!(
            test.matches(&format!("alertname: {alert}")).count().min(2),
            2,
            "{alert} has no test both ways"
        );
    }
    std::fs::write(dir.join("test.yml"), test).expect("written");
    std::fs::write(dir.join("rules.yml"), rules).expect("written");
    let tested = Command::new(promtool)
        .args(["test", "rules", "test.yml"])
        .current_dir(dir)
        .output()
        .expect("it runs");
    assert!(
        tested.status.success(),
        "{}{}",
        String::from_utf8_lossy(&tested.stdout),
        String::from_utf8_lossy(&tested.stderr)
    );
}
