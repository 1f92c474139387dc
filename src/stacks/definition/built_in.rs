//! The stacks that come with the program: `templates/stacks`, as it was when it was built.

type Files = &'static [(&'static str, &'static str)];

macro_rules! stack {
    ($name:literal: $($file:literal)*) => {
        ($name, &[$(($file, include_str!(concat!("../../../templates/stacks/", $name, "/", $file)))),*])
    };
}

pub(super) const STACKS: &[(&str, Files)] = &[
    stack!("logging-elk": "compose.yml" "logstash.conf" "stack.toml" "sweeper.sh"),
    stack!("logging-syslog": "compose.yml" "rsyslog.conf" "stack.toml"),
    stack!("monitoring": "alertmanager.yml" "blackbox.yml" "compose.yml" "docker-exporter.sh" "engines" "grafana-dashboard.json" "grafana-dashboards.yml" "grafana-datasource.yml" "prometheus.yml" "rules.yml" "stack.toml"),
    stack!("registry": "compose.yml" "registry.yml" "stack.toml"),
    stack!("routing": "compose.yml" "stack.toml"),
    stack!("visualizer": "compose.yml" "stack.toml"),
];
