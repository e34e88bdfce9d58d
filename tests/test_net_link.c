/* SPDX-License-Identifier: MIT */
/*
 * Links, over real sockets on the loopback. The peer is a bare socket that the test accepts, reads and
 * writes by hand, so that it can do what no honest peer would.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../src/net/internal.h"

enum { TIMEOUT_MS = 2000, LOG_MAX = 1 << 16 };

struct fixture {
    struct ev_loop *loop;
    struct net *net;
    struct link *link;
    struct ev_timer wake;
    int listener; /* the peer's */
    unsigned port;
    bool connected;
    bool open; /* each link that comes up is said to be open */
    bool drop; /* each reply is answered with link_drop */
    unsigned ups, downs, refusals;
    uint64_t down_ms;  /* when the last down was taken */
    char log[LOG_MAX]; /* events in words, one after the other */
    size_t logged;
};

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_wake(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)watcher, (void)events;
}

static void listen_at(struct fixture *f, int family, unsigned port, int backlog) {
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t length = family == AF_INET6 ? sizeof six : sizeof four;
    int on = 1;
    f->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->listener < 0)
        return;
    setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(f->listener, address, length) != 0 || listen(f->listener, backlog) != 0) {
        close(f->listener);
        f->listener = -1;
        return;
    }
    getsockname(f->listener, address, &length);
    f->port = ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
}

static struct fixture *start(void) {
    static const struct net_options options = {.clients_max = 10, .backlog = 10, .keepalive_s = 300};
    struct fixture *f = calloc(1, sizeof *f);
    f->loop = ev_loop_new(EVFLAG_AUTO);
    f->net = net_new(f->loop, &options);
    listen_at(f, AF_INET, 0, 16);
    assert_true(f->listener >= 0);
    ev_timer_init(&f->wake, on_wake, 0.01, 0.01);
    ev_timer_start(f->loop, &f->wake);
    return f;
}

static struct fixture *start_link(const char *host) {
    struct fixture *f = start();
    f->link = link_new(f->net, host, f->port, TIMEOUT_MS);
    link_set_owner(f->link, f);
    return f;
}

static void stop(struct fixture *f) {
    net_free(f->net);
    if (f->listener >= 0)
        close(f->listener);
    ev_timer_stop(f->loop, &f->wake);
    ev_loop_destroy(f->loop);
    free(f);
}

static void note(struct fixture *f, const char *bytes, size_t length) {
    assert_true(f->logged + length < LOG_MAX);
    memcpy(f->log + f->logged, bytes, length);
    f->logged += length;
    f->log[f->logged] = '\0';
}

/* "*(a b _)": a null is an underscore. */
static void note_reply(struct fixture *f, const struct link_event *event) {
    note(f, &event->kind, 1);
    note(f, "(", 1);
    for (size_t i = 0; i < event->count; i++) {
        const struct resp_arg *arg = &event->args[i];
        note(f, " ", i > 0);
        note(f, arg->bytes ? arg->bytes : "_", arg->bytes ? arg->length : 1);
    }
    note(f, ")", 1);
}

static void take(struct fixture *f, const struct link_event *event) {
    switch (event->type) {
    case LINK_UP:
        assert_false(f->connected);
        f->connected = true;
        f->ups++;
        assert_int_equal(link_state(f->link), LINK_CONNECTED);
        note(f, "up ", 3);
        if (f->open)
            link_open(f->link);
        break;
    case LINK_REPLY:
        assert_true(f->connected);
        note_reply(f, event);
        if (f->drop)
            link_drop(f->link, "not liked");
        break;
    case LINK_DOWN:
        f->connected = false;
        f->downs++;
        f->refusals += event->refused;
        f->down_ms = now_ms();
        assert_true(strlen(event->why) > 0);
        assert_string_equal(event->why, link_last_error(f->link));
        note(f, "down ", 5);
        break;
    }
}

static void turn(struct fixture *f) {
    for (struct link *link; (link = net_take_link(f->net)) != NULL;) {
        assert_ptr_equal(link, f->link);
        assert_ptr_equal(link_owner(link), f);
        for (struct link_event event; link_take(link, &event);)
            take(f, &event);
    }
    net_flush(f->net, now_ms());
    ev_run(f->loop, EVRUN_ONCE);
}

static void turns(struct fixture *f, int count) {
    while (count-- > 0)
        turn(f);
}

#define TURNS_UNTIL(f, condition)                                                                            \
    do {                                                                                                     \
        for (uint64_t until_ = now_ms() + 8000; !(condition) && now_ms() < until_;)                          \
            turn(f);                                                                                         \
        assert_true(condition);                                                                              \
    } while (0)

static int peer_accept(struct fixture *f) {
    int fd = -1;
    for (uint64_t until = now_ms() + 8000; fd < 0 && now_ms() < until;) {
        turn(f);
        fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    assert_true(fd >= 0);
    return fd;
}

/* Accepts, and waits until the link knows. */
static int peer_up(struct fixture *f) {
    unsigned before = f->ups;
    int fd = peer_accept(f);
    TURNS_UNTIL(f, f->ups == before + 1);
    return fd;
}

static void peer_says(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void peer_stops_listening(struct fixture *f) {
    close(f->listener);
    f->listener = -1;
}

static size_t peer_hears(struct fixture *f, int fd, char *bytes, size_t length) {
    size_t got = 0;
    for (uint64_t until = now_ms() + 8000; got < length && now_ms() < until;) {
        ssize_t more = recv(fd, bytes + got, length - got, 0);
        if (more == 0)
            break;
        got += more > 0 ? (size_t)more : 0;
        if (more < 0)
            turn(f);
    }
    return got;
}

static void count_release(void *owner) {
    ++*(int *)owner;
}

/* ---- dialling ------------------------------------------------------------------------------------------ */

static void a_link_connects_and_sends_own_and_shared_bytes_in_order(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    char heard[64] = "";
    int released = 0;
    (void)state;
    int fd = peer_up(f);
    resp_buf_append(link_out(f->link), "one ", 4);
    link_send_shared(f->link, "two ", 4, count_release, &released);
    link_send_shared(f->link, "three ", 6, count_release, &released);
    resp_buf_append(link_out(f->link), "four", 4);
    link_touch(f->link);
    assert_int_equal(link_backlog(f->link), 18);
    assert_int_equal(released, 0);
    assert_int_equal(peer_hears(f, fd, heard, 18), 18);
    assert_string_equal(heard, "one two three four");
    assert_int_equal(released, 2);
    assert_int_equal(link_backlog(f->link), 0);
    assert_int_equal(link_connects(f->link), 1);
    assert_string_equal(link_last_error(f->link), "");
    close(fd);
    stop(f);
}

static void a_refused_link_says_so_and_dials_until_somebody_listens(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    peer_stops_listening(f);
    TURNS_UNTIL(f, f->downs >= 2);
    assert_int_equal(f->refusals, f->downs);
    assert_int_equal(f->ups, 0);
    assert_non_null(strstr(link_last_error(f->link), "Connection refused"));
    listen_at(f, AF_INET, f->port, 16);
    assert_true(f->listener >= 0);
    int fd = peer_up(f);
    assert_non_null(strstr(link_last_error(f->link), "Connection refused")); /* remembered */
    close(fd);
    stop(f);
}

static void dials_back_off(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    peer_stops_listening(f);
    uint64_t gaps[5], last = 0;
    TURNS_UNTIL(f, f->downs == 1);
    for (int i = 0; i < 5; i++) {
        last = f->down_ms;
        unsigned before = f->downs;
        TURNS_UNTIL(f, f->downs == before + 1);
        gaps[i] = f->down_ms - last;
    }
    for (int i = 0; i < 5; i++) { /* 50 100 200 400 800, less or more a quarter, plus a slow machine */
        uint64_t base = (uint64_t)50 << i;
        assert_in_range(gaps[i], base * 3 / 4 - 5, base * 5 / 4 + 2000);
    }
    stop(f);
}

/* Faster than any back-off, at least in one of a few trials: the machine may be busy. */
enum { AT_ONCE_MS = 30, TRIALS = 10 };

static void rest(struct fixture *f) {
    for (uint64_t until = now_ms() + 100; now_ms() < until;)
        turn(f);
}

static void an_open_link_that_falls_dials_at_once(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    uint64_t took_ms = UINT64_MAX;
    (void)state;
    f->open = true;
    int fd = peer_up(f);
    for (int i = 0; i < TRIALS && took_ms >= AT_ONCE_MS; i++) {
        rest(f);
        close(fd);
        TURNS_UNTIL(f, f->downs == f->ups);
        uint64_t since = now_ms();
        fd = peer_up(f);
        took_ms = now_ms() - since;
    }
    assert_true(took_ms < AT_ONCE_MS);
    assert_int_equal(f->refusals, 0);
    close(fd);
    stop(f);
}

static void a_peer_that_is_gone_is_known_to_be_at_once(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    uint64_t took_ms = UINT64_MAX;
    (void)state;
    f->open = true;
    for (int i = 0; i < TRIALS && took_ms >= AT_ONCE_MS; i++) {
        int fd = peer_up(f);
        unsigned before = f->downs, refused_before = f->refusals;
        rest(f);
        peer_stops_listening(f);
        close(fd);
        TURNS_UNTIL(f, f->downs == before + 1);
        assert_int_equal(f->refusals, refused_before);
        uint64_t since = now_ms();
        TURNS_UNTIL(f, f->refusals == refused_before + 1);
        took_ms = now_ms() - since;
        listen_at(f, AF_INET, f->port, 16);
    }
    assert_true(took_ms < AT_ONCE_MS);
    stop(f);
}

static void a_peer_that_closes_at_once_is_not_dialled_in_a_hot_loop(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    f->open = true;
    for (uint64_t until = now_ms() + 500; now_ms() < until; turn(f)) {
        int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
    }
    assert_in_range(f->ups, 2, 12);
    stop(f);
}

static void a_name_is_looked_up(void **state) {
    struct fixture *f = start_link("localhost");
    (void)state;
    assert_int_equal(link_state(f->link), LINK_WAITING);
    turn(f);
    assert_true(link_state(f->link) == LINK_RESOLVING || link_state(f->link) == LINK_CONNECTING);
    int fd = peer_up(f); /* whatever ::1 says before */
    assert_int_equal(f->downs, 0);
    close(fd);
    stop(f);
}

static void a_name_without_an_address_is_a_failed_dial(void **state) {
    struct fixture *f = start();
    (void)state;
    f->link = link_new(f->net, "no-such-host.invalid", f->port, 300);
    link_set_owner(f->link, f);
    TURNS_UNTIL(f, f->downs == 2);
    assert_int_equal(f->refusals, 0);
    assert_int_equal(f->ups, 0);
    assert_non_null(strstr(link_last_error(f->link), "no-such-host.invalid: "));
    stop(f);
}

static void ipv6_is_dialled(void **state) {
    struct fixture *f = start();
    (void)state;
    close(f->listener);
    listen_at(f, AF_INET6, 0, 16);
    if (f->listener < 0) {
        stop(f);
        skip();
    }
    f->link = link_new(f->net, "::1", f->port, TIMEOUT_MS);
    link_set_owner(f->link, f);
    int fd = peer_up(f);
    close(fd);
    stop(f);
}

static void a_connect_without_an_answer_ends_at_its_deadline(void **state) {
    struct fixture *f = start();
    int fillers[8];
    struct sockaddr_in address = {.sin_family = AF_INET};
    (void)state;
    close(f->listener);
    listen_at(f, AF_INET, 0, 0);
    address.sin_port = htons((uint16_t)f->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 8; i++) { /* the backlog is full: further connects hang */
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    f->link = link_new(f->net, "127.0.0.1", f->port, 200);
    link_set_owner(f->link, f);
    turn(f);
    uint64_t since = now_ms();
    assert_int_equal(link_state(f->link), LINK_CONNECTING);
    TURNS_UNTIL(f, f->downs == 1);
    assert_in_range(now_ms() - since, 150, 4000);
    assert_int_equal(f->refusals, 0);
    assert_non_null(strstr(link_last_error(f->link), "no answer within 200 ms"));
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    stop(f);
}

/* A network of its own whose every outgoing connection starts from the same port. */
static bool enter_network_of_one_port(unsigned port) {
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
    bool done =
        fd >= 0 && range && ioctl(fd, SIOCSIFFLAGS, &up) == 0 && fprintf(range, "%u %u\n", port, port) > 0;
    if (range)
        done = fclose(range) == 0 && done;
    if (fd >= 0)
        close(fd);
    return done;
}

enum { EXIT_IMPOSSIBLE = 77 };

/* Ends the process: 0 when every dial was refused. */
static void dial_oneself(void) {
    if (!enter_network_of_one_port(40001))
        _exit(EXIT_IMPOSSIBLE);
    struct fixture *f = start();
    peer_stops_listening(f);
    f->link = link_new(f->net, "127.0.0.1", 40001, TIMEOUT_MS);
    link_set_owner(f->link, f);
    for (uint64_t until = now_ms() + 2000; f->downs < 3 && now_ms() < until;)
        turn(f);
    _exit(f->ups == 0 && f->downs == 3 && f->refusals == 3 ? 0 : 1);
}

static void a_dial_that_reaches_itself_counts_as_refused(void **state) {
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        dial_oneself();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == EXIT_IMPOSSIBLE)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- replies ------------------------------------------------------------------------------------------- */

static const char many_kinds[] = "+OK\r\n-ERR no\r\n:-42\r\n$5\r\nhe\nlo\r\n$0\r\n\r\n$-1\r\n*0\r\n*-1\r\n"
                                 "*3\r\n$2\r\nab\r\n:7\r\n$-1\r\n*2\r\n*2\r\n+x\r\n$1\r\ny\r\n+z\r\n";
static const char many_logged[] = "+(OK)-(ERR no):(-42)$(he\nlo)$()$(_)*()$(_)*(ab 7 _)*(x y z)";

static void replies_of_every_kind_come_as_text(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    int fd = peer_up(f);
    f->logged = 0;
    peer_says(fd, many_kinds);
    TURNS_UNTIL(f, f->logged >= strlen(many_logged));
    assert_string_equal(f->log, many_logged);

    f->logged = 0;
    for (const char *at = many_kinds; *at; at++) { /* and byte by byte */
        char piece[2] = {*at, '\0'};
        peer_says(fd, piece);
        turn(f);
    }
    TURNS_UNTIL(f, f->logged >= strlen(many_logged));
    assert_string_equal(f->log, many_logged);
    close(fd);
    stop(f);
}

static void replies_sent_before_the_end_are_delivered_before_the_fall(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    int fd = peer_up(f);
    peer_says(fd, "+a\r\n+b\r\n+hal");
    close(fd);
    TURNS_UNTIL(f, f->downs == 1);
    assert_string_equal(f->log, "up +(a)+(b)down ");
    assert_string_equal(link_last_error(f->link), "the peer closed the connection");
    stop(f);
}

static void the_reader_starts_afresh_with_each_connection(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    int fd = peer_up(f);
    peer_says(fd, "*3\r\n$1\r\na\r\n$1\r\n");
    turns(f, 3);
    close(fd);
    fd = peer_up(f);
    f->logged = 0;
    peer_says(fd, "*1\r\n$1\r\nb\r\n");
    TURNS_UNTIL(f, f->logged > 0);
    assert_string_equal(f->log, "*(b)");
    close(fd);
    stop(f);
}

static void garbage_ends_only_that_connection(void **state) {
    static const char *const garbage[] = {"HTTP/1.1 400 Bad Request\r\n\r\n",
                                          "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
                                          "$99999999999999999999\r\n",
                                          "$-2\r\n",
                                          "*-2\r\n",
                                          ":12x\r\n",
                                          ">2\r\n+a\r\n+b\r\n",
                                          "\r\n",
                                          "*2147483648\r\n"};
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    f->open = true;
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = peer_up(f);
        f->logged = 0;
        peer_says(fd, "+fine\r\n");
        peer_says(fd, garbage[i]);
        TURNS_UNTIL(f, f->downs == i + 1);
        assert_memory_equal(f->log, "+(fine)down ", 12);
        assert_non_null(strstr(link_last_error(f->link), "no reply"));
        close(fd);
    }
    stop(f);
}

static void a_reply_without_end_is_cut_at_a_megabyte(void **state) {
    static const char *const heads[] = {"$900000000\r\n", "+", "*2147483647\r\n"};
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        int fd = peer_up(f);
        size_t sent = 0;
        peer_says(fd, heads[i]);
        while (f->downs == i && sent < 16 << 20) {
            ssize_t more = send(fd, ":1\r\n:1\r\n:1\r\n:1\r\n", i == 1 ? 1 : 16, MSG_NOSIGNAL);
            for (int j = 0; j < 4000 && more > 0; j++, sent += (size_t)more)
                more = send(fd, i == 1 ? "xxxxxxxxxxxxxxxx" : ":1\r\n:1\r\n:1\r\n:1\r\n", 16, MSG_NOSIGNAL);
            turn(f);
        }
        TURNS_UNTIL(f, f->downs == i + 1);
        assert_non_null(strstr(link_last_error(f->link), "over 1 MB"));
        close(fd);
    }
    stop(f);
}

/* ---- sending ------------------------------------------------------------------------------------------- */

enum { BLOBS = 1000, BLOB_BYTES = 10007 };

/* Own and shared bytes in turn, whose content tells their place. */
static void send_blobs(struct fixture *f, char *blobs, int *released, char *expected) {
    for (int i = 0; i < BLOBS; i++) {
        char *blob = blobs + (size_t)i * BLOB_BYTES, head[16];
        size_t length = (size_t)(i * 37 % BLOB_BYTES) + 1;
        memset(blob, 'a' + i % 26, length);
        int head_length = snprintf(head, sizeof head, "<%d>", i);
        if (i % 3 != 0) {
            resp_buf_append(link_out(f->link), head, (size_t)head_length);
            memcpy(expected, head, (size_t)head_length);
            expected += head_length;
        }
        link_send_shared(f->link, blob, length, count_release, &released[i]);
        memcpy(expected, blob, length);
        expected += length;
    }
    link_touch(f->link);
}

static void a_slow_peer_gets_all_blobs_in_order_and_each_is_released_once(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    static int released[BLOBS];
    (void)state;
    int fd = peer_up(f), small = 256 * 1024;
    char *blobs = malloc((size_t)BLOBS * BLOB_BYTES);
    char *expected = malloc((size_t)BLOBS * (BLOB_BYTES + 16)),
         *heard = malloc((size_t)BLOBS * (BLOB_BYTES + 16));
    memset(released, 0, sizeof released);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    send_blobs(f, blobs, released, expected);
    size_t all = link_backlog(f->link);
    turns(f, 5);
    size_t waits = link_backlog(f->link);
    assert_true(waits > 0 && waits < all);
    assert_int_equal(released[0], 1);
    assert_int_equal(released[BLOBS - 1], 0);
    assert_int_equal(peer_hears(f, fd, heard, all), all);
    assert_memory_equal(heard, expected, all);
    turn(f);
    for (int i = 0; i < BLOBS; i++)
        assert_int_equal(released[i], 1);
    assert_int_equal(link_backlog(f->link), 0);
    free(blobs);
    free(expected);
    free(heard);
    close(fd);
    stop(f);
}

static void a_link_that_falls_while_sending_releases_each_blob_once(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    static int released[BLOBS];
    (void)state;
    char *blobs = malloc((size_t)BLOBS * BLOB_BYTES), *expected = malloc((size_t)BLOBS * (BLOB_BYTES + 16));
    int fd = peer_up(f);
    memset(released, 0, sizeof released);
    send_blobs(f, blobs, released, expected);
    turns(f, 3);
    assert_int_equal(released[BLOBS - 1], 0);
    close(fd); /* with unread bytes: a reset */
    TURNS_UNTIL(f, f->downs == 1);
    for (int i = 0; i < BLOBS; i++)
        assert_int_equal(released[i], 1);
    assert_int_equal(link_backlog(f->link), 0);

    fd = peer_up(f); /* nothing of the old comes over the new connection */
    resp_buf_append(link_out(f->link), "new", 3);
    link_touch(f->link);
    char heard[16] = "";
    assert_int_equal(peer_hears(f, fd, heard, 3), 3);
    assert_string_equal(heard, "new");
    free(blobs);
    free(expected);
    close(fd);
    stop(f);
}

static void what_is_put_into_a_link_that_is_down_is_dropped_and_released(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    int released = 0;
    char heard[16] = "";
    (void)state;
    resp_buf_append(link_out(f->link), "lost", 4);
    link_send_shared(f->link, "lost", 4, count_release, &released);
    link_touch(f->link);
    assert_int_equal(released, 1);
    int fd = peer_up(f);
    link_send_shared(f->link, "", 0, count_release, &released);
    assert_int_equal(released, 2);
    resp_buf_append(link_out(f->link), "kept", 4);
    link_touch(f->link);
    assert_int_equal(peer_hears(f, fd, heard, 4), 4);
    assert_string_equal(heard, "kept");
    close(fd);
    stop(f);
}

static void freeing_the_network_releases_what_was_not_sent(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    int released = 0;
    (void)state;
    int fd = peer_up(f);
    link_send_shared(f->link, "never", 5, count_release, &released);
    stop(f);
    assert_int_equal(released, 1);
    close(fd);
}

/* ---- the owner's hand ---------------------------------------------------------------------------------- */

static void a_dropped_link_delivers_nothing_more_and_backs_off(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    f->open = f->drop = true;
    int fd = peer_up(f);
    peer_says(fd, "+a\r\n+b\r\n+c\r\n");
    TURNS_UNTIL(f, f->downs == 1);
    assert_string_equal(f->log, "up +(a)down ");
    assert_string_equal(link_last_error(f->link), "not liked");
    assert_int_equal(link_state(f->link), LINK_WAITING);
    uint64_t since = now_ms();
    close(fd);
    fd = peer_up(f);
    assert_true(now_ms() - since >= 30);
    close(fd);
    stop(f);
}

static void dropping_outside_of_the_events_is_news_in_the_next_turn(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    int fd = peer_up(f);
    link_drop(f->link, "later");
    ev_timer_stop(f->loop, &f->wake);
    net_flush(f->net, now_ms());
    ev_run(f->loop, EVRUN_ONCE); /* would hang here if the loop slept */
    turn(f);
    assert_int_equal(f->downs, 1);
    close(fd);
    stop(f);
}

static void a_new_address_is_dialled_at_once(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    int fd = peer_up(f), old = f->listener;
    link_set_address(f->link, "127.0.0.1", f->port);
    turns(f, 3);
    assert_int_equal(f->downs, 0); /* the same address changes nothing */
    listen_at(f, AF_INET, 0, 16);
    link_set_address(f->link, "localhost", f->port);
    int next = peer_up(f);
    assert_int_equal(f->downs, 1);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);

    peer_stops_listening(f); /* also while it backs off */
    close(next);
    TURNS_UNTIL(f, f->refusals > 0);
    listen_at(f, AF_INET, 0, 16);
    link_set_address(f->link, "127.0.0.1", f->port);
    next = peer_up(f);
    close(fd);
    close(next);
    close(old);
    stop(f);
}

static void a_link_may_be_freed_in_every_state(void **state) {
    (void)state;
    for (int after = 0; after < 6; after++) {
        struct fixture *f = start_link(after % 2 ? "localhost" : "127.0.0.1");
        int released = 0;
        turns(f, after);
        link_send_shared(f->link, "bytes", 5, count_release, &released);
        link_free(f->link);
        struct link_event event;
        assert_false(link_take(f->link, &event));
        turns(f, 3);
        assert_int_equal(released, 1);
        assert_int_equal(f->ups + f->downs < 2, true);
        stop(f);
    }
    struct fixture *f = start_link("localhost"); /* with its look-up under way and no turn to come */
    turn(f);
    link_free(f->link);
    stop(f);
}

static void many_links_live_side_by_side(void **state) {
    enum { LINKS = 10 };
    struct fixture *f = start();
    struct link *links[LINKS];
    unsigned ups = 0;
    (void)state;
    for (int i = 0; i < LINKS; i++)
        links[i] = link_new(f->net, i % 2 ? "localhost" : "127.0.0.1", f->port, TIMEOUT_MS);
    for (uint64_t until = now_ms() + 8000; ups < LINKS && now_ms() < until;) {
        for (struct link *link; (link = net_take_link(f->net)) != NULL;)
            for (struct link_event event; link_take(link, &event);)
                ups += event.type == LINK_UP;
        net_flush(f->net, now_ms());
        ev_run(f->loop, EVRUN_ONCE);
    }
    assert_int_equal(ups, LINKS);
    for (int i = 0; i < LINKS; i += 2)
        link_free(links[i]);
    net_flush(f->net, now_ms());
    stop(f);
}

/* ---- the outbox against a stupid twin ------------------------------------------------------------------ */

static size_t gather(const struct iovec *parts, size_t count, char *bytes, size_t max) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(parts[i].iov_len > 0);
        for (size_t j = 0; j < parts[i].iov_len && length < max; j++)
            bytes[length++] = ((const char *)parts[i].iov_base)[j];
    }
    return length;
}

static void an_outbox_sends_what_a_plain_buffer_would(void **state) {
    enum { BYTES = 1 << 20, RUNS = 4000 };
    (void)state;
    char *source = malloc(BYTES), *seen = malloc(BYTES);
    unsigned seed = 7;
    for (size_t i = 0; i < BYTES; i++)
        source[i] = (char)(i * 31 + i / 251);
    for (int round = 0; round < 20; round++) {
        struct outbox outbox = {0};
        struct iovec parts[9];
        size_t put = 0, sent = 0;
        int shares = 0, released = 0;
        for (int run = 0; run < RUNS && put + 64 < BYTES; run++) {
            size_t length = (size_t)rand_r(&seed) % 60;
            switch (rand_r(&seed) % 3) {
            case 0:
                resp_buf_append(&outbox.own, source + put, length);
                put += length;
                break;
            case 1:
                outbox_share(&outbox, source + put, length, count_release, &released);
                put += length;
                shares++;
                break;
            default:
                length =
                    gather(parts, outbox_parts(&outbox, parts, (size_t)rand_r(&seed) % 9 + 1), seen, BYTES);
                assert_memory_equal(seen, source + sent, length);
                length = length > 0 ? (size_t)rand_r(&seed) % (length + 1) : 0;
                outbox_sent(&outbox, length);
                sent += length;
            }
            assert_int_equal(outbox_length(&outbox), put - sent);
        }
        outbox_close(&outbox);
        assert_int_equal(released, shares);
    }
    free(source);
    free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_connects_and_sends_own_and_shared_bytes_in_order),
        cmocka_unit_test(a_refused_link_says_so_and_dials_until_somebody_listens),
        cmocka_unit_test(dials_back_off),
        cmocka_unit_test(an_open_link_that_falls_dials_at_once),
        cmocka_unit_test(a_peer_that_is_gone_is_known_to_be_at_once),
        cmocka_unit_test(a_peer_that_closes_at_once_is_not_dialled_in_a_hot_loop),
        cmocka_unit_test(a_name_is_looked_up),
        cmocka_unit_test(a_name_without_an_address_is_a_failed_dial),
        cmocka_unit_test(ipv6_is_dialled),
        cmocka_unit_test(a_connect_without_an_answer_ends_at_its_deadline),
        cmocka_unit_test(a_dial_that_reaches_itself_counts_as_refused),
        cmocka_unit_test(replies_of_every_kind_come_as_text),
        cmocka_unit_test(replies_sent_before_the_end_are_delivered_before_the_fall),
        cmocka_unit_test(the_reader_starts_afresh_with_each_connection),
        cmocka_unit_test(garbage_ends_only_that_connection),
        cmocka_unit_test(a_reply_without_end_is_cut_at_a_megabyte),
        cmocka_unit_test(a_slow_peer_gets_all_blobs_in_order_and_each_is_released_once),
        cmocka_unit_test(a_link_that_falls_while_sending_releases_each_blob_once),
        cmocka_unit_test(what_is_put_into_a_link_that_is_down_is_dropped_and_released),
        cmocka_unit_test(freeing_the_network_releases_what_was_not_sent),
        cmocka_unit_test(a_dropped_link_delivers_nothing_more_and_backs_off),
        cmocka_unit_test(dropping_outside_of_the_events_is_news_in_the_next_turn),
        cmocka_unit_test(a_new_address_is_dialled_at_once),
        cmocka_unit_test(a_link_may_be_freed_in_every_state),
        cmocka_unit_test(many_links_live_side_by_side),
        cmocka_unit_test(an_outbox_sends_what_a_plain_buffer_would),
    };
    return cmocka_run_group_tests_name("net link", tests, NULL, NULL);
}
