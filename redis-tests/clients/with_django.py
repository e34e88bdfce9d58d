# SPDX-License-Identifier: MIT
"""django-redis: Django's cache and sessions. See run.py."""
import sys

import django
import django_redis
from django.conf import settings

from story import pairs, say, step, through_cache


def caches(way, addresses):
    options = {"CLIENT_CLASS": "django_redis.client.DefaultClient", "SOCKET_TIMEOUT": 5}
    location = "redis://%s:%d/1" % addresses[0]
    if way == "sentinel":
        options = {"CLIENT_CLASS": "django_redis.client.SentinelClient", "SENTINELS": addresses,
                   "CONNECTION_POOL_CLASS": "redis.sentinel.SentinelConnectionPool"}
        location = "redis://mymaster/1"
    return {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}}


def session_kept():
    from django.contrib.sessions.backends.cache import SessionStore
    store = SessionStore()
    store["user"] = 7
    store.save()
    return SessionStore(store.session_key)["user"], 7


def many(cache):
    cache.set_many({"a": 1, "b": [2]}, timeout=60)
    return cache.get_many(["a", "b", "c"]), {"a": 1, "b": [2]}


def counted(cache):
    cache.set("count", 1)
    got = cache.incr("count"), cache.decr("count", 2), cache.add("count", 9), cache.touch("count", 50)
    return got, (2, 0, False, True)


def locked(cache):
    with cache.lock("story-lock", timeout=5):
        again = cache.lock("story-lock", timeout=5).acquire(blocking=False)
    return again, False


def deleted(cache):
    return (cache.delete_pattern("[ab]"), cache.get("a")), (2, None)


def main():
    way, addresses = sys.argv[1], pairs(sys.argv[2:])
    factory = "SentinelConnectionFactory" if way == "sentinel" else "ConnectionFactory"
    settings.configure(DJANGO_REDIS_CONNECTION_FACTORY="django_redis.pool." + factory, CACHES=caches(way, addresses),
                       SESSION_ENGINE="django.contrib.sessions.backends.cache", SECRET_KEY="of a story")
    django.setup()
    from django.core.cache import cache
    say("version", "%s (Django %s)" % (django_redis.__version__, django.get_version()))
    step("set_many and get_many", lambda: many(cache))
    step("incr, add, touch", lambda: counted(cache))
    step("lock", lambda: locked(cache))
    step("session", session_kept)
    step("delete_pattern", lambda: deleted(cache))
    through_cache(cache)
    step("session afterwards", session_kept)
    step("many afterwards", lambda: many(cache))


main()
