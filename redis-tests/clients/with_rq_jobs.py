# SPDX-License-Identifier: MIT
"""What the workers of with_rq.py do: they import it by name."""
from rq.job import Job


class JobWithoutStreams(Job):
    """Where the server is younger than Redis 5, RQ keeps results in a stream, which redraft does not have."""
    supports_redis_streams = False


def add(a, b):
    return a + b
