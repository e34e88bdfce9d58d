/* SPDX-License-Identifier: MIT */
/*
 * Whether a thread waits awake: it asks again and again, and lets others run between, where it would sleep until it is woken.
 *
 * To be woken takes as long as a write to a fast disk may: the CPU has gone idle, and on a virtual machine the host must give it back
 * (35 to 85 us where this was measured). A command that goes from the client to the leader, to a follower, to that one's disk and all
 * the way back meets six of those. Asking costs CPU for as long as the wait lasts, so it is done for waits that will be short, as far as
 * the last ones tell:
 *
 *      the last eight of its kind      L L s L L s L L     s: no longer than the time one would stay awake, L: longer
 *                                      two or more were short: stay awake, for that time at most
 *                                      fewer: sleep at once
 *
 * Kinds are told apart by what is under way when the wait begins. One that expects the answer of a disk or of another node is short again
 * and again, while the wait for the next client's command takes as long as the client takes: a thousand commands a second, one after the
 * other, are to cost no CPU between them. (Linux calls it busy polling where a socket is read, and halt polling where a host waits for a
 * guest; the latter grows and shrinks the time by the last wait alone.)
 *
 * Who sleeps learns as well as who stays awake: the length of a wait is known at its end.
 *
 * Where CPU is rationed (a container's quota), what is burnt while waiting is missing when there is work, and the whole process stands still
 * for tens of milliseconds. It shows as a gap between two looks. Whoever finds one sleeps for the next tenth of a second; if there is another
 * soon after that, for twice as long, and so on, at most for 12.8 s. A host that takes its CPU away now and then costs a tenth of a second each time.
 */
#ifndef BUSY_POLL_H
#define BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>

enum busy_poll_kind {
    BUSY_POLL_ANY,     /* nothing that we know of is on its way to us */
    BUSY_POLL_EXPECTS, /* an answer is */
    BUSY_POLL_HOLDS,   /* writers are, for whom an entry is held (gathering.h) */
    BUSY_POLL_KINDS,
};

/* All zeros at the beginning: nothing was short yet. */
struct busy_poll {
    uint8_t recent[BUSY_POLL_KINDS];  /* the last waits: a bit is set when one was short; newest lowest */
    enum busy_poll_kind kind;         /* of the wait under way */
    uint64_t since_us, most_us;       /* its beginning; how long it may be to be short */
    bool awake;                       /* the last look said so */
    uint64_t looked_us;               /* when that was, or the beginning */
    uint64_t rest_us, rests_until_us; /* before, nobody stays awake */
};

/* A wait begins; `most_us` is how long to stay awake, 0: not at all. */
void busy_poll_begin(struct busy_poll *poll, enum busy_poll_kind kind, uint64_t now_us, uint64_t most_us);
/* A look: whether the wait under way is to go on awake. Not asked again once it is not. */
bool busy_poll_pays(struct busy_poll *poll, uint64_t now_us);
/* What was waited for had come at `now_us`. How long one was awake for it, in us. */
uint64_t busy_poll_end(struct busy_poll *poll, uint64_t now_us);

#endif
