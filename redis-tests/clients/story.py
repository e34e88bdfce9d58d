# SPDX-License-Identifier: MIT
"""How a story in Python tells what it does: see run.py."""
import sys
import time

THROUGH_S = 4.0


def say(*words):
    print(*words, flush=True)


def step(name, check):
    """check() returns what came and what should have come."""
    try:
        got, wanted = check()
    except Exception as error:   # whatever a client raises is the story's to tell
        say("not %s: %s: %s" % (name, type(error).__name__, str(error).replace("\n", " ")))
        return
    say("ok " + name if got == wanted else "not %s: expected %r, got %r" % (name, wanted, got))


def attempts(increment):
    """Calls it while the leader is killed: how often it returned, how often it raised, longest pause, time since the last
    return, in ms."""
    say("kill")
    acknowledged = failed = 0
    pause = 0.0
    last = start = time.monotonic()
    while time.monotonic() - start < THROUGH_S:
        try:
            increment()
        except Exception as error:
            failed += 1
            print("attempt:", type(error).__name__, error, file=sys.stderr)
            time.sleep(0.02)
            continue
        acknowledged += 1
        now = time.monotonic()
        pause = max(pause, now - last)
        last = now
        time.sleep(0.01)
    return acknowledged, failed, int(pause * 1000), int((time.monotonic() - last) * 1000)


def through(increment):
    """Counts story:counter up meanwhile; increment() returns when it is acknowledged."""
    say("through", *attempts(increment))


def through_cache(cache):
    """The same for those that keep values under names of their own: what was set must be there at once."""
    def keep():
        cache.set("kept", 7, timeout=60)
        if cache.get("kept") != 7:
            raise ValueError("a value was not kept")

    kept, failed, pause, silence = attempts(keep)
    step("kill -9 (%d values kept, %d attempts failed, pause %d ms)" % (kept, failed, pause), lambda: (silence < 1500 and (failed == 0 or sys.argv[1] != "proxy"), True))


def pairs(addresses):
    return [(host, int(port)) for host, port in (address.split(":") for address in addresses)]
