/* SPDX-License-Identifier: MIT */
/*
 * Links, over real sockets on the loopback. The peer is a bare socket that the test accepts, reads and
 * writes by hand, so that it can do what no honest peer would.
 */
#include "net_link_world.h"

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

/* The whole of 127/8 is this machine, but only one address of it is our end's. */
static void a_link_to_our_own_address_is_local_and_to_another_is_not(void **state) {
    static const char *const hosts[] = {"127.0.0.1", "127.0.0.2"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(hosts[i])};
        socklen_t length = sizeof address;
        struct fixture *f = start();
        close(f->listener);
        f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(f->listener, (struct sockaddr *)&address, length), 0);
        assert_int_equal(listen(f->listener, 16), 0);
        getsockname(f->listener, (struct sockaddr *)&address, &length);
        f->link = link_new(f->net, hosts[i], ntohs(address.sin_port), TIMEOUT_MS);
        link_set_owner(f->link, f);
        assert_false(link_is_local(f->link));
        int fd = peer_up(f);
        assert_int_equal(link_is_local(f->link), i == 0);
        close(fd);
        stop(f);
    }
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

/* Faster than any back-off, at least in one of a few trials: the machine may be busy. */
enum { AT_ONCE_MS = 30, TRIALS = 10 };

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

static void whoever_is_known_to_be_there_is_dialled_at_once(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    bool at_once = false;
    (void)state;
    peer_stops_listening(f);
    for (int i = 0; i < TRIALS && !at_once; i++) {
        for (unsigned before = f->downs; f->downs < before + 3;) /* the next would be 150 ms away, or more */
            turn(f);
        uint64_t last = f->down_ms;
        unsigned before = f->downs;
        link_hurry(f->link);
        TURNS_UNTIL(f, f->downs == before + 1);
        at_once = f->down_ms - last < AT_ONCE_MS;
    }
    assert_true(at_once);
    stop(f);
}

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_connects_and_sends_own_and_shared_bytes_in_order),
        cmocka_unit_test(a_link_to_our_own_address_is_local_and_to_another_is_not),
        cmocka_unit_test(a_refused_link_says_so_and_dials_until_somebody_listens),
        cmocka_unit_test(dials_back_off),
        cmocka_unit_test(whoever_is_known_to_be_there_is_dialled_at_once),
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
    };
    return cmocka_run_group_tests_name("net link", tests, NULL, NULL);
}
