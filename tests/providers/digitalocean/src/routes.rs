//! Which request asks for what.

use serde_json::{Value, json};

use crate::world::{Accepts, Action, MADE, PROJECT, VOLUME, VPC, World};
use crate::{Reply, Request};

const REGIONS: [(&str, &str); 3] =
    [("nyc3", "New York 3"), ("fra1", "Frankfurt 1"), ("sfo3", "San Francisco 3")];
const IMAGES: [&str; 3] = ["ubuntu-24-04-x64", "debian-12-x64", "fedora-41-x64"];

pub(crate) fn answer(world: &mut World, request: &Request) -> Reply {
    let owner = request.token.as_ref().and_then(|t| world.tokens.get(t)).cloned();
    let Some(owner) = owner else { return Reply::error(401, "Unable to authenticate you") };
    let parts: Vec<&str> = request.path.trim_start_matches("/v2/").split('/').collect();
    let body = request.body.clone().unwrap_or_default();
    let id = parts.iter().find_map(|p| p.parse::<u64>().ok()).unwrap_or_default();
    match (request.method.as_str(), &parts[..]) {
        ("GET", ["account"]) => account(&owner),
        ("GET", ["account", "keys"]) => page(request, "ssh_keys", world.keys.values().cloned().collect()),
        ("POST", ["account", "keys"]) => new_key(world, &body),
        ("GET", ["account", "keys", _]) => one("ssh_key", world.keys.get(&id).cloned()),
        ("DELETE", ["account", "keys", _]) => removed(world.keys.remove(&id).is_some()),
        ("GET", ["droplets"]) => droplets(world, request, &owner),
        ("POST", ["droplets"]) => new_droplet(world, &owner, &body),
        ("GET" | "DELETE" | "POST", ["droplets", ..])
            if world.droplets.get(&id).is_none_or(|d| d.owner != owner) =>
        {
            not_found()
        }
        ("GET", ["droplets", _]) => Reply::new(200, json!({"droplet": world.show(id)})),
        ("DELETE", ["droplets", _]) => destroy(world, id),
        ("POST", ["droplets", _, "actions"]) => act(world, id, &body),
        ("GET", ["droplets", _, "snapshots"]) => droplet_snapshots(world, request, id),
        ("GET", ["actions", _]) => world.actions.get(&id).map_or_else(not_found, |a| shown(200, a)),
        ("GET", ["sizes"]) => page(request, "sizes", sizes()),
        ("GET", ["regions"]) => page(request, "regions", REGIONS.iter().map(|(s, n)| region(s, n)).collect()),
        ("GET", ["images"]) => images(world, request),
        ("GET", ["firewalls"]) => page(request, "firewalls", world.firewalls.values().cloned().collect()),
        ("POST", ["firewalls"]) => new_firewall(world, &body),
        ("GET", ["firewalls", id]) => one("firewall", world.firewalls.get(*id).cloned()),
        ("PUT", ["firewalls", id]) => change_firewall(world, id, &body),
        ("DELETE", ["firewalls", id]) => {
            let there = world.firewalls.remove(*id).is_some();
            world.guard();
            removed(there)
        }
        ("GET", ["vpcs", VPC]) => Reply::new(200, json!({"vpc": vpc(&world.range())})),
        ("GET", ["reserved_ips"]) => reserved(world, request),
        ("POST", ["reserved_ips"]) => new_reserved(world, &body),
        ("GET", ["reserved_ips", ip]) => {
            let found = world.reserved.get(*ip).copied();
            one("reserved_ip", found.map(|droplet| reserved_ip(world, ip, droplet)))
        }
        ("DELETE", ["reserved_ips", ip]) => removed(world.reserved.remove(*ip).is_some()),
        ("POST", ["reserved_ips", ip, "actions"]) => assign(world, ip, &body),
        ("POST", ["projects", PROJECT, "resources"]) => assigned(&body),
        ("DELETE", ["snapshots", _]) => removed(world.snapshots.remove(&id).is_some()),
        ("DELETE", ["tags", _]) => Reply::empty(),
        _ => not_found(),
    }
}

fn not_found() -> Reply {
    Reply::error(404, "The resource you requested could not be found.")
}

fn unfit(message: &str) -> Reply {
    Reply::error(422, message)
}

fn one(key: &str, found: Option<Value>) -> Reply {
    found.map_or_else(not_found, |found| Reply::new(200, json!({key: found})))
}

fn removed(there: bool) -> Reply {
    if there { Reply::empty() } else { not_found() }
}

fn account(owner: &str) -> Reply {
    let account = json!({
        "droplet_limit": 25, "floating_ip_limit": 5, "email": "sammy@example.com", "name": "Sammy", "uuid": "user-1",
        "email_verified": true, "status": "active", "status_message": "", "team": {"uuid": owner, "name": "Team"},
    });
    Reply::new(200, json!({"account": account}))
}

fn page(request: &Request, key: &str, all: Vec<Value>) -> Reply {
    let number = |name: &str, default: usize| {
        request.query.iter().find(|(k, _)| k == name).and_then(|(_, v)| v.parse().ok()).unwrap_or(default)
    };
    let (size, page) = (number("per_page", 20), number("page", 1));
    let total = all.len();
    let items: Vec<Value> = all.into_iter().skip(size * (page - 1)).take(size).collect();
    let more = page * size < total;
    // Where the next page is: an address of the real API, which nobody here may follow.
    let url =
        |page: usize| format!("https://api.digitalocean.com{}?page={page}&per_page={size}", request.path);
    let links = if more {
        json!({"pages": {"next": url(page + 1), "last": url(total.div_ceil(size))}})
    } else {
        json!({})
    };
    Reply::new(200, json!({key: items, "links": links, "meta": {"total": total}}))
}

fn new_key(world: &mut World, body: &Value) -> Reply {
    let (Some(name), Some(key)) = (body["name"].as_str(), body["public_key"].as_str()) else {
        return unfit("public_key is missing");
    };
    let blob = |k: &str| k.split_whitespace().nth(1).map(str::to_owned);
    let taken = world.keys.values().any(|k| k["public_key"].as_str().and_then(blob) == blob(key));
    if taken {
        return unfit("SSH Key is already in use on your account");
    }
    let id = world.add_key(name, key);
    Reply::new(201, json!({"ssh_key": world.keys[&id]}))
}

fn droplets(world: &mut World, request: &Request, owner: &str) -> Reply {
    let tag = request.query.iter().find(|(k, _)| k == "tag_name").map(|(_, v)| json!(v));
    let wanted = |asked: &Value| {
        tag.as_ref().is_none_or(|tag| asked["tags"].as_array().is_some_and(|tags| tags.contains(tag)))
    };
    let ids: Vec<u64> =
        world.droplets.values().filter(|d| d.owner == owner && wanted(&d.asked)).map(|d| d.id).collect();
    page(request, "droplets", ids.into_iter().map(|id| world.show(id)).collect())
}

fn new_droplet(world: &mut World, owner: &str, body: &Value) -> Reply {
    let size = sizes().into_iter().find(|s| s["slug"] == body["size"]);
    if size.is_none_or(|s| !s["regions"].as_array().is_some_and(|r| r.contains(&body["region"]))) {
        return unfit("The size or region you specified is unavailable");
    }
    let known = match &body["image"] {
        Value::String(slug) => IMAGES.contains(&slug.as_str()),
        id => id.as_u64().is_some_and(|id| world.snapshots.contains_key(&id)),
    };
    if !known && world.knobs.images == Accepts::KnownImages {
        return unfit("You specified an invalid image for Droplet creation.");
    }
    let keys = body["ssh_keys"].as_array().cloned().unwrap_or_default();
    if keys.iter().any(|k| world.key(k).is_none()) {
        return unfit("ssh_keys is invalid");
    }
    let volumes = body["volumes"].as_array().cloned().unwrap_or_default();
    if volumes.iter().any(|v| v != VOLUME) {
        return unfit("volume not found");
    }
    let id = world.make_droplet(owner, body);
    let link = json!({"id": 7, "rel": "create", "href": "https://api.digitalocean.com/v2/actions/7"});
    Reply::new(202, json!({"droplet": world.show(id), "links": {"actions": [link]}}))
}

fn destroy(world: &mut World, id: u64) -> Reply {
    if world.droplets[&id].action.is_some() {
        return unfit("Droplet already has a pending event.");
    }
    removed(world.destroy(id))
}

fn act(world: &mut World, id: u64, body: &Value) -> Reply {
    let droplet = &world.droplets[&id];
    if droplet.action.is_some() || droplet.status == "new" {
        return unfit("Droplet already has a pending event.");
    }
    let kind = body["type"].as_str().unwrap_or_default().to_owned();
    match (kind.as_str(), droplet.status) {
        ("power_on", "active") => return unfit("Droplet is already powered on."),
        ("power_off" | "shutdown", "off") => return unfit("Droplet is already powered off."),
        _ => {}
    }
    shown(201, &world.act(id, &kind, body))
}

fn shown(status: u16, action: &Action) -> Reply {
    let done = (action.status != "in-progress").then_some(MADE);
    let action = json!({
        "id": action.id, "status": action.status, "type": action.kind, "started_at": MADE, "completed_at": done,
        "resource_id": action.droplet, "resource_type": "droplet", "region_slug": "nyc3",
    });
    Reply::new(status, json!({"action": action}))
}

fn droplet_snapshots(world: &World, request: &Request, droplet: u64) -> Reply {
    let of = world.snapshots.iter().filter(|(_, (of, _))| *of == droplet);
    let all = of.map(|(id, (_, name))| {
        json!({
            "id": id, "name": name, "created_at": MADE, "regions": ["nyc3"], "min_disk_size": 25,
            "size_gigabytes": 2.5, "type": "snapshot",
        })
    });
    page(request, "snapshots", all.collect())
}

fn sizes() -> Vec<Value> {
    let size = |slug: &str, memory: u32, month: f64, hour: f64, regions: &[&str]| {
        json!({
            "slug": slug, "memory": memory, "vcpus": 1, "disk": 25, "transfer": 1.0, "price_monthly": month,
            "price_hourly": hour, "regions": regions, "available": true, "description": "Basic",
        })
    };
    vec![
        size("s-1vcpu-1gb", 1024, 6.0, 0.00893, &["nyc3", "fra1", "sfo3"]),
        size("s-1vcpu-512mb-10gb", 512, 4.0, 0.00595, &["nyc3"]),
        size("s-4vcpu-8gb", 8192, 48.0, 0.07143, &["nyc3", "fra1"]),
    ]
}

fn region(slug: &str, name: &str) -> Value {
    json!({"slug": slug, "name": name, "available": true, "features": ["metadata"], "sizes": ["s-1vcpu-1gb"]})
}

fn images(world: &World, request: &Request) -> Reply {
    let private = request.query.iter().any(|(k, v)| k == "private" && v == "true");
    let image = |id: u64, name: &str, slug: Option<&str>, kind: &str| {
        json!({
            "id": id, "name": name, "distribution": "Ubuntu", "slug": slug, "public": slug.is_some(),
            "regions": ["nyc3"], "created_at": MADE, "type": kind, "min_disk_size": 15, "size_gigabytes": 2.4,
            "description": "", "tags": [], "status": "available",
        })
    };
    let all = if private {
        world.snapshots.iter().map(|(id, (_, name))| image(*id, name, None, "snapshot")).collect()
    } else {
        IMAGES.iter().zip(1..).map(|(slug, id)| image(id, slug, Some(slug), "base")).collect()
    };
    page(request, "images", all)
}

fn new_firewall(world: &mut World, body: &Value) -> Reply {
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    let used = |tag: &Value| {
        world.droplets.values().any(|d| d.asked["tags"].as_array().is_some_and(|tags| tags.contains(tag)))
    };
    if !tags.iter().all(used) {
        return unfit("tag does not exist");
    }
    let id = format!("bb4b2611-3d72-467b-8602-{:012}", world.next_id());
    let mut firewall = body.clone();
    for (key, value) in [
        ("id", json!(id)),
        ("status", json!("waiting")),
        ("created_at", json!(MADE)),
        ("pending_changes", json!([])),
    ] {
        firewall[key] = value;
    }
    world.firewalls.insert(id, firewall.clone());
    world.guard();
    Reply::new(202, json!({"firewall": firewall}))
}

fn change_firewall(world: &mut World, id: &str, body: &Value) -> Reply {
    let Some(firewall) = world.firewalls.get_mut(id) else { return not_found() };
    for key in ["name", "inbound_rules", "outbound_rules", "tags"] {
        firewall[key] = body[key].clone();
    }
    let firewall = firewall.clone();
    world.guard();
    Reply::new(200, json!({"firewall": firewall}))
}

fn vpc(range: &str) -> Value {
    json!({
        "id": VPC, "name": "default-nyc3", "description": "", "region": "nyc3", "ip_range": range,
        "default": true, "urn": format!("do:vpc:{VPC}"), "created_at": MADE,
    })
}

fn reserved(world: &mut World, request: &Request) -> Reply {
    let all: Vec<(String, Option<u64>)> = world.reserved.iter().map(|(ip, d)| (ip.clone(), *d)).collect();
    let items = all.into_iter().map(|(ip, droplet)| reserved_ip(world, &ip, droplet)).collect();
    page(request, "reserved_ips", items)
}

fn reserved_ip(world: &mut World, ip: &str, droplet: Option<u64>) -> Value {
    let droplet = droplet.map(|id| world.show(id));
    json!({
        "ip": ip, "region": region("nyc3", "New York 3"), "droplet": droplet, "locked": false, "project_id": PROJECT,
    })
}

fn new_reserved(world: &mut World, body: &Value) -> Reply {
    let droplet = body["droplet_id"].as_u64().filter(|id| world.droplets.contains_key(id));
    if droplet.is_none() && body.get("droplet_id").is_some() {
        return unfit("droplet not found");
    }
    let ip = format!("198.51.100.{}", world.next_id() % 250);
    world.reserved.insert(ip.clone(), droplet);
    Reply::new(202, json!({"reserved_ip": reserved_ip(world, &ip, droplet)}))
}

fn assign(world: &mut World, ip: &str, body: &Value) -> Reply {
    if !world.reserved.contains_key(ip) {
        return not_found();
    }
    let mut asked = body.clone();
    asked["ip"] = json!(ip);
    let droplet = body["droplet_id"].as_u64().unwrap_or_default();
    shown(201, &world.act(droplet, "assign", &asked))
}

fn assigned(body: &Value) -> Reply {
    let resource = |urn: &Value| {
        json!({
            "urn": urn, "assigned_at": MADE, "status": "assigned",
            "links": {"self": "https://api.digitalocean.com/v2/droplets/1"},
        })
    };
    let all: Vec<Value> = body["resources"].as_array().into_iter().flatten().map(resource).collect();
    Reply::new(200, json!({"resources": all}))
}
