//! Ports that services publish, as compose files write them.

use serde_json::{Value, json};

/// A port that a service takes on the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) service: String,
    pub(crate) number: u16,
    pub(crate) protocol: String,
    /// A port of each node that runs the service, and not of all nodes.
    pub(crate) host: bool,
}

/// A published port as one of the nodes' own, which only the long form can say. What cannot be read docker refuses.
pub(super) fn on_nodes(port: Value) -> Vec<Value> {
    if let Value::Object(mut long) = port {
        long.insert("mode".to_owned(), "host".into());
        return vec![Value::Object(long)];
    }
    let Some((targets, published)) = port.as_str().and_then(short) else { return vec![port] };
    let protocol = published.1;
    let pair = |(target, number): (u16, u16)| json!({"target": target, "published": number, "protocol": protocol, "mode": "host"});
    targets.zip(published.0).map(pair).collect()
}

type Numbers = std::ops::RangeInclusive<u16>;

/// `8080:80/udp`, `7000-7001:70-71`: where to, and where.
fn short(text: &str) -> Option<(Numbers, (Numbers, &str))> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let range = |text: &str| -> Option<Numbers> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(first.parse().ok().filter(|n| *n > 0)?..=last.parse().ok()?)
    };
    let (before, target) = ports.rsplit_once(':')?;
    // An address may stand before it, which swarms do not take.
    let published = before.rsplit(':').next()?;
    Some((range(target)?, (range(published)?, protocol)))
}

/// `8080:80/udp`, `80`, or the long form. What docker cannot read it says itself.
pub(super) fn published(service: &str, port: &Value) -> Vec<Port> {
    let make = |number: u16, protocol: &str, host: bool| Port {
        service: service.to_owned(),
        number,
        protocol: protocol.to_owned(),
        host,
    };
    if let Some(long) = port.as_object() {
        let number = |key| long.get(key).and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
        let number = number("published").and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
        let protocol = long.get("protocol").and_then(Value::as_str).unwrap_or("tcp");
        let host = long.get("mode").is_some_and(|m| m == "host");
        return number.map(|n| make(n, protocol, host)).into_iter().collect();
    }
    let Some((_, (numbers, protocol))) = port.as_str().and_then(short) else { return Vec::new() };
    numbers.map(|n| make(n, protocol, false)).collect()
}
