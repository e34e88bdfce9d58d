# SPDX-License-Identifier: MIT
"""Flask-Caching: a cached view and the cache itself, plain and by Sentinel. See run.py."""
import sys

import flask
import flask_caching

from story import pairs, say, step, through_cache


def configuration(way, addresses):
    if way == "sentinel":
        return {"CACHE_TYPE": "RedisSentinelCache", "CACHE_REDIS_SENTINELS": addresses,
                "CACHE_REDIS_SENTINEL_MASTER": "mymaster"}
    return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": addresses[0][0], "CACHE_REDIS_PORT": addresses[0][1]}


def main():
    way, addresses = sys.argv[1], pairs(sys.argv[2:])
    say("version", "%s (Flask %s)" % (flask_caching.__version__, flask.__version__))
    app = flask.Flask("story")
    cache = flask_caching.Cache(app, config=configuration(way, addresses))
    calls = []

    @app.route("/")
    @cache.cached(timeout=60)
    def view():
        calls.append(1)
        return "called %d times" % len(calls)

    def viewed():
        return [app.test_client().get("/").text for _ in range(3)], ["called 1 times"] * 3

    def used():
        cache.set("a", {"b": 1}, timeout=60)
        added = cache.add("a", 2), cache.add("new", 3)
        return (cache.get("a"), added, cache.get_many("a", "new"), cache.delete("new"), cache.has("new")), (
            {"b": 1}, (False, True), [{"b": 1}, 3], True, False)

    with app.app_context():
        step("cached view", viewed)
        step("set, add, get_many, delete", used)
        through_cache(cache)
        step("cached view afterwards", viewed)


main()
