"""Reads a seed's files as cloud-init does: prints the addresses that the cards get, by their hardware addresses."""

import json
import sys

from cloudinit import util
from cloudinit.config.schema import get_schema, validate_cloudconfig_schema
from cloudinit.net.network_state import parse_net_config_data

folder = sys.argv[1]
seed = util.pathprefix2dict(
    folder, required=["user-data", "meta-data"], optional=["vendor-data", "network-config"]
)
for part in ("user-data", "vendor-data"):
    validate_cloudconfig_schema(util.load_yaml(seed[part]), schema=get_schema(), strict=True)
meta = util.load_yaml(seed["meta-data"])
state = parse_net_config_data(util.load_yaml(seed["network-config"]))
cards = {}
for card in state.iter_interfaces():
    subnets = ["/".join(str(s[k]) for k in ("address", "prefix") if k in s) or s["type"] for s in card["subnets"]]
    cards[card.get("mac_address") or card["name"]] = subnets
print(json.dumps({"host": meta["local-hostname"], "id": meta["instance-id"], "cards": cards}))
