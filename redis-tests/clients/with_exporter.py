# SPDX-License-Identifier: MIT
"""prometheus-redis-exporter: scrapes all three nodes, also when one is dead. See run.py."""
import subprocess
import sys
import time
import urllib.request

from nodes import free_port
from story import pairs, say, step

WANTED = ("redis_up", "redis_connected_clients", "redis_memory_used_bytes", "redis_commands_processed_total",
          "redis_cluster_enabled", "redis_instance_info", "redis_cluster_state", "redis_cluster_raft_current_term")


def scrape(port, address):
    """Names and values of the metrics."""
    url = "http://127.0.0.1:%d/scrape?target=redis://%s:%d" % (port, *address)
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return dict((line.split("{")[0].split()[0], line.split()[-1]) for line in lines if line and line[0] != "#")


def all_scraped(port, addresses):
    until = time.monotonic() + 5
    while True:
        try:
            metrics = [scrape(port, address) for address in addresses]
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    missing = [name for name in WANTED if any(name not in metric for metric in metrics)]
    return (missing, [metric["redis_up"] for metric in metrics]), ([], ["1"] * len(addresses))


def left(port, addresses):
    """One of the three is dead, and the others go on being scraped."""
    time.sleep(2)
    up = sorted(scrape(port, address).get("redis_up") for address in addresses)
    return up, ["0", "1", "1"]


def main():
    addresses = pairs(sys.argv[2:])
    port = free_port({address[1] for address in addresses})
    exporter = subprocess.Popen(["prometheus-redis-exporter", "-web.listen-address", "127.0.0.1:%d" % port, "-is-cluster"],
                                stdin=subprocess.DEVNULL)
    try:
        step("scrape of every node, with cluster_raft_*", lambda: all_scraped(port, addresses))
        say("kill")
        step("kill -9: the dead one is down, the others are up", lambda: left(port, addresses))
    finally:
        exporter.terminate()
        exporter.wait()


main()
