#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real clients and applications, each through one story against three real nodes whose leader is killed in the middle.

usage: run.py [name ...]      a part of a name or of a way is enough; all without one

Each story is a program of its own in its client's language. It is started as `program <way> <address> ...`, where way is

    proxy       one address: a node that does not lead, and passes commands on to the one that does
    cluster     three addresses of a Redis Cluster
    sentinel    three addresses of Sentinels, their master is mymaster; sentinel+proxy: for applications that read from
                what the Sentinels call replicas

and tells what it does in lines on its standard output:

    version 4.3.4                       what it is
    ok pipeline                         a step that did what it should
    not script: expected 3, got 2       one that did not
    resends                             the client sends again by itself what was unanswered: one increment may count twice
    kill                                the leader is to be killed now; half a second later it is
    through 310 1 640 3                 it counted story:counter up meanwhile: acknowledged, failed, longest pause
                                        and time since the last acknowledgement, in ms

A story passes when it ends with 0, says no `not`, lives through the kill and goes on afterwards, and the new leader has
every acknowledged increment and no more than were tried. What a story needs is installed first; where it cannot be had the story
is skipped, in words. By a proxy no increment may fail: its node stays. The last line is `N passed, N failed, N skipped`.
"""
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from nodes import Nodes, ask

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BINARY = os.environ.get("REDRAFT") or "build/redraft"
BUILD = os.path.join(TOP, "build", "clients")
PYTHON = "/usr/bin/python3"   # Debian's own: it sees Debian's packages
LIMIT_S = 120
KILL_AFTER_S = 0.5
PAUSE_MAX_MS = 5000
SILENCE_MAX_MS = 1500

ALL = ("proxy", "cluster", "sentinel")

# name, Debian packages ("npm": those of package.json too), how it is made (or None), how it is started, ways
STORIES = [
    ("redis-cli", ["redis-tools"], None, ["bash", "redis_cli.sh"], ["proxy", "cluster"]),
    ("redis-benchmark", ["redis-tools"], None, ["bash", "redis_benchmark.sh"], ["proxy", "cluster"]),
    ("redis-py", ["python3-redis"], None, [PYTHON, "redis_py.py"], ALL),
    ("node-redis", ["npm"], None, ["node", "node_redis.js"], ALL),
    ("ioredis", ["npm"], None, ["node", "ioredis.js"], ALL),
    ("valkey-glide", ["npm"], None, ["node", "valkey_glide.js"], ["cluster"]),
    ("phpredis", ["php-cli", "php-redis"], None, ["php", "phpredis.php"], ALL),
    ("redis-rb", ["ruby", "ruby-redis"], None, ["ruby", "redis_rb.rb"], ALL),
    ("Perl Redis", ["perl", "libredis-perl"], None, ["perl", "perl_redis.pl"], ["proxy", "sentinel"]),
    ("hiredis", ["gcc", "libhiredis-dev"], ["gcc", "-Wall", "-Wextra", "-o", BUILD + "/hiredis", "hiredis.c", "-lhiredis"],
     [BUILD + "/hiredis"], ["proxy", "cluster"]),
    ("redigo", ["golang-go", "golang-github-gomodule-redigo-dev"],
     ["go", "build", "-o", BUILD + "/redigo", "redigo.go"], [BUILD + "/redigo"], ["proxy"]),
    ("RQ", ["python3-rq"], None, [PYTHON, "with_rq.py"], ["proxy", "sentinel"]),
    ("Celery", ["python3-redis", "python3-celery"], None, [PYTHON, "with_celery.py"], ["proxy", "sentinel"]),
    ("django-redis", ["python3-django-redis"], None, [PYTHON, "with_django.py"], ["proxy", "sentinel+proxy"]),
    ("Flask-Caching", ["python3-redis", "python3-flask-caching"], None, [PYTHON, "with_flask.py"],
     ["proxy", "sentinel+proxy"]),
    ("connect-redis", ["npm"], None, ["node", "with_connect_redis.js"], ALL),
    ("rate-limit-redis", ["npm"], None, ["node", "with_rate_limit.js"], ["proxy", "cluster"]),
    ("redlock", ["npm"], None, ["node", "with_redlock.js"], ["proxy", "cluster"]),
    ("redis_exporter", ["prometheus-redis-exporter"], None, [PYTHON, "with_exporter.py"], ["cluster"]),
    ("HAProxy", ["python3-redis", "haproxy"], None, [PYTHON, "with_haproxy.py"], ["cluster"]),
]


# ---- what a story needs ---------------------------------------------------------------------------------------

def succeeds(*command, **options):
    """None, or the last line of what it said."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=600, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stdout.strip().splitlines() or ["it failed"])[-1]


def install_debian(packages):
    """It may ask whether it shall, and so it speaks for itself."""
    done = subprocess.run([os.path.join(TOP, ".ci", "setup"), *packages])
    return None if done.returncode == 0 else "not to be had: " + " ".join(packages)


def install_npm():
    os.makedirs(BUILD, exist_ok=True)
    wanted = os.path.join(BUILD, "package.json")
    source = os.path.join(HERE, "package.json")
    if os.path.exists(wanted) and open(wanted).read() == open(source).read():
        return None
    if shutil.which("npm") is None:
        reason = install_debian(["nodejs", "npm"])
        if reason is not None:
            return reason
    shutil.copy(source, wanted)
    reason = succeeds("npm", "install", "--no-audit", "--no-fund", cwd=BUILD)
    if reason is not None:
        os.remove(wanted)
    return reason


def install(packages):
    debian = [name for name in packages if name != "npm"]
    reason = install_debian(debian) if debian else None
    return reason if reason is not None or "npm" not in packages else install_npm()


# ---- one story --------------------------------------------------------------------------------------------------

class Told:
    """What a story said, and what is wrong with it."""

    def __init__(self):
        self.version = None
        self.steps = []
        self.wrong = []
        self.through = None
        self.resends = 0
        self.killed = False
        self.after_kill = False

    def take(self, line):
        word, _, rest = line.partition(" ")
        if word == "version":
            self.version = rest
        elif word == "ok":
            self.steps.append(rest)
            self.after_kill = self.killed
        elif word == "not":
            self.wrong.append(rest)
        elif word == "resends":
            self.resends = 1
        elif word == "through":
            self.through = [int(number) for number in rest.split()]
            self.steps.append("kill -9 (%d acknowledged, %d failed, pause %d ms)" % tuple(self.through[:3]))
            self.after_kill = self.killed
        else:
            return False
        return True

    def judge_through(self, value, way):
        acknowledged, failed, pause, silence = self.through
        if way == "proxy" and failed > 0:
            self.wrong.append("%d increments failed behind a proxy that stays" % failed)
        if not acknowledged <= value <= acknowledged + failed + self.resends:
            self.wrong.append("%d increments were acknowledged and %d failed, but the counter is %d"
                              % (acknowledged, failed, value))
        if pause > PAUSE_MAX_MS or silence > SILENCE_MAX_MS:
            self.wrong.append("it did not go on: longest pause %d ms, last acknowledgement %d ms ago" % (pause, silence))


def addresses(nodes, way):
    ports = {"proxy": [nodes.ports[nodes.follower()]], "cluster": nodes.ports, "sentinel": nodes.sentinels}[way]
    return ["127.0.0.1:%d" % port for port in ports]


def reader(stream, lines):
    for line in stream:
        lines.put(line.rstrip("\n"))
    lines.put(None)


def listen(process, nodes, told, rest):
    lines = queue.Queue()
    threading.Thread(target=reader, args=(process.stdout, lines), daemon=True).start()
    until = time.monotonic() + LIMIT_S
    while True:
        try:
            line = lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            told.wrong.append("it had not ended after %d s" % LIMIT_S)
            return
        if line is None:
            break
        if line == "kill":
            time.sleep(KILL_AFTER_S)
            nodes.kill_leader()
            told.killed = True
        elif not told.take(line):
            rest.append(line)
    if process.wait() != 0:
        told.wrong.append("it ended with %d" % process.returncode)


def run(command, way):
    """What it told, and the last lines of what else it said."""
    told, rest = Told(), []
    nodes = Nodes(os.path.abspath(os.path.join(TOP, BINARY)), way)
    process = None
    label, way = way, way.split("+")[0]
    environment = dict(os.environ, NODE_PATH=os.path.join(BUILD, "node_modules"), PYTHONDONTWRITEBYTECODE="1")
    try:
        process = subprocess.Popen(command + [way] + addresses(nodes, way), cwd=HERE, env=environment, text=True,
                                   errors="replace", start_new_session=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        listen(process, nodes, told, rest)
        if told.through is not None:
            told.judge_through(int(ask(nodes.ports[nodes.wait_leader()], "GET", "story:counter")), label)
        if not told.after_kill:
            told.wrong.append("it did not come to an end after the leader's death")
    finally:
        if process is not None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        nodes.end()
    return told, rest[-12:]


# ---- all of them --------------------------------------------------------------------------------------------------

def chosen(name, way):
    words = sys.argv[1:]
    label = (name + " " + way).lower()
    return not words or any(word.lower() in label for word in words)


def debian_version(package):
    """Without epoch and Debian's own part."""
    told = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True).stdout
    return re.sub(r"^[0-9]+:|[-+~].*$", "", told)


def tell(name, packages, command, way):
    told, rest = run(command, way)
    label = "%s %s, %s" % (name, told.version or debian_version(packages[-1]), way)
    print("%-7s %s: %s" % ("failed" if told.wrong else "passed", label, ", ".join(told.steps)), flush=True)
    for line in told.wrong:
        print("        not so: " + line)
    if told.wrong:
        for line in rest:
            print("        | " + line)
    sys.stdout.flush()
    return not told.wrong


def main():
    os.makedirs(BUILD, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    passed = failed = skipped = 0
    for name, packages, making, command, ways in STORIES:
        ways = [way for way in ways if chosen(name, way)]
        if not ways:
            continue
        reason = install(packages) or (succeeds(*making, cwd=HERE, env=dict(os.environ, GO111MODULE="off",
                                       GOPATH="/usr/share/gocode", GOFLAGS="")) if making else None)
        if reason is not None:
            for way in ways:
                print("skipped %s, %s: %s" % (name, way, reason), flush=True)
            skipped += len(ways)
            continue
        for way in ways:
            if tell(name, packages, command, way):
                passed += 1
            else:
                failed += 1
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
