"""What cloud-init itself makes of user-data: reads them on standard input, prints the merged config and the scripts."""
import json
import sys
import tempfile

from cloudinit import helpers, user_data
from cloudinit.config import schema
from cloudinit.handlers.cloud_config import CloudConfigPartHandler

paths = helpers.Paths({"cloud_dir": tempfile.mkdtemp(), "run_dir": tempfile.mkdtemp()})
message = user_data.UserDataProcessor(paths).process(sys.stdin.buffer.read())
config = CloudConfigPartHandler(paths)
scripts = []
for part in message.walk():
    if part.is_multipart():
        continue
    kind = part.get_content_type()
    payload = part.get_payload(decode=True).decode()
    if kind == "text/cloud-config":
        config.handle_part(None, kind, part.get_filename(), payload, None, dict(part))
    else:
        scripts.append([kind, payload])
merged = dict(config.cloud_buf or {})
merged.pop("merge_how", None)
schema.validate_cloudconfig_schema(merged, strict=True)
json.dump({"config": merged, "scripts": scripts}, sys.stdout)
