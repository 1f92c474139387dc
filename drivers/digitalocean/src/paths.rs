//! The paths of the API that this driver uses.

use rmachine_driver::DriverError;
use rmachine_rest::RequestPath;

pub(crate) fn account() -> RequestPath {
    RequestPath::new("/v2/account")
}

pub(crate) fn action(id: u64) -> RequestPath {
    RequestPath::new("/v2/actions").number(id)
}

pub(crate) fn droplets() -> RequestPath {
    RequestPath::new("/v2/droplets")
}

pub(crate) fn droplets_with_tag(tag: &str) -> RequestPath {
    droplets().query("tag_name", tag)
}

pub(crate) fn droplet(id: u64) -> RequestPath {
    droplets().number(id)
}

pub(crate) fn droplet_actions(id: u64) -> RequestPath {
    droplet(id).join("/actions")
}

pub(crate) fn droplet_snapshots(id: u64) -> RequestPath {
    droplet(id).join("/snapshots")
}

pub(crate) fn snapshot(id: &str) -> Result<RequestPath, DriverError> {
    RequestPath::new("/v2/snapshots").segment(id)
}

pub(crate) fn firewalls() -> RequestPath {
    RequestPath::new("/v2/firewalls")
}

pub(crate) fn firewall(id: &str) -> Result<RequestPath, DriverError> {
    firewalls().segment(id)
}

pub(crate) fn images() -> RequestPath {
    RequestPath::new("/v2/images")
}

pub(crate) fn own_images() -> RequestPath {
    images().query("private", "true")
}

pub(crate) fn keys() -> RequestPath {
    RequestPath::new("/v2/account/keys")
}

pub(crate) fn key(id: u64) -> RequestPath {
    keys().number(id)
}

pub(crate) fn project_resources(project: &str) -> Result<RequestPath, DriverError> {
    Ok(RequestPath::new("/v2/projects").segment(project)?.join("/resources"))
}

pub(crate) fn regions() -> RequestPath {
    RequestPath::new("/v2/regions")
}

pub(crate) fn reserved_ips() -> RequestPath {
    RequestPath::new("/v2/reserved_ips")
}

pub(crate) fn reserved_ip(ip: &str) -> Result<RequestPath, DriverError> {
    reserved_ips().segment(ip)
}

pub(crate) fn reserved_ip_actions(ip: &str) -> Result<RequestPath, DriverError> {
    Ok(reserved_ip(ip)?.join("/actions"))
}

pub(crate) fn sizes() -> RequestPath {
    RequestPath::new("/v2/sizes")
}

pub(crate) fn tag(name: &str) -> Result<RequestPath, DriverError> {
    RequestPath::new("/v2/tags").segment(name)
}

pub(crate) fn vpc(id: &str) -> Result<RequestPath, DriverError> {
    RequestPath::new("/v2/vpcs").segment(id)
}
