# SPDX-License-Identifier: MIT
"""redis-py: plain, RedisCluster and Sentinel. See run.py."""
import sys
import time

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException, WatchError
from redis.sentinel import Sentinel

from story import pairs, say, step, through


def connect(way, addresses):
    if way == "cluster":
        return RedisCluster(startup_nodes=[ClusterNode(*pair) for pair in addresses], socket_timeout=5)
    if way == "sentinel":
        return Sentinel(addresses, socket_timeout=2).master_for("mymaster", socket_timeout=5)
    return redis.Redis(*addresses[0], socket_timeout=5)


def written(client):
    client.set("story:key", b"\x00\r\n\xff", ex=100)
    return client.get("story:key"), b"\x00\r\n\xff"


def hashes(client):
    client.hset("story:hash", mapping={"a": 1, "b": 2})
    return client.hgetall("story:hash"), {b"a": b"1", b"b": b"2"}


def pipelined(client):
    pipe = client.pipeline() if isinstance(client, RedisCluster) else client.pipeline(transaction=False)
    for i in range(100):
        pipe.incr("story:{p}:pipelined")
    return pipe.execute(), list(range(1, 101))


def transaction(client):
    """redis-py's cluster client has no transactions of its own: they are sent to the node that owns the key."""
    if isinstance(client, RedisCluster):
        client = client.get_redis_connection(client.get_node_from_key("story:tx"))
    with client.pipeline() as pipe:
        pipe.watch("story:tx")
        pipe.multi()
        pipe.set("story:tx", 1).incr("story:tx")
        first = pipe.execute()
        pipe.watch("story:tx")
        client.set("story:tx", "other")
        pipe.multi()
        pipe.set("story:tx", "mine")
        try:
            pipe.execute()
            second = "not refused"
        except WatchError:
            second = client.get("story:tx")
    return (first, second), ([True, 2], b"other")


def script(client):
    source = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
    first = client.eval(source, 1, "story:script", 5)
    second = client.evalsha(client.script_load(source), 1, "story:script", 5)
    return (first, second), (5, 10)


def listener(client, way):
    if way == "cluster":
        client = client.get_redis_connection(client.get_primaries()[0])
    listening = client.pubsub(ignore_subscribe_messages=True)
    listening.subscribe("story:channel")
    listening.get_message(timeout=1)
    return listening


def told(client, listening, what):
    until = time.monotonic() + 3
    if isinstance(client, RedisCluster):
        client = client.get_redis_connection(client.get_node_from_key("story:channel"))
    client.publish("story:channel", what)
    while time.monotonic() < until:
        try:
            message = listening.get_message(timeout=0.2)
        except redis.exceptions.ConnectionError:   # said once; the next call connects and subscribes again
            listening.get_message(timeout=1)
            client.publish("story:channel", what)
            continue
        if message is not None:
            return message["data"].decode(), what
    return None, what


class Counter:
    """Some versions' RedisCluster cannot learn the topology anew once a node is gone: then a new one is made."""

    def __init__(self, client, way, addresses):
        self.client, self.way, self.addresses = client, way, addresses

    def increment(self):
        try:
            self.client.incr("story:counter")
        except RedisClusterException:
            self.client = connect(self.way, self.addresses)
            raise


def main():
    way, addresses = sys.argv[1], pairs(sys.argv[2:])
    say("version", redis.__version__)
    client = connect(way, addresses)
    step("write and read", lambda: written(client))
    step("hash", lambda: hashes(client))
    step("scan", lambda: (sorted(client.scan_iter("story:[hk]*")), [b"story:hash", b"story:key"]))
    step("pipeline", lambda: pipelined(client))
    step("transaction and watch", lambda: transaction(client))
    step("script", lambda: script(client))
    listening = listener(client, way)
    step("publish and subscribe", lambda: told(client, listening, "before"))
    counter = Counter(client, way, addresses)
    through(counter.increment)
    client = counter.client
    step("read afterwards", lambda: (client.get("story:key"), b"\x00\r\n\xff"))
    if way == "cluster":
        listening = listener(client, way)
    step("publish afterwards", lambda: told(client, listening, "after"))


main()
