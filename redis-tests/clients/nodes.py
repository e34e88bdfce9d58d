# SPDX-License-Identifier: MIT
"""Three redraft nodes on free ports of 127.0.0.1, in a directory of their own."""
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PORTS = (21000, 31000)
PATIENCE_S = 15


def free_port(taken):
    while True:
        port = random.randrange(*PORTS)
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        taken.add(port)
        return port


def ask(port, *words):
    """The reply's bytes as they came, when it is a bulk string its text; None when nobody answers."""
    request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(request)
            stream = connection.makefile("rb")
            first = stream.readline()
            if first.startswith(b"$") and int(first[1:]) >= 0:
                return stream.read(int(first[1:])).decode()
            return first.decode().rstrip()
    except OSError:
        return None


class Nodes:
    """`way` says how clients are to find the leader: proxy, cluster, sentinel, or sentinel+proxy."""

    def __init__(self, binary, way):
        self.directory = tempfile.mkdtemp(prefix="redraft-clients-")
        taken = set()
        self.ports = [free_port(taken) for _ in range(3)]
        self.sentinels = [free_port(taken) for _ in range(3)]
        self.processes = []
        try:
            for at in range(3):
                self.processes.append(self.start(binary, way, at))
            self.wait_healthy()
        except BaseException:
            self.end()
            raise

    def start(self, binary, way, at):
        here = os.path.join(self.directory, "node%d" % (at + 1))
        lines = ["port %d" % self.ports[at], "bind 127.0.0.1", "dir %s" % here, "raft-id %d" % (at + 1)]
        lines += ["raft-node %d 127.0.0.1:%d" % (i + 1, port) for i, port in enumerate(self.ports)]
        if "proxy" in way:
            lines.append("raft-follower-mode proxy")
        if "sentinel" in way:
            lines.append("sentinel-port %d" % self.sentinels[at])
        with open(here + ".conf", "w") as file:
            file.write("\n".join(lines) + "\n")
        with open(here + ".log", "w") as log:
            return subprocess.Popen([binary, here + ".conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def leader(self):
        """Which of the three serves as leader, or None."""
        for at, port in enumerate(self.ports):
            if self.processes[at].poll() is None and "role:master" in (ask(port, "INFO", "replication") or ""):
                return at
        return None

    def follower(self):
        leader = self.leader()
        return next(at for at in range(3) if at != leader and self.processes[at].poll() is None)

    def wait_healthy(self):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            leader = self.leader()
            if leader is not None and "health:ok" in ask(self.ports[leader], "RAFT.INFO"):
                return
            time.sleep(0.05)
        raise RuntimeError("no healthy cluster within %d s: see %s" % (PATIENCE_S, self.directory))

    def wait_leader(self):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            leader = self.leader()
            if leader is not None:
                return leader
            time.sleep(0.05)
        raise RuntimeError("nobody leads after %d s" % PATIENCE_S)

    def kill_leader(self):
        leader = self.wait_leader()
        self.processes[leader].send_signal(signal.SIGKILL)
        self.processes[leader].wait()

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
