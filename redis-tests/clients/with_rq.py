# SPDX-License-Identifier: MIT
"""RQ: jobs that a worker works off while the leader is killed; each must be done. See run.py."""
import multiprocessing
import os
import sys
import time

import redis
import rq
from redis.sentinel import Sentinel

from rq.job import Job
from story import pairs, say, step
from with_rq_jobs import add

JOBS = 150


def connect(way, addresses):
    if way == "sentinel":
        return Sentinel(addresses, socket_timeout=2).master_for("mymaster")
    return redis.Redis(*addresses[0])


def queue_on(connection):
    return rq.Queue("story", connection=connection)


def worker(way, addresses, ended):
    """Restarted when it ends of an error, as a supervisor does; `ended` counts."""
    while True:
        try:
            connection = connect(way, addresses)
            rq.SimpleWorker([queue_on(connection)], connection=connection).work(logging_level="ERROR")
        except Exception as error:
            print("worker:", type(error).__name__, error, file=sys.stderr, flush=True)
            ended.value += 1
            time.sleep(0.1)


def enqueue(way, addresses):
    """Jobs whose enqueueing was acknowledged, and how many attempts failed."""
    jobs, failed = [], 0
    queue = queue_on(connect(way, addresses))
    for number in range(JOBS):
        if number == JOBS // 4:
            say("kill")
        try:
            jobs.append((queue.enqueue(add, number, 1), number + 1))
        except Exception as error:
            print("enqueue:", type(error).__name__, error, file=sys.stderr, flush=True)
            failed += 1
            time.sleep(0.1)
        time.sleep(0.01)
    return jobs, failed


def unfinished(connection, jobs, patience_s):
    """Those that are still not done after so long without one that became so."""
    until = time.monotonic() + patience_s
    wrong = jobs
    while wrong and time.monotonic() < until:
        time.sleep(0.3)
        try:
            left = [(job, sum) for job, sum in wrong
                    if Job.fetch(job.id, connection=connection).result != sum]
            if len(left) < len(wrong):
                until = time.monotonic() + patience_s
            wrong = left
        except redis.exceptions.RedisError:
            continue
    return wrong


def finished_in_the_end(connection, jobs):
    """The job that was in the worker's hands when it failed is RQ's to give up: it is enqueued again, as by `rq requeue`."""
    wrong = unfinished(connection, jobs, 6)
    held = len(wrong)
    for job, _ in wrong[:1]:
        queue_on(connection).enqueue_job(job)
    return (held <= 1, len(unfinished(connection, wrong, 10))), (True, 0)


def main():
    way, addresses = sys.argv[1], pairs(sys.argv[2:])
    say("version", rq.version.VERSION)
    ended = multiprocessing.Value("i", 0)
    process = multiprocessing.Process(target=worker, args=(way, addresses, ended), daemon=True)
    process.start()
    connection = connect(way, addresses)
    queue = queue_on(connection)
    step("a job", lambda: (unfinished(connection, [(queue.enqueue(add, 1, 2), 3)], 15), []))
    jobs, failed = enqueue(way, addresses)
    step("most jobs taken", lambda: (len(jobs) >= JOBS - 10, True))
    step("all jobs taken are done through kill -9 (%d, %d refused)" % (len(jobs), failed),
         lambda: finished_in_the_end(connection, jobs))
    if way == "proxy":
        step("nothing was refused, and the worker never ended", lambda: ((failed, ended.value), (0, 0)))
    os.kill(process.pid, 9)
    process.join()


if __name__ == "__main__":
    main()
