/* SPDX-License-Identifier: MIT */
/* Many calls in one: with a ring and without, each has the result that the call alone would have, and no client notices the difference. */
#include "net_client_world.h"

#include "../src/net/internal.h"

enum { PAIRS = BATCH_MAX };

struct pairs {
    struct batch *batch; /* NULL: one by one */
    int ours[PAIRS], theirs[PAIRS];
};

/* The kernel may refuse it: then there is nothing to be tested that the other half does not. */
static struct pairs *pairs_new(bool ring) {
    struct pairs *p = calloc(1, sizeof *p);
    p->batch = ring ? batch_new(false) : NULL;
    if (ring && !p->batch)
        skip();
    for (int i = 0; i < PAIRS; i++) {
        int both[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
        p->ours[i] = both[0];
        p->theirs[i] = both[1];
    }
    return p;
}

static void pairs_free(struct pairs *p) {
    batch_free(p->batch);
    for (int i = 0; i < PAIRS; i++) {
        close(p->ours[i]);
        if (p->theirs[i] >= 0)
            close(p->theirs[i]);
    }
    free(p);
}

static void each_has_its_own_result(bool ring) {
    struct pairs *p = pairs_new(ring);
    struct batch_call calls[PAIRS];
    static char bytes[PAIRS][64];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PAIRS; i++) {
            snprintf(bytes[i], sizeof bytes[i], "%d of round %d", i, round);
            calls[i] = (struct batch_call){
                .fd = p->ours[i], .sends = true, .bytes = bytes[i], .length = strlen(bytes[i])};
        }
        batch_run(p->batch, calls, PAIRS);
        for (int i = 0; i < PAIRS; i++)
            assert_int_equal(calls[i].result, strlen(bytes[i]));
        for (int i = 0; i < PAIRS; i++)
            calls[i] =
                (struct batch_call){.fd = p->theirs[i], .bytes = bytes[i], .length = sizeof bytes[i] - 1};
        batch_run(p->batch, calls, PAIRS);
        for (int i = 0; i < PAIRS; i++) {
            char wanted[64];
            int length = snprintf(wanted, sizeof wanted, "%d of round %d", i, round);
            assert_int_equal(calls[i].result, length);
            assert_memory_equal(bytes[i], wanted, (size_t)length);
        }
    }
    pairs_free(p);
}

/* Nothing to read, the end, nobody to write to, no descriptor, no more room: each at once, beside one that succeeds. */
static void none_of_them_waits(bool ring) {
    enum { BIG = 16 << 20 };
    struct pairs *p = pairs_new(ring);
    char *big = calloc(1, BIG), byte = 'x';
    close(p->theirs[1]);
    close(p->theirs[2]);
    p->theirs[1] = p->theirs[2] = -1;
    struct batch_call calls[] = {
        {.fd = p->ours[0], .bytes = &byte, .length = 1},
        {.fd = p->ours[1], .bytes = &byte, .length = 1},
        {.fd = p->ours[2], .sends = true, .bytes = &byte, .length = 1},
        {.fd = -1, .sends = true, .bytes = &byte, .length = 1},
        {.fd = p->ours[3], .sends = true, .bytes = big, .length = BIG},
        {.fd = p->ours[3], .sends = true, .bytes = big, .length = BIG},
        {.fd = p->ours[4], .sends = true, .bytes = &byte, .length = 1},
    };
    batch_run(p->batch, calls, sizeof calls / sizeof *calls);
    assert_int_equal(calls[0].result, -EAGAIN);
    assert_int_equal(calls[1].result, 0);
    assert_int_equal(calls[2].result, -EPIPE); /* and no SIGPIPE */
    assert_int_equal(calls[3].result, -EBADF);
    assert_in_range(calls[4].result, 1, BIG - 1);
    assert_int_equal(calls[5].result, -EAGAIN); /* in order: the one before has filled it */
    assert_int_equal(calls[6].result, 1);
    free(big);
    pairs_free(p);
}

static void each_has_its_own_result_in_a_ring(void **state) {
    (void)state;
    each_has_its_own_result(true);
}

static void each_has_its_own_result_one_by_one(void **state) {
    (void)state;
    each_has_its_own_result(false);
}

static void none_of_them_waits_in_a_ring(void **state) {
    (void)state;
    none_of_them_waits(true);
}

static void none_of_them_waits_one_by_one(void **state) {
    (void)state;
    none_of_them_waits(false);
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

/* More than a share each, in lines that are heard again in their order. One has ended its half, one is gone. */
static void many_are_heard_and_answered(bool ring) {
    enum { COUNT = 80, LINES = 3000, LENGTH = 12 };
    struct net_options options = usual;
    options.io_uring = ring ? NET_RING_YES : NET_RING_NO;
    struct fixture *f = start(&options);
    int fds[COUNT];
    static char said[LINES * LENGTH + 1], heard[LINES * (LENGTH + 1) + 1];
    for (int i = 0; i < COUNT; i++)
        fds[i] = dial(f->port);
    TURNS_UNTIL(f, counters(f).clients == COUNT);
    for (int i = 0; i < COUNT; i++) {
        for (int line = 0; line < LINES; line++)
            snprintf(said + line * LENGTH, LENGTH + 1, "%03d %07d\n", i, line);
        say(fds[i], said);
    }
    shutdown(fds[0], SHUT_WR);
    close(fds[1]);
    for (int i = 0; i < COUNT; i++) {
        if (i == 1)
            continue;
        assert_int_equal(hear(f, fds[i], heard, sizeof heard - 1), sizeof heard - 1);
        for (int line = 0; line < LINES; line++) {
            char wanted[LENGTH + 2];
            snprintf(wanted, sizeof wanted, "+%03d %07d\n", i, line);
            assert_memory_equal(heard + line * (LENGTH + 1), wanted, LENGTH + 1);
        }
    }
    TURNS_UNTIL(f, counters(f).clients == COUNT - 2);
    struct batch *probe = batch_new(false);
    assert_int_equal(counters(f).io_uring, ring && probe);
    batch_free(probe);
    for (int i = 2; i < COUNT; i++)
        close(fds[i]);
    close(fds[0]);
    stop(f);
}

static void many_are_heard_and_answered_in_a_ring(void **state) {
    (void)state;
    many_are_heard_and_answered(true);
}

static void many_are_heard_and_answered_one_by_one(void **state) {
    (void)state;
    many_are_heard_and_answered(false);
}

static unsigned active(struct fixture *f, enum net_ring wanted) {
    struct net_options options = usual;
    int fds[2];
    options.io_uring = wanted;
    net_set_options(f->net, &options);
    for (int i = 0; i < 2; i++)
        fds[i] = dial(f->port);
    TURNS_UNTIL(f, counters(f).clients == 2);
    for (int i = 0; i < 2; i++)
        say(fds[i], "x\n");
    f->takes = 0;
    TURNS_UNTIL(f, f->takes >= 2);
    for (int i = 0; i < 2; i++)
        assert_heard(f, fds[i], "+x\n");
    unsigned now = counters(f).io_uring;
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    TURNS_UNTIL(f, counters(f).clients == 0);
    return now;
}

/* What was decided once is decided anew when the setting changes. Whether it pays here nobody but the machine can tell. */
static void the_setting_is_obeyed_while_clients_are_there(void **state) {
    struct fixture *f = start(&usual);
    struct batch *any = batch_new(false);
    (void)state;
    assert_int_equal(active(f, NET_RING_YES), any != NULL);
    assert_int_equal(active(f, NET_RING_NO), 0);
    assert_in_range(active(f, NET_RING_AUTO), 0, any != NULL);
    assert_int_equal(active(f, NET_RING_YES), any != NULL);
    batch_free(any);
    stop(f);
}

/* Reading waits for the end of the poll's callbacks, and not for the next poll. */
static void who_has_said_something_is_read_from_in_the_same_turn(void **state) {
    enum { COUNT = 100 };
    struct fixture *f = start(&usual);
    int fds[COUNT];
    (void)state;
    for (int i = 0; i < COUNT; i++)
        fds[i] = dial(f->port);
    TURNS_UNTIL(f, counters(f).clients == COUNT);
    turns(f, 2);
    for (int i = 0; i < COUNT; i++)
        say(fds[i], "x\n");
    f->takes = 0;
    ev_run(f->loop, EVRUN_ONCE);
    node_turn(f);
    assert_in_range(f->takes, 64, COUNT); /* of those that one look at epoll shows */
    TURNS_UNTIL(f, f->takes >= COUNT);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_own_result_in_a_ring),
        cmocka_unit_test(each_has_its_own_result_one_by_one),
        cmocka_unit_test(none_of_them_waits_in_a_ring),
        cmocka_unit_test(none_of_them_waits_one_by_one),
        cmocka_unit_test(many_are_heard_and_answered_in_a_ring),
        cmocka_unit_test(many_are_heard_and_answered_one_by_one),
        cmocka_unit_test(the_setting_is_obeyed_while_clients_are_there),
        cmocka_unit_test(who_has_said_something_is_read_from_in_the_same_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
