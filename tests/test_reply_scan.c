/* SPDX-License-Identifier: MIT */
/* Where a reply ends, whatever it holds and in whatever pieces it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../resp/resp.h"
#include "../src/reply_scan.h"

static void a_reply_ends_where_its_last_element_does(void **state) {
    (void)state;
    static const char *const replies[] = {
        "+OK\r\n",
        "-ERR no\r\n",
        ":-12\r\n",
        ",1.5\r\n",
        "#t\r\n",
        "(123456789012345678901234567890\r\n",
        "_\r\n",
        "$0\r\n\r\n",
        "$5\r\na\r\nb\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        "%2\r\n+a\r\n*2\r\n:1\r\n:2\r\n+b\r\n%0\r\n",
        "~1\r\n=7\r\ntxt:abc\r\n",
        "!3\r\nERR\r\n",
        "|1\r\n+k\r\n:1\r\n*1\r\n+v\r\n",
        ">2\r\n+message\r\n$1\r\nx\r\n",
        "*1\r\n|1\r\n+k\r\n+v\r\n:1\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        size_t length = strlen(replies[i]);
        char text[128];
        snprintf(text, sizeof text, "%s+next\r\n", replies[i]);
        for (size_t split = 0; split < length; split++) {
            struct reply_scan scan = {0};
            bool whole;
            assert_int_equal(reply_scan(&scan, text, split, &whole), split);
            assert_false(whole);
            assert_int_equal(reply_scan(&scan, text + split, strlen(text) - split, &whole), length - split);
            assert_true(whole);
            assert_int_equal(reply_scan_is_push(&scan), text[0] == '>');
        }
    }
}

/* Writes a reply of random shape; returns its depth-first text in `out`. */
static void write_random(struct resp_out *out, unsigned *seed, int depth) {
    char bytes[600];
    size_t length = (size_t)rand_r(seed) % sizeof bytes;
    memset(bytes, '\n', sizeof bytes);
    switch (rand_r(seed) % (depth > 3 ? 5 : 8)) {
    case 0:
        resp_status(out, "QUEUED");
        return;
    case 1:
        resp_integer(out, rand_r(seed));
        return;
    case 2:
        resp_bulk(out, bytes, length);
        return;
    case 3:
        resp_null(out);
        return;
    case 4:
        resp_verbatim(out, bytes, length);
        return;
    case 5:
        resp_map(out, length % 4);
        for (size_t i = 0; i < 2 * (length % 4); i++)
            write_random(out, seed, depth + 1);
        return;
    default:
        resp_array(out, length % 5);
        for (size_t i = 0; i < length % 5; i++)
            write_random(out, seed, depth + 1);
    }
}

static void random_replies_in_random_pieces_are_told_apart(void **state) {
    (void)state;
    enum { REPLIES = 2000 };
    static size_t ends[REPLIES];
    unsigned seed = 7;
    for (int protocol = 2; protocol <= 3; protocol++) {
        struct resp_buf text = {0};
        struct resp_out out = {.buf = &text, .protocol = protocol};
        for (size_t i = 0; i < REPLIES; i++) {
            write_random(&out, &seed, 0);
            ends[i] = resp_buf_length(&text);
        }
        struct reply_scan scan = {0};
        size_t at = 0, found = 0;
        while (at < resp_buf_length(&text)) {
            size_t left = resp_buf_length(&text) - at, piece = 1 + (size_t)rand_r(&seed) % 900;
            bool whole;
            at += reply_scan(&scan, resp_buf_bytes(&text) + at, piece < left ? piece : left, &whole);
            assert_false(scan.bad);
            if (whole)
                assert_int_equal(at, ends[found++]);
        }
        assert_int_equal(found, REPLIES);
        resp_buf_close(&text);
    }
}

static void what_is_no_reply_is_noticed(void **state) {
    (void)state;
    static const char *const texts[] = {"\r\n",    "hello\r\n",        "$x\r\n", "*1x\r\n",
                                        "$-2\r\n", "*99999999999\r\n", "$\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct reply_scan scan = {0};
        bool whole;
        reply_scan(&scan, texts[i], strlen(texts[i]), &whole);
        assert_true(scan.bad);
        assert_false(whole);
        assert_int_equal(reply_scan(&scan, "+OK\r\n", 5, &whole), 0);
    }
}

static void the_beginning_of_a_reply_is_kept(void **state) {
    (void)state;
    struct reply_scan scan = {0};
    bool whole;
    static const char moved[] = "-MOVED 12182 a-host-with-a-rather-long-name.example.org:7101\r\n";
    for (size_t i = 0; i < sizeof moved - 1; i++)
        reply_scan(&scan, moved + i, 1, &whole);
    assert_true(whole);
    assert_true(reply_scan_begins(&scan, "-MOVED "));
    assert_false(reply_scan_begins(&scan, "-ASK "));
    assert_false(reply_scan_is_null(&scan));
    reply_scan(&scan, "*-1\r\n", 5, &whole);
    assert_true(whole && reply_scan_is_null(&scan) && !reply_scan_begins(&scan, "-MOVED "));
    reply_scan(&scan, "_\r\n", 3, &whole);
    assert_true(whole && reply_scan_is_null(&scan));
    reply_scan(&scan, "*1\r\n_\r\n", 8, &whole);
    assert_true(whole && !reply_scan_is_null(&scan));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_ends_where_its_last_element_does),
        cmocka_unit_test(random_replies_in_random_pieces_are_told_apart),
        cmocka_unit_test(what_is_no_reply_is_noticed),
        cmocka_unit_test(the_beginning_of_a_reply_is_kept),
    };
    return cmocka_run_group_tests_name("reply_scan", tests, NULL, NULL);
}
