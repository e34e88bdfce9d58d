/* SPDX-License-Identifier: MIT */
/*
 * Clients, over real sockets on the loopback. The node is replaced by the smallest thing that answers: each
 * whole line that came is sent back behind a '+'; a line "hold" or "free" or "close" does what it says.
 */
#include "net_client_world.h"

#include <poll.h>

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

/* Both have been answered; the turn is not over. */
static void who_is_flushed_within_a_turn_has_it_before_the_turns_end(void **state) {
    struct fixture *f = start(&usual);
    int fds[2];
    char heard[8];
    (void)state;
    for (int i = 0; i < 2; i++) {
        fds[i] = dial(f->port);
        TURNS_UNTIL(f, counters(f).clients == (size_t)i + 1);
    }
    struct client *first = net_first_client(f->net), *second = net_next_client(first);
    for (int i = 0; i < 2; i++)
        say(fds[i], "one\n");
    for (uint64_t until = now_ms() + 5000;
         (resp_buf_length(&first->out) == 0 || resp_buf_length(&second->out) == 0) && now_ms() < until;
         node_turn(f))
        ev_run(f->loop, EVRUN_ONCE);
    assert_int_equal(recv(fds[0], heard, sizeof heard, 0), -1);
    net_flush_clients(f->net, &first, 1);
    struct pollfd comes = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&comes, 1, 5000), 1); /* nobody turns meanwhile */
    assert_int_equal(recv(fds[0], heard, sizeof heard, 0), 5);
    assert_int_equal(recv(fds[1], heard, sizeof heard, 0), -1);
    net_flush_clients(f->net, &first, 1); /* nothing, once more */
    client_free(second);
    net_flush_clients(f->net, &second, 1); /* it is gone */
    assert_int_equal(recv(fds[1], heard, sizeof heard, 0), -1);
    assert_heard(f, fds[1], "+one\n");
    assert_closed(f, fds[1]);
    assert_int_equal(counters(f).clients, 1);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_comes_in_pieces_is_answered_when_it_is_whole),
        cmocka_unit_test(a_client_knows_both_addresses),
        cmocka_unit_test(who_is_flushed_within_a_turn_has_it_before_the_turns_end),
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
    };
    return cmocka_run_group_tests_name("net client", tests, NULL, NULL);
}
