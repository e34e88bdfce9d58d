/* SPDX-License-Identifier: MIT */
/*
 * Clients, over real sockets on the loopback. The node is replaced by the smallest thing that answers: each
 * whole line that came is sent back behind a '+'; a line "hold" or "free" or "close" does what it says.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../src/net/net.h"

struct fixture {
    struct ev_loop *loop;
    struct net *net;
    struct ev_timer wake; /* so that no wait is for ever */
    unsigned port;
    uint64_t skip_ms;    /* added to the clock that the flush is told */
    bool deaf;           /* clients' input is left where it is */
    bool keep_gone;      /* gone clients are not freed */
    bool all_peers;      /* clients are let in as peers */
    unsigned takes;      /* clients taken */
    unsigned gone_count; /* clients that were seen to be gone */
    char why[128];       /* why the last one was */
};

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_wake(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)watcher, (void)events;
}

static const struct net_options usual = {
    .clients_max = 2000, .peers_reserved = 8, .backlog = 511, .keepalive_s = 300, .in_bytes_max = 1 << 20};

static struct fixture *start(const struct net_options *options) {
    char why[NET_WHY_MAX] = "";
    struct fixture *f = calloc(1, sizeof *f);
    f->loop = ev_loop_new(EVFLAG_AUTO);
    f->net = net_new(f->loop, options);
    if (!net_listen(f->net, "127.0.0.1", 0, why))
        fail_msg("%s", why);
    f->port = net_port(f->net);
    ev_timer_init(&f->wake, on_wake, 0.02, 0.02);
    ev_timer_start(f->loop, &f->wake);
    return f;
}

static void stop(struct fixture *f) {
    net_free(f->net);
    ev_timer_stop(f->loop, &f->wake);
    ev_loop_destroy(f->loop);
    free(f);
}

/* The answers to the whole lines in `in`; true when the client was freed. */
static bool answer(struct client *client) {
    for (;;) {
        size_t length = resp_buf_length(&client->in);
        const char *line = length > 0 ? resp_buf_bytes(&client->in) : "";
        const char *end = length > 0 ? memchr(line, '\n', length) : NULL;
        if (!end)
            return false;
        size_t whole = (size_t)(end - line) + 1;
        resp_buf_append(&client->out, "+", 1);
        resp_buf_append(&client->out, line, whole);
        client_touch(client);
        if (whole >= 5 && memcmp(line, "hold", 4) == 0)
            client_hold(client, true);
        if (whole >= 6 && memcmp(line, "close", 5) == 0)
            client_close_after_flush(client);
        if (whole >= 5 && memcmp(line, "free", 4) == 0) {
            client_free(client);
            return true;
        }
        resp_buf_consume(&client->in, whole, 0);
    }
}

static void node_turn(struct fixture *f) {
    for (struct client *client; (client = net_take_client(f->net)) != NULL;) {
        f->takes++;
        client->peer = f->all_peers;
        if (!f->deaf && answer(client))
            continue;
        if (!client->gone)
            continue;
        f->gone_count++;
        snprintf(f->why, sizeof f->why, "%s", client->why);
        if (!f->keep_gone)
            client_free(client);
    }
}

static void turn(struct fixture *f) {
    node_turn(f);
    net_flush(f->net, now_ms() + f->skip_ms);
    ev_run(f->loop, EVRUN_ONCE);
}

static void turns(struct fixture *f, int count) {
    while (count-- > 0)
        turn(f);
}

static struct net_counters counters(const struct fixture *f) {
    struct net_counters counters;
    net_counters(f->net, &counters);
    return counters;
}

/* Turns until the condition holds; 5 s at most. */
#define TURNS_UNTIL(f, condition)                                                                            \
    do {                                                                                                     \
        for (uint64_t until_ = now_ms() + 5000; !(condition) && now_ms() < until_;)                          \
            turn(f);                                                                                         \
        assert_true(condition);                                                                              \
    } while (0)

/* ---- the other end ------------------------------------------------------------------------------------- */

static int dial(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until `length` bytes are there, the other end closes, or 5 s are over; terminated. */
static size_t hear(struct fixture *f, int fd, char *bytes, size_t length) {
    size_t got = 0;
    for (uint64_t until = now_ms() + 5000; got < length && now_ms() < until;) {
        ssize_t more = recv(fd, bytes + got, length - got, 0);
        if (more == 0 || (more < 0 && errno != EAGAIN))
            break;
        got += more > 0 ? (size_t)more : 0;
        if (more < 0)
            turn(f);
    }
    bytes[got] = '\0';
    return got;
}

static void assert_heard(struct fixture *f, int fd, const char *expected) {
    char heard[4096];
    hear(f, fd, heard, strlen(expected));
    assert_string_equal(heard, expected);
}

/* Nothing more comes, then the end. */
static void assert_closed(struct fixture *f, int fd) {
    char byte = '?';
    ssize_t got = -1;
    for (uint64_t until = now_ms() + 5000; got < 0 && now_ms() < until; turn(f)) {
        got = recv(fd, &byte, 1, 0);
        if (got < 0 && errno != EAGAIN)
            got = 0;
    }
    assert_int_equal(got, 0);
}

static struct client *only_client(struct fixture *f) {
    TURNS_UNTIL(f, net_first_client(f->net) != NULL);
    struct client *client = net_first_client(f->net);
    assert_null(net_next_client(client));
    return client;
}

/* ---- bytes in ------------------------------------------------------------------------------------------ */

static void a_line_that_comes_in_pieces_is_answered_when_it_is_whole(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    for (const char *at = "hello\n"; *at; at++) {
        char piece[2] = {*at, '\0'}, heard;
        assert_int_equal(recv(fd, &heard, 1, 0), -1);
        say(fd, piece);
        turns(f, 3);
    }
    assert_heard(f, fd, "+hello\n");
    struct client *client = only_client(f);
    assert_true(client->loopback);
    assert_int_equal(client->id, 1);
    assert_true(client->last_in_ms + 5000 > now_ms() && client->last_in_ms <= now_ms() + 1);
    close(fd);
    stop(f);
}

static void a_client_knows_both_addresses(void **state) {
    struct fixture *f = start(&usual);
    struct sockaddr_in here;
    socklen_t length = sizeof here;
    char expected[64];
    int fd = dial(f->port);
    (void)state;
    struct client *client = only_client(f);
    getsockname(fd, (struct sockaddr *)&here, &length);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", ntohs(here.sin_port));
    assert_string_equal(client->address, expected);
    snprintf(expected, sizeof expected, "127.0.0.1:%u", f->port);
    assert_string_equal(client->local_address, expected);
    close(fd);
    stop(f);
}

static void what_was_sent_before_a_half_close_is_answered(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    say(fd, "one\ntwo\n");
    shutdown(fd, SHUT_WR);
    assert_heard(f, fd, "+one\n+two\n");
    assert_closed(f, fd);
    TURNS_UNTIL(f, f->gone_count == 1);
    assert_string_equal(f->why, "closed by the other end");
    close(fd);
    stop(f);
}

static void a_held_client_gets_its_late_reply_after_a_half_close(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    say(fd, "hold\n");
    shutdown(fd, SHUT_WR);
    assert_heard(f, fd, "+hold\n");
    turns(f, 5);
    struct client *client = only_client(f);
    assert_true(client->ended && !client->gone);
    resp_buf_append(&client->out, "+late\n", 6);
    client_hold(client, false);
    assert_heard(f, fd, "+late\n");
    TURNS_UNTIL(f, f->gone_count == 1 && counters(f).clients == 0);
    close(fd);
    stop(f);
}

static void half_a_line_and_an_end_make_the_client_gone(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    say(fd, "one\nhal");
    close(fd);
    TURNS_UNTIL(f, f->gone_count == 1);
    TURNS_UNTIL(f, counters(f).clients == 0);
    stop(f);
}

static void a_reset_makes_the_client_gone_with_the_reason(void **state) {
    struct fixture *f = start(&usual);
    struct linger hard = {.l_onoff = 1};
    int fd = dial(f->port);
    (void)state;
    only_client(f);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    TURNS_UNTIL(f, f->gone_count == 1);
    assert_string_equal(f->why, "Connection reset by peer");
    stop(f);
}

static void input_that_nobody_consumes_is_bounded(void **state) {
    struct net_options options = usual;
    char block[65536];
    (void)state;
    options.in_bytes_max = 100000;
    struct fixture *f = start(&options);
    int fd = dial(f->port);
    memset(block, 'x', sizeof block);
    for (uint64_t until = now_ms() + 5000; f->gone_count == 0 && now_ms() < until;) {
        assert_true(send(fd, block, sizeof block, MSG_NOSIGNAL) > 0 || errno == EAGAIN || f->gone_count > 0);
        turn(f);
    }
    assert_string_equal(f->why, "input over client-query-buffer-limit");
    close(fd);
    stop(f);
}

static void a_long_argument_is_read_into_the_room_that_was_reserved(void **state) {
    enum { LONG = 8 << 20 };
    struct net_options options = usual;
    (void)state;
    options.in_bytes_max = 2 * LONG;
    struct fixture *f = start(&options);
    int fd = dial(f->port), size = 4 << 20;
    char *line = malloc(LONG);
    memset(line, 'y', LONG);
    line[LONG - 1] = '\n';
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    struct client *client = only_client(f);
    f->deaf = true;
    say(fd, "yyyy");
    TURNS_UNTIL(f, resp_buf_length(&client->in) == 4);
    resp_buf_reserve(&client->in, LONG);
    const char *place = client->in.bytes;
    unsigned before = f->takes;
    for (size_t sent = 4; sent < LONG;) {
        ssize_t more = send(fd, line + sent, LONG - sent, MSG_NOSIGNAL);
        sent += more > 0 ? (size_t)more : 0;
        turn(f);
    }
    TURNS_UNTIL(f, resp_buf_length(&client->in) == LONG);
    assert_ptr_equal(place, client->in.bytes);
    assert_memory_equal(resp_buf_bytes(&client->in), line, LONG);
    assert_true(f->takes - before < 2 * LONG / 65536);
    free(line);
    close(fd);
    stop(f);
}

/* ---- bytes out ----------------------------------------------------------------------------------------- */

static void fill(struct client *client, size_t length) {
    memset(resp_buf_reserve(&client->out, length), 'z', length);
    resp_buf_commit(&client->out, length);
    client_touch(client);
}

static void a_client_that_never_reads_hits_the_hard_limit_and_harms_nobody(void **state) {
    struct net_options options = usual;
    (void)state;
    options.out_bytes_max = 1 << 20;
    struct fixture *f = start(&options);
    int fd = dial(f->port);
    struct client *client = only_client(f);
    int other = dial(f->port);
    f->keep_gone = true;
    for (int i = 0; i < 200 && !client->gone; i++) {
        fill(client, 100000);
        turn(f);
        assert_true(resp_buf_length(&client->out) <= (1 << 20) + 100000);
    }
    assert_true(client->gone);
    assert_string_equal(client->why, "output over client-output-buffer-limit (hard)");
    client_free(client);
    f->keep_gone = false;
    say(other, "still here\n");
    assert_heard(f, other, "+still here\n");
    close(fd);
    close(other);
    stop(f);
}

static void the_soft_limit_acts_only_after_its_time(void **state) {
    struct net_options options = usual;
    (void)state;
    options.out_soft_bytes = 1 << 20;
    options.out_soft_s = 60;
    struct fixture *f = start(&options);
    int fd = dial(f->port);
    struct client *client = only_client(f);
    fill(client, 20 << 20);
    turns(f, 30); /* more than one tick */
    assert_false(client->gone);
    f->skip_ms = 50000;
    turns(f, 30);
    assert_false(client->gone);
    f->skip_ms = 61000;
    TURNS_UNTIL(f, f->gone_count == 1); /* nothing but the tick wakes it */
    assert_string_equal(f->why, "output over client-output-buffer-limit (soft) for too long");
    close(fd);
    stop(f);
}

static void a_peer_is_exempt_from_output_limits(void **state) {
    struct net_options options = usual;
    (void)state;
    options.out_bytes_max = 1000;
    struct fixture *f = start(&options);
    f->all_peers = true;
    int fd = dial(f->port);
    struct client *client = only_client(f);
    TURNS_UNTIL(f, counters(f).peers == 1);
    fill(client, 20 << 20);
    turns(f, 5);
    assert_false(client->gone);
    client_free(client);
    turn(f);
    assert_int_equal(counters(f).peers, 0);
    close(fd);
    stop(f);
}

static void a_large_reply_arrives_whole_before_the_close(void **state) {
    enum { LONG = 16 << 20 };
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    char *heard = malloc(LONG + 1);
    (void)state;
    struct client *client = only_client(f);
    fill(client, LONG);
    client_close_after_flush(client);
    assert_int_equal(hear(f, fd, heard, LONG), LONG);
    assert_closed(f, fd);
    TURNS_UNTIL(f, f->gone_count == 1);
    assert_string_equal(f->why, "closed by us");
    free(heard);
    close(fd);
    stop(f);
}

static void a_client_to_be_closed_that_takes_nothing_is_gone_after_a_second(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    struct client *client = only_client(f);
    fill(client, 20 << 20);
    client_close_after_flush(client);
    turns(f, 5);
    assert_int_equal(f->gone_count, 0);
    uint64_t since = now_ms();
    TURNS_UNTIL(f, f->gone_count == 1);
    assert_in_range(now_ms() - since, 500, 4500);
    close(fd);
    stop(f);
}

static void the_last_reply_survives_input_that_was_never_read(void **state) {
    struct fixture *f = start(&usual);
    char block[30000];
    int fd = dial(f->port);
    (void)state;
    struct client *client = only_client(f);
    client_pause(client, true);
    memset(block, 'x', sizeof block);
    assert_int_equal(send(fd, block, sizeof block, MSG_NOSIGNAL), sizeof block);
    turns(f, 2);
    resp_buf_append(&client->out, "-ERR bye\r\n", 10);
    client_free(client);
    assert_heard(f, fd, "-ERR bye\r\n");
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0); /* an end, not a reset */
    close(fd);
    stop(f);
}

/* ---- turns --------------------------------------------------------------------------------------------- */

static void a_paused_client_is_not_read_and_resumes_in_order(void **state) {
    struct fixture *f = start(&usual);
    char line[32], heard[4096];
    int fd = dial(f->port);
    (void)state;
    struct client *client = only_client(f);
    client_pause(client, true);
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "line %03d\n", i);
        say(fd, line);
    }
    turns(f, 5);
    assert_int_equal(resp_buf_length(&client->in), 0);
    client_pause(client, false);
    assert_int_equal(hear(f, fd, heard, 1000), 1000);
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "+line %03d\n", i);
        assert_memory_equal(heard + i * 10, line, 10);
    }
    close(fd);
    stop(f);
}

static void a_paused_senders_bytes_wait_in_the_kernel(void **state) {
    struct fixture *f = start(&usual);
    char block[65536];
    int fd = dial(f->port);
    (void)state;
    struct client *client = only_client(f);
    client_pause(client, true);
    memset(block, 'x', sizeof block);
    bool full = false;
    for (int i = 0; i < 1000 && !full; i++) {
        full = send(fd, block, sizeof block, MSG_NOSIGNAL) < 0 && errno == EAGAIN;
        if (i % 100 == 0)
            turn(f);
    }
    assert_true(full);
    assert_int_equal(resp_buf_length(&client->in), 0);
    close(fd);
    stop(f);
}

static void asking_again_returns_a_client_in_the_next_turn_without_sleeping(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    struct client *client = only_client(f);
    turns(f, 3);
    ev_timer_stop(f->loop, &f->wake);
    for (int i = 0; i < 3; i++) {
        client_again(client);
        client_again(client);
        assert_null(net_take_client(f->net));
        net_flush(f->net, now_ms());
        ev_run(f->loop, EVRUN_ONCE); /* would hang here if the loop slept */
        assert_ptr_equal(net_take_client(f->net), client);
        assert_null(net_take_client(f->net));
    }
    net_flush(f->net, now_ms());
    close(fd);
    stop(f);
}

static void freeing_is_safe_with_events_pending_and_during_the_walk(void **state) {
    enum { COUNT = 20 };
    struct fixture *f = start(&usual);
    int fds[COUNT];
    (void)state;
    for (int i = 0; i < COUNT; i++)
        fds[i] = dial(f->port);
    TURNS_UNTIL(f, counters(f).clients == COUNT);
    for (int i = 0; i < COUNT; i++)
        say(fds[i], "x\n");
    ev_run(f->loop, EVRUN_ONCE); /* all have news now */
    unsigned walked = 0;
    for (struct client *client = net_first_client(f->net); client; client = net_next_client(client)) {
        walked++;
        if (client->id % 2 == 0)
            client_free(client);
    }
    assert_int_equal(walked, COUNT);
    unsigned left = 0;
    for (struct client *client = net_first_client(f->net); client; client = net_next_client(client), left++)
        assert_int_equal(client->id % 2, 1);
    assert_int_equal(left, COUNT / 2);
    turns(f, 3);
    assert_int_equal(counters(f).clients, COUNT / 2);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    TURNS_UNTIL(f, counters(f).clients == 0);
    stop(f);
}

static void freeing_in_the_turn_still_sends_what_was_said(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    say(fd, "free\nnever answered\n");
    assert_heard(f, fd, "+free\n");
    assert_closed(f, fd);
    assert_int_equal(counters(f).clients, 0);
    close(fd);
    stop(f);
}

/* ---- many, and too many -------------------------------------------------------------------------------- */

static void a_thousand_connections_are_served_and_own_no_buffers_when_idle(void **state) {
    enum { COUNT = 1000 };
    struct fixture *f = start(&usual);
    static int fds[COUNT];
    char line[32], expected[32];
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial(f->port);
        assert_true(fds[i] >= 0);
        if (i % 100 == 0)
            turn(f);
    }
    TURNS_UNTIL(f, counters(f).clients == COUNT);
    for (int i = 0; i < COUNT; i++) {
        snprintf(line, sizeof line, "%d\n", i);
        say(fds[i], line);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(expected, sizeof expected, "+%d\n", i);
        assert_heard(f, fds[i], expected);
    }
    turns(f, 2);
    for (struct client *client = net_first_client(f->net); client; client = net_next_client(client)) {
        assert_true(client_memory(client) < 1024);
        assert_null(client->in.bytes);
        assert_null(client->out.bytes);
    }
    assert_int_equal(counters(f).connections, COUNT);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    TURNS_UNTIL(f, counters(f).clients == 0);
    stop(f);
}

static const char full[] = "-ERR max number of clients reached\r\n";
static const char greeting[] = "*3\r\n$10\r\nRAFT.HELLO\r\n$1\r\n1\r\n$1\r\nx\r\n";

static struct fixture *start_full(int fds[2]) {
    struct net_options options = usual;
    options.clients_max = 2;
    options.peers_reserved = 2;
    struct fixture *f = start(&options);
    fds[0] = dial(f->port);
    fds[1] = dial(f->port);
    TURNS_UNTIL(f, counters(f).clients == 2);
    return f;
}

static void beyond_clients_max_only_a_peers_greeting_is_heard(void **state) {
    int fds[2];
    struct fixture *f = start_full(fds);
    (void)state;
    int stranger = dial(f->port), peer = dial(f->port);
    TURNS_UNTIL(f, counters(f).clients == 4);
    say(stranger, "PING\n");
    assert_heard(f, stranger, full);
    assert_closed(f, stranger);
    assert_string_equal(f->why, "max number of clients reached");
    assert_int_equal(counters(f).rejected, 1);

    f->deaf = true;
    unsigned before = f->takes;
    for (const char *at = greeting; *at; at++) { /* however it is cut */
        char piece[2] = {*at, '\0'};
        say(peer, piece);
        turns(f, 2);
        assert_true(f->takes == before || at - greeting >= 18);
    }
    TURNS_UNTIL(f, f->takes > before);
    struct client *client = net_first_client(f->net);
    while (client && resp_buf_length(&client->in) != strlen(greeting))
        client = net_next_client(client);
    assert_non_null(client);
    assert_false(client->gone);
    close(stranger);
    close(peer);
    close(fds[0]);
    close(fds[1]);
    stop(f);
}

static void beyond_the_reserve_nobody_gets_in(void **state) {
    int fds[2];
    struct fixture *f = start_full(fds);
    (void)state;
    int silent = dial(f->port), also = dial(f->port);
    TURNS_UNTIL(f, counters(f).clients == 4);
    int excess = dial(f->port);
    assert_heard(f, excess, full);
    assert_closed(f, excess);
    assert_int_equal(counters(f).clients, 4);
    assert_int_equal(counters(f).connections, 4);

    close(fds[0]); /* room again: the silent one is an ordinary client now */
    close(also);
    TURNS_UNTIL(f, counters(f).clients == 2);
    say(silent, "PING\n");
    assert_heard(f, silent, "+PING\n");
    close(silent);
    close(excess);
    close(fds[1]);
    stop(f);
}

static void peers_do_not_count_as_clients(void **state) {
    struct net_options options = usual;
    (void)state;
    options.clients_max = 1;
    options.peers_reserved = 0;
    struct fixture *f = start(&options);
    f->all_peers = true;
    int peer = dial(f->port);
    TURNS_UNTIL(f, counters(f).peers == 1);
    f->all_peers = false;
    int fd = dial(f->port);
    say(fd, "room\n");
    assert_heard(f, fd, "+room\n");
    close(peer);
    close(fd);
    stop(f);
}

/* Runs in a child of its own: it lowers the limits of the process. */
static void run_alone(void (*body)(void)) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        body();
        exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* cmocka's asserts jump out of the test, which a child has not. */
#define CHILD_CHECK(condition)                                                                               \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                          \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static int lowest_free_descriptor(void) {
    int fd = dup(0);
    close(fd);
    return fd;
}

/* The other ends live in the parent of this one, for their descriptors would be exhausted too. */
static void exhaust_descriptors(void) {
    int port_pipe[2], done_pipe[2];
    char heard[64] = "";
    unsigned port;
    CHILD_CHECK(pipe(port_pipe) == 0 && pipe(done_pipe) == 0);
    pid_t server = fork();
    if (server == 0) {
        struct fixture *f = start(&usual);
        turns(f, 2);
        struct rlimit limit = {.rlim_cur = (rlim_t)lowest_free_descriptor() + 5};
        limit.rlim_max = limit.rlim_cur;
        CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        CHILD_CHECK(write(port_pipe[1], &f->port, sizeof f->port) == sizeof f->port);
        for (uint64_t until = now_ms() + 5000; counters(f).descriptors_short == 0 && now_ms() < until;)
            turn(f);
        clock_t cpu = clock();
        char byte;
        fcntl(done_pipe[0], F_SETFL, O_NONBLOCK);
        for (uint64_t until = now_ms() + 5000; read(done_pipe[0], &byte, 1) != 1 && now_ms() < until;)
            turn(f);
        CHILD_CHECK(counters(f).descriptors_short >= 5);
        CHILD_CHECK(counters(f).rejected >= 5);
        CHILD_CHECK(counters(f).clients == 5);
        CHILD_CHECK((clock() - cpu) < CLOCKS_PER_SEC / 2); /* it did not spin */
        stop(f);
        exit(0);
    }
    CHILD_CHECK(read(port_pipe[0], &port, sizeof port) == sizeof port);
    int fds[10];
    for (int i = 0; i < 10; i++) {
        fds[i] = dial(port);
        CHILD_CHECK(fds[i] >= 0);
        fcntl(fds[i], F_SETFL, 0);
        struct timeval patience = {.tv_sec = 5};
        setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    for (int i = 5; i < 10; i++) { /* the sixth and on are told */
        memset(heard, 0, sizeof heard);
        CHILD_CHECK(recv(fds[i], heard, sizeof heard - 1, MSG_WAITALL) == (ssize_t)strlen(full));
        CHILD_CHECK(strcmp(heard, full) == 0);
    }
    CHILD_CHECK(send(fds[0], "served\n", 7, MSG_NOSIGNAL) == 7); /* the first ones are served as before */
    memset(heard, 0, sizeof heard);
    CHILD_CHECK(recv(fds[0], heard, 8, MSG_WAITALL) == 8 && strcmp(heard, "+served\n") == 0);
    CHILD_CHECK(write(done_pipe[1], "x", 1) == 1);
    int status;
    CHILD_CHECK(waitpid(server, &status, 0) == server && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void without_descriptors_newcomers_are_told_and_the_others_are_served(void **state) {
    (void)state;
    run_alone(exhaust_descriptors);
}

static void lower_limit(void) {
    struct rlimit limit = {.rlim_cur = 200, .rlim_max = 200};
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (geteuid() == 0) /* root may raise even the hard limit: give that up */
        CHILD_CHECK(setresuid(65534, 65534, 65534) == 0);
    struct net_options options = usual;
    options.clients_max = 10000;
    struct fixture *f = start(&options);
    size_t max = counters(f).clients_max;
    CHILD_CHECK(max > 50 && max < 200);
    options.clients_max = 20;
    net_set_options(f->net, &options);
    CHILD_CHECK(counters(f).clients_max == 20);
    stop(f);
}

static void clients_max_follows_the_limit_of_descriptors(void **state) {
    (void)state;
    run_alone(lower_limit);
}

static void raise_limit(void) {
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = 900};
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct net_options options = usual;
    options.clients_max = 500;
    struct fixture *f = start(&options);
    CHILD_CHECK(counters(f).clients_max == 500);
    CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 508);
    stop(f);
}

static void the_limit_of_descriptors_is_raised_to_what_is_needed(void **state) {
    (void)state;
    run_alone(raise_limit);
}

/* ---- listening ----------------------------------------------------------------------------------------- */

static void a_taken_port_is_named_with_its_holder(void **state) {
    struct fixture *f = start(&usual);
    char why[NET_WHY_MAX] = "", expected[NET_WHY_MAX];
    (void)state;
    assert_false(net_listen(f->net, "127.0.0.1", f->port, why));
    snprintf(expected, sizeof expected, "127.0.0.1:%u is taken by %d %.15s", f->port, (int)getpid(),
             program_invocation_short_name);
    assert_string_equal(why, expected);
    assert_false(net_listen(f->net, "no.number", 1, why));
    assert_string_equal(why, "no.number is not a numeric address");
    assert_false(net_listen(f->net, "192.0.2.1", 0, why));
    assert_non_null(strstr(why, "no such address"));
    assert_int_equal(net_port(f->net), f->port);
    stop(f);
}

static void ipv6_is_listened_on_beside_ipv4(void **state) {
    struct fixture *f = start(&usual);
    char why[NET_WHY_MAX] = "";
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    (void)state;
    if (!net_listen(f->net, "::1", f->port, why)) { /* a machine without IPv6 */
        assert_non_null(strstr(why, "::1"));
        stop(f);
        skip();
    }
    address.sin6_port = htons((uint16_t)f->port);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    say(fd, "six\n");
    assert_heard(f, fd, "+six\n");
    struct client *client = only_client(f);
    assert_memory_equal(client->address, "[::1]:", 6);
    assert_true(client->loopback);
    close(fd);
    stop(f);
}

static void connections_go_on_when_listening_stops(void **state) {
    struct fixture *f = start(&usual);
    int fd = dial(f->port);
    (void)state;
    only_client(f);
    net_stop_listening(f->net);
    assert_int_equal(net_port(f->net), 0);
    assert_int_equal(dial(f->port), -1);
    say(fd, "old\n");
    assert_heard(f, fd, "+old\n");
    assert_int_equal(counters(f).bytes_in, 4);
    assert_int_equal(counters(f).bytes_out, 5);
    close(fd);
    stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_comes_in_pieces_is_answered_when_it_is_whole),
        cmocka_unit_test(a_client_knows_both_addresses),
        cmocka_unit_test(what_was_sent_before_a_half_close_is_answered),
        cmocka_unit_test(a_held_client_gets_its_late_reply_after_a_half_close),
        cmocka_unit_test(half_a_line_and_an_end_make_the_client_gone),
        cmocka_unit_test(a_reset_makes_the_client_gone_with_the_reason),
        cmocka_unit_test(input_that_nobody_consumes_is_bounded),
        cmocka_unit_test(a_long_argument_is_read_into_the_room_that_was_reserved),
        cmocka_unit_test(a_client_that_never_reads_hits_the_hard_limit_and_harms_nobody),
        cmocka_unit_test(the_soft_limit_acts_only_after_its_time),
        cmocka_unit_test(a_peer_is_exempt_from_output_limits),
        cmocka_unit_test(a_large_reply_arrives_whole_before_the_close),
        cmocka_unit_test(a_client_to_be_closed_that_takes_nothing_is_gone_after_a_second),
        cmocka_unit_test(the_last_reply_survives_input_that_was_never_read),
        cmocka_unit_test(a_paused_client_is_not_read_and_resumes_in_order),
        cmocka_unit_test(a_paused_senders_bytes_wait_in_the_kernel),
        cmocka_unit_test(asking_again_returns_a_client_in_the_next_turn_without_sleeping),
        cmocka_unit_test(freeing_is_safe_with_events_pending_and_during_the_walk),
        cmocka_unit_test(freeing_in_the_turn_still_sends_what_was_said),
        cmocka_unit_test(a_thousand_connections_are_served_and_own_no_buffers_when_idle),
        cmocka_unit_test(beyond_clients_max_only_a_peers_greeting_is_heard),
        cmocka_unit_test(beyond_the_reserve_nobody_gets_in),
        cmocka_unit_test(peers_do_not_count_as_clients),
        cmocka_unit_test(without_descriptors_newcomers_are_told_and_the_others_are_served),
        cmocka_unit_test(clients_max_follows_the_limit_of_descriptors),
        cmocka_unit_test(the_limit_of_descriptors_is_raised_to_what_is_needed),
        cmocka_unit_test(a_taken_port_is_named_with_its_holder),
        cmocka_unit_test(ipv6_is_listened_on_beside_ipv4),
        cmocka_unit_test(connections_go_on_when_listening_stops),
    };
    return cmocka_run_group_tests_name("net client", tests, NULL, NULL);
}
