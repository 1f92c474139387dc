"""Unpacks from Ansible's wheel the collections that the inventory of docker-machine's machines is made of."""

import glob
import sys
import zipfile

KEPT = ("community/docker/", "community/library_inventory_filtering_v1/")

clients = sys.argv[1]
with zipfile.ZipFile(glob.glob(f"{clients}/wheels/ansible-*.whl")[0]) as wheel:
    for name in wheel.namelist():
        if name.removeprefix("ansible_collections/").startswith(KEPT):
            wheel.extract(name, f"{clients}/collections")
