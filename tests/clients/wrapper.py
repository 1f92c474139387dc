"""PyPI's python-docker-machine from a machine's first to its last day: wrapper.py NAME NETWORK"""

import sys
import tempfile

import docker
from machine import Machine

name, network = sys.argv[1:]
dm = Machine()


def same(seen, expected, what):
    if seen != expected:
        sys.exit(f"{what}: {seen!r} and not {expected!r}")


assert dm.version().split(".")[0].isdigit(), dm.version()
same(dm.exists(name), False, "exists before create")
same(dm.create(name, driver="docker", xarg=["--docker-network", network]), 0, "create")
same(dm.exists(name), True, "exists")
same(dm.status(name), True, "status")
same(dm.active(), None, "active")

row = dm.ls()[0]
address = dm.ip(name)
same((row["Name"], row["DriverName"], row["State"]), (name, "docker", "Running"), "ls")
same((row["ActiveHost"], row["ActiveSwarm"], row["Error"]), ("false", "false", ""), "ls")
same((row["URL"], dm.url(name)), (f"tcp://{address}:2376",) * 2, "url")
same(row["ResponseTime"].endswith("s"), True, "response time")

# Docker's own SDK, by what `config` printed.
engine = docker.APIClient(version="auto", **dm.config(name))
same("v" + engine.version()["Version"], row["DockerVersion"], "version")
engine.close()

same(dm.inspect(name)["Driver"]["IPAddress"], address, "inspect")
same(f'DOCKER_MACHINE_NAME="{name}"' in dm.env(name), True, "env")
same(dm.ssh(name, "hostname"), [name], "ssh")
with tempfile.NamedTemporaryFile() as local:
    local.write(b"by scp")
    local.flush()
    dm.scp(local.name, f"{name}:/root/copied")
same(dm.ssh(name, "cat /root/copied"), ["by", "scp"], "scp")
same(dm.regenerate_certs(name), True, "regenerate-certs")
same(dm.status(name), True, "status after regenerate-certs")
same(dm.provision(name), True, "provision")
same(dm.stop(name), True, "stop")
same(dm.status(name), False, "status when stopped")
same(dm.start(name), True, "start")
same(dm.restart(name), True, "restart")
same(dm.kill(name), True, "kill")
same(dm.rm(name), True, "rm")
same(dm.exists(name), False, "exists after rm")
