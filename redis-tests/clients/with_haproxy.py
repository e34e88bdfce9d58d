# SPDX-License-Identifier: MIT
"""HAProxy: its usual check for Redis's master in front of three nodes; clients know HAProxy's address only. See run.py."""
import os
import subprocess
import sys
import tempfile
import time

import redis

from nodes import free_port
from story import pairs, say, step, through

CONFIGURATION = """
defaults
    mode tcp
    retries 0
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    timeout check 2s

frontend clients
    bind 127.0.0.1:%d
    default_backend leader

backend leader
    option tcp-check
    tcp-check send PING\\r\\n
    tcp-check expect string +PONG
    tcp-check send info\\ replication\\r\\n
    tcp-check expect string role:master
    tcp-check send QUIT\\r\\n
    tcp-check expect string +OK
    default-server check inter 100ms fall 1 rise 1 on-marked-down shutdown-sessions
"""


def answered(client):
    """Before its first check HAProxy takes every server for one that is up."""
    until = time.monotonic() + 10
    role = None
    while role != b"master" and time.monotonic() < until:
        try:
            role = client.role()[0]
        except redis.exceptions.RedisError:
            role = None
        time.sleep(0.05)
    return role, b"master"


def written(client):
    client.set("story:key", "value")
    return client.get("story:key"), b"value"


def main():
    addresses = pairs(sys.argv[2:])
    port = free_port({address[1] for address in addresses})
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(CONFIGURATION % port)
        for at, address in enumerate(addresses):
            file.write("    server node%d %s:%d\n" % (at + 1, *address))
        file.flush()
        balancer = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", file.name], stdin=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port, socket_timeout=5)
            step("only the leader is up", lambda: answered(client))
            step("write and read", lambda: written(client))
            through(lambda: client.incr("story:counter"))
            step("the new leader afterwards", lambda: answered(client))
            step("read afterwards", lambda: (client.get("story:key"), b"value"))
        finally:
            balancer.terminate()
            balancer.wait()


main()
