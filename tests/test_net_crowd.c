/* SPDX-License-Identifier: MIT */
/* Clients in numbers: turns, limits, too few descriptors, listening. Over real sockets on the loopback. */
#include "net_client_world.h"

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

/* Every tenth says much. */
static void a_thousand_connections_are_served_and_own_small_buffers_only_when_idle(void **state) {
    enum { COUNT = 1000, MUCH = 2000 };
    struct fixture *f = start(&usual);
    static int fds[COUNT];
    static char line[MUCH + 32], expected[MUCH + 32];
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial(f->port);
        assert_true(fds[i] >= 0);
        if (i % 100 == 0)
            turn(f);
    }
    TURNS_UNTIL(f, counters(f).clients == COUNT);
    for (int i = 0; i < COUNT; i++) {
        snprintf(line, sizeof line, "%0*d\n", i % 10 == 0 ? MUCH : 1, i);
        say(fds[i], line);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(expected, sizeof expected, "+%0*d\n", i % 10 == 0 ? MUCH : 1, i);
        assert_heard(f, fds[i], expected);
    }
    turns(f, 2);
    unsigned kept = 0;
    for (struct client *client = net_first_client(f->net); client; client = net_next_client(client)) {
        assert_true(client_memory(client) < 1280);
        assert_in_range(client->in.capacity, 0, 256);
        assert_in_range(client->out.capacity, 0, 64);
        kept += client->in.bytes && client->out.bytes;
    }
    assert_int_equal(kept, COUNT - COUNT / 10);
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

enum { CROWD = 2 * NET_TURN_CLIENTS + 100 };

static void crowd_say(const int fds[CROWD]) {
    for (int i = 0; i < CROWD; i++)
        say(fds[i], "a\n");
}

/* Who has got a reply asks at once for another. */
static void crowd_hear(const int fds[CROWD], unsigned replies[CROWD]) {
    char reply[8];
    for (int i = 0; i < CROWD; i++) {
        if (recv(fds[i], reply, sizeof reply, MSG_DONTWAIT) <= 0)
            continue;
        replies[i]++;
        say(fds[i], "a\n");
    }
}

static struct fixture *crowd(int fds[CROWD]) {
    struct net_options options = usual;
    options.clients_max = CROWD;
    struct fixture *f = start(&options);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = dial(f->port);
        assert_true(fds[i] >= 0);
        if (i % 100 == 0)
            turn(f);
    }
    TURNS_UNTIL(f, counters(f).clients == CROWD);
    return f;
}

static void a_crowd_is_read_from_in_turns_and_nobody_twice_before_all_were_once(void **state) {
    (void)state;
    static int fds[CROWD];
    static unsigned replies[CROWD];
    struct fixture *f = crowd(fds);
    crowd_say(fds); /* libev asks for more events at a time as it sees more */
    turns(f, 40);
    for (int i = 0; i < CROWD; i++)
        assert_heard(f, fds[i], "+a\n");
    crowd_say(fds);
    memset(replies, 0, sizeof replies);
    for (int i = 0; i < 3; i++) {
        unsigned before = f->takes;
        turn(f);
        assert_int_equal(f->takes - before, i ? NET_TURN_CLIENTS : 0);
        crowd_hear(fds, replies);
    }
    turn(f);
    crowd_hear(fds, replies);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(replies[i], 1);
        close(fds[i]);
    }
    TURNS_UNTIL(f, counters(f).clients == 0);
    stop(f);
}

static unsigned unsent(struct fixture *f) {
    unsigned count = 0;
    for (struct client *client = net_first_client(f->net); client; client = net_next_client(client))
        count += resp_buf_length(&client->out) > 0;
    return count;
}

static void a_crowd_is_written_to_in_turns_without_sleeping(void **state) {
    (void)state;
    static int fds[CROWD];
    struct fixture *f = crowd(fds);
    turns(f, 5);
    for (struct client *client = net_first_client(f->net); client; client = net_next_client(client)) {
        resp_buf_append(&client->out, "+all\n", 5);
        client_touch(client);
    }
    ev_timer_stop(f->loop, &f->wake);
    for (unsigned left = CROWD; left > 0;
         ev_run(f->loop, EVRUN_ONCE)) { /* would hang here if the loop slept */
        struct client *some = net_first_client(f->net);
        net_flush_clients(f->net, &some, 1); /* those within the turn count */
        net_flush(f->net, now_ms());
        left = left > NET_TURN_CLIENTS ? left - NET_TURN_CLIENTS : 0;
        assert_int_equal(unsent(f), left);
        if (left == 0)
            break;
    }
    for (int i = 0; i < CROWD; i++) {
        assert_heard(f, fds[i], "+all\n");
        close(fds[i]);
    }
    stop(f);
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
        cmocka_unit_test(a_paused_client_is_not_read_and_resumes_in_order),
        cmocka_unit_test(a_paused_senders_bytes_wait_in_the_kernel),
        cmocka_unit_test(asking_again_returns_a_client_in_the_next_turn_without_sleeping),
        cmocka_unit_test(freeing_is_safe_with_events_pending_and_during_the_walk),
        cmocka_unit_test(freeing_in_the_turn_still_sends_what_was_said),
        cmocka_unit_test(a_thousand_connections_are_served_and_own_small_buffers_only_when_idle),
        cmocka_unit_test(a_crowd_is_read_from_in_turns_and_nobody_twice_before_all_were_once),
        cmocka_unit_test(a_crowd_is_written_to_in_turns_without_sleeping),
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
    return cmocka_run_group_tests_name("net crowd", tests, NULL, NULL);
}
