# SPDX-License-Identifier: MIT
"""Counts through redis-py's Sentinel class until a file appears.

usage: sentinel.py <file> <master name> <sentinel port> ...

Says `counting` after the first acknowledged INCR, and in its last line: acknowledged, unknown and refused attempts, the
longest pause between two acknowledgements in milliseconds, and the counter's value as the master has it in the end.
"""
import os
import sys
import time

import redis
from redis.sentinel import MasterNotFoundError, Sentinel, SlaveNotFoundError

KEY = "counter:sentinel"
PATIENCE_S = 30


def attempt(master):
    """'done', 'refused' or 'unknown'."""
    try:
        master.incr(KEY)
        return "done"
    except MasterNotFoundError:
        return "refused"
    except redis.exceptions.ResponseError as error:
        return "unknown" if str(error).startswith("INDOUBT") else "refused"
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
        return "unknown"


def final_value(sentinel, name):
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return int(sentinel.master_for(name).get(KEY))
        except redis.exceptions.RedisError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def main():
    stop, name = sys.argv[1:3]
    sentinel = Sentinel([("127.0.0.1", int(port)) for port in sys.argv[3:]], socket_timeout=2)
    master = sentinel.master_for(name, socket_timeout=5)
    counts = {"done": 0, "refused": 0, "unknown": 0}
    longest = 0.0
    last = time.monotonic()
    while not os.path.exists(stop):
        time.sleep(0.002)
        outcome = attempt(master)
        counts[outcome] += 1
        if outcome != "done":
            continue
        now = time.monotonic()
        longest = max(longest, now - last)
        last = now
        if counts["done"] == 1:
            longest = 0.0
            print("counting", flush=True)
    try:
        replicas = len(sentinel.discover_slaves(name))
        sentinel.slave_for(name).execute_command("READONLY")
    except SlaveNotFoundError:
        replicas = 0
    print("end", counts["done"], counts["unknown"], counts["refused"], int(longest * 1000), final_value(sentinel, name),
          replicas)


main()
