//! The cluster's overlay networks at its managers: found by a label, told and read back.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::cluster::model::Network;
use crate::engine::services::NetworkInfo;
use crate::model::ClusterName;

const CLUSTER: &str = "rmachine.cluster";
/// What the file said, word for word: an engine adds to what it was told.
const DECLARED: &str = "rmachine.declared";

pub(super) fn label(cluster: &ClusterName) -> String {
    format!("{CLUSTER}={cluster}")
}

pub(super) fn spec(cluster: &ClusterName, network: &Network) -> Value {
    let mut options: Map<String, Value> =
        network.options.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
    if network.encrypted {
        options.insert("encrypted".to_owned(), "".into());
    }
    let mut spec = json!({
        "Name": network.name,
        "CheckDuplicate": true,
        "Driver": "overlay",
        "Scope": "swarm",
        "Attachable": network.attachable,
        "Internal": network.internal,
        "Options": options,
        "Labels": {CLUSTER: cluster.as_str(), DECLARED: declared(network)},
    });
    if !network.subnets.is_empty() {
        let subnets: Vec<_> = network.subnets.iter().map(|s| json!({"Subnet": s})).collect();
        spec["IPAM"] = json!({"Driver": "default", "Config": subnets});
    }
    spec
}

/// One that bears our label and tells nothing is another than any in a file.
pub(super) fn read(info: &NetworkInfo) -> Network {
    let said = info.labels.get(DECLARED).and_then(Value::as_str).and_then(|t| serde_json::from_str(t).ok());
    let said: Value = said.unwrap_or_default();
    let flag = |key: &str| said.get(key).and_then(Value::as_bool).unwrap_or_default();
    let list = said.get("subnets").and_then(Value::as_array).cloned().unwrap_or_default();
    let options = said.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    Network {
        name: info.name.clone(),
        attachable: flag("attachable"),
        internal: flag("internal"),
        encrypted: flag("encrypted"),
        subnets: list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        options: options
            .into_iter()
            .filter_map(|(k, v)| Some((k, v.as_str()?.to_owned())))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn declared(network: &Network) -> String {
    json!({
        "attachable": network.attachable,
        "internal": network.internal,
        "encrypted": network.encrypted,
        "subnets": network.subnets,
        "options": network.options,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_back() {
        let network = Network {
            name: "web".into(),
            attachable: true,
            encrypted: true,
            subnets: vec!["10.9.0.0/24".into()],
            options: [("com.docker.network.driver.mtu".to_owned(), "1400".to_owned())].into(),
            ..Network::default()
        };
        let spec = spec(&ClusterName::parse("lab").unwrap(), &network);
        let info: NetworkInfo = serde_json::from_value(spec.clone()).unwrap();
        assert_eq!(read(&info), network);
        assert_eq!(spec["IPAM"]["Config"][0]["Subnet"], "10.9.0.0/24");
        assert_eq!(spec["Options"]["encrypted"], "");
        assert_eq!(spec["Labels"][CLUSTER], "lab");
    }
}
