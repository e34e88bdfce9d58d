# SPDX-License-Identifier: MIT
"""Celery, with broker and results: tasks that a worker works off while the leader is killed. See run.py.

Started as `with_celery.py <way> <address> ...` it is the story, and starts the worker, which imports it by name.
"""
import os
import subprocess
import sys
import threading
import time

import celery

TASKS = 120


def configured():
    way, addresses = os.environ["STORY_WAY"], os.environ["STORY_ADDRESSES"].split()
    app = celery.Celery("with_celery")
    if way == "sentinel":
        app.conf.broker_url = app.conf.result_backend = ";".join("sentinel://%s/0" % address for address in addresses)
        app.conf.result_backend_transport_options = {"master_name": "mymaster"}
    else:
        app.conf.broker_url = "redis://%s/0" % addresses[0]
        app.conf.result_backend = "redis://%s/1" % addresses[0]
    app.conf.task_acks_late = True   # a task whose worker is lost is given out again, after visibility_timeout
    app.conf.broker_transport_options = {"master_name": "mymaster", "visibility_timeout": 2}
    return app


if "STORY_WAY" not in os.environ:
    os.environ["STORY_WAY"], os.environ["STORY_ADDRESSES"] = sys.argv[1], " ".join(sys.argv[2:])
app = configured()


@app.task
def add(a, b):
    return a + b


class Worker:
    """Celery's own, started again when it ends of an error reply, as a supervisor does."""

    def __init__(self):
        self.wanted = True
        self.starts = 0
        self.process = None
        self.thread = threading.Thread(target=self.supervise)
        self.thread.start()

    def supervise(self):
        while self.wanted:
            self.starts += 1
            self.process = subprocess.Popen([sys.executable, "-m", "celery", "-A", "with_celery", "worker", "--pool", "solo",
                                             "-l", "ERROR"], stdin=subprocess.DEVNULL)
            self.process.wait()
            time.sleep(0.2)

    def end(self):
        self.wanted = False
        self.process.kill()
        self.thread.join()


def worked_off(results, patience_s):
    """How many are not done after so long without one that became so."""
    until = time.monotonic() + patience_s
    missing = results
    while missing and time.monotonic() < until:
        left = []
        for result, wanted in missing:
            try:
                if app.AsyncResult(result).result != wanted:
                    left.append((result, wanted))
            except Exception as error:
                print("result:", type(error).__name__, error, file=sys.stderr, flush=True)
                left.append((result, wanted))
        if len(left) < len(missing):
            until = time.monotonic() + patience_s
        missing = left
        time.sleep(0.2)
    return len(missing), 0


def main():
    from story import say, step
    say("version", celery.__version__)
    worker = Worker()
    step("a task", lambda: worked_off([(add.delay(1, 2).id, 3)], 20))
    results, refused = [], 0
    for number in range(TASKS):
        if number == TASKS // 4:
            say("kill")
        try:
            results.append((add.apply_async((number, 1), retry=False).id, number + 1))
        except Exception as error:
            print("send:", type(error).__name__, error, file=sys.stderr, flush=True)
            refused += 1
            time.sleep(0.1)
        time.sleep(0.02)
    step("most tasks taken", lambda: (len(results) >= TASKS - 20, True))
    step("all tasks taken are done through kill -9 (%d, %d refused)" % (len(results), refused),
         lambda: worked_off(results, 20))
    if sys.argv[1] == "proxy":
        step("nothing was refused, and the worker never ended", lambda: ((refused, worker.starts), (0, 1)))
    worker.end()


if __name__ == "__main__":
    main()
