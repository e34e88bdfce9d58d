/* SPDX-License-Identifier: MIT */
/* What links send, who releases it and when, and what their owner may do. The peer is a bare socket. */
#include "net_link_world.h"

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

/* It has lasted: one that fell by itself after as long would be dialled at once. */
static void a_dropped_link_delivers_nothing_more_and_backs_off(void **state) {
    struct fixture *f = start_link("127.0.0.1");
    (void)state;
    f->open = f->drop = true;
    int fd = peer_up(f);
    for (uint64_t until = now_ms() + 60; now_ms() < until;)
        turn(f);
    uint64_t since = now_ms();
    peer_says(fd, "+a\r\n+b\r\n+c\r\n");
    TURNS_UNTIL(f, f->downs == 1);
    assert_string_equal(f->log, "up +(a)down ");
    assert_string_equal(link_last_error(f->link), "not liked");
    assert_int_equal(link_state(f->link), LINK_WAITING);
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
    return cmocka_run_group_tests_name("net link sending", tests, NULL, NULL);
}
