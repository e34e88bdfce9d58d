/* SPDX-License-Identifier: MIT */
/* Log entries: a batch of commands written and read back, against the exact bytes, a twin, and what is no entry. */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../src/entry.h"
#include "../src/level.h"

struct fixture {
    struct resp_parser *client, *entry; /* a connection's parser, and the one that reads entries */
    struct entry_builder builder;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->client = resp_parser_new();
    f->entry = resp_parser_new();
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    entry_builder_close(&f->builder);
    resp_parser_free(f->client);
    resp_parser_free(f->entry);
    free(f);
    return 0;
}

/* Adds one request, as it came from a client; returns the bytes of its canonical form. */
static size_t add(struct fixture *f, unsigned db, const char *request, size_t length) {
    struct resp_command command;
    assert_int_equal(resp_parse(f->client, request, length, &resp_limits_redis, &command), RESP_COMMAND);
    assert_int_equal(command.consumed, length);
    entry_add(&f->builder, db, &command);
    return command.raw_length;
}

static size_t add_text(struct fixture *f, unsigned db, const char *request) {
    return add(f, db, request, strlen(request));
}

static struct raft_blob *blob_of(const char *text) {
    struct raft_blob *blob = raft_blob_new(strlen(text));
    memcpy(blob->bytes, text, strlen(text));
    return blob;
}

static void assert_bytes(const struct raft_blob *blob, const char *expected) {
    assert_int_equal(blob->length, strlen(expected));
    assert_memory_equal(blob->bytes, expected, blob->length);
}

/* What comes out of an entry, a line for each command: "db: word word". */
static const char *told(struct fixture *f, const struct raft_blob *blob) {
    static char text[4096];
    struct entry_reader reader;
    struct resp_command command;
    size_t at = 0;
    text[0] = '\0';
    assert_true(entry_open(&reader, blob, f->entry));
    while (entry_next(&reader, &command)) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%u:", reader.db);
        for (size_t i = 0; i < command.count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %.*s", (int)command.args[i].length,
                                   command.args[i].bytes);
        at += (size_t)snprintf(text + at, sizeof text - at, "\n");
        assert_true(at < sizeof text);
    }
    assert_false(entry_next(&reader, &command));
    return text;
}

static void whether_scripts_may_let_the_data_grow_stands_before_them(void **state) {
    struct fixture *f = *state;
    static const bool said[] = {false, true, true, false};
    struct entry_reader reader;
    struct resp_command command;
    for (size_t i = 0; i < 4; i++) {
        entry_add_room(&f->builder, said[i]);
        add_text(f, 0, "INCR n\r\n");
    }
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1700000000000);
    assert_true(entry_open(&reader, blob, f->entry));
    for (size_t i = 0; i < 4; i++) {
        assert_true(entry_next(&reader, &command));
        assert_int_equal(reader.no_room, said[i]);
    }
    assert_false(entry_next(&reader, &command));
    assert_int_equal(blob->length,
                     strlen("*3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n$13\r\n1700000000000\r\n") + 4 * 21 + 2 * 21);
    raft_blob_unref(blob);
}

static void a_transaction_is_a_head_and_what_follows_it(void **state) {
    struct fixture *f = *state;
    struct entry_reader reader;
    struct resp_command command;
    struct entry_transaction head = {.commands = 2, .since = 9, .upheavals = 1, .watched = 1};
    const struct resp_arg key = {"a\r\nb", 4}, *read;
    unsigned db;
    bool present;
    entry_add_transaction(&f->builder, &head);
    entry_add_watch(&f->builder, 3, true, &key);
    add_text(f, 0, "INCR n\r\n");
    add_text(f, 2, "INCR n\r\n");
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1700000000000);
    assert_true(entry_open(&reader, blob, f->entry));
    assert_true(entry_next(&reader, &command));
    head = (struct entry_transaction){.commands = 0};
    assert_true(entry_is_transaction(&command, &head));
    assert_true(head.commands == 2 && head.since == 9 && head.upheavals == 1 && head.watched == 1);
    entry_watch(&head, 0, &db, &present, &read);
    assert_true(db == 3 && present && read->length == 4 && memcmp(read->bytes, "a\r\nb", 4) == 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(entry_next(&reader, &command));
        assert_false(entry_is_transaction(&command, &head));
        assert_int_equal(reader.db, 2 * i);
    }
    assert_false(entry_next(&reader, &command));
    raft_blob_unref(blob);
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

#define HEADER   "*3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n$13\r\n1700000000000\r\n"
#define SELECT_2 "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n"
#define SELECT_0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
#define INCR_N   "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"

static void an_entry_is_its_header_then_the_commands_with_a_select_where_the_database_changes(void **state) {
    static const struct {
        unsigned db[4];
        size_t count;
        const char *bytes;
    } rows[] = {
        {{0}, 0, HEADER},
        {{0}, 1, HEADER INCR_N},
        {{2}, 1, HEADER SELECT_2 INCR_N},
        {{2, 2}, 2, HEADER SELECT_2 INCR_N INCR_N},
        {{0, 2, 2, 0}, 4, HEADER INCR_N SELECT_2 INCR_N INCR_N SELECT_0 INCR_N},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t j = 0; j < rows[i].count; j++)
            add_text(f, rows[i].db[j], INCR_N);
        assert_int_equal(f->builder.count, rows[i].count);
        struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1700000000000);
        assert_bytes(blob, rows[i].bytes);
        assert_int_equal(blob->references, 1);
        raft_blob_unref(blob);
    }
}

static void an_inline_command_is_rewritten(void **state) {
    struct fixture *f = *state;
    add_text(f, 0, "SET  k \"a b\\x00\"\r\n");
    add_text(f, 0, "incr n\n");
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1700000000000);
    static const char expected[] = HEADER "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na b\0\r\n"
                                          "*2\r\n$4\r\nincr\r\n$1\r\nn\r\n";
    assert_int_equal(blob->length, sizeof expected - 1);
    assert_memory_equal(blob->bytes, expected, sizeof expected - 1);
    raft_blob_unref(blob);
}

static void a_closed_builder_begins_the_next_entry_in_database_0(void **state) {
    struct fixture *f = *state;
    add_text(f, 2, INCR_N);
    raft_blob_unref(entry_close(&f->builder, LEVEL_FIRST, 1));
    assert_int_equal(f->builder.count, 0);
    assert_int_equal(entry_size(&f->builder), ENTRY_OVERHEAD_MAX);
    add_text(f, 2, INCR_N);
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1700000000000);
    assert_bytes(blob, HEADER SELECT_2 INCR_N);
    raft_blob_unref(blob);
}

/* ---- back -------------------------------------------------------------------------------------------------- */

static void commands_come_back_in_order_each_with_its_database(void **state) {
    struct fixture *f = *state;
    add_text(f, 3, "SET a 1\r\n");
    add_text(f, 3, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$0\r\n\r\n");
    add_text(f, 0, "FLUSHDB\r\n");
    add_text(f, 15, "RENAME a b\r\n");
    add_text(f, 3, "DEL a b\r\n");
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 42);
    assert_string_equal(told(f, blob), "3: SET a 1\n3: SET b \n0: FLUSHDB\n15: RENAME a b\n3: DEL a b\n");
    raft_blob_unref(blob);
}

static void the_clock_and_the_level_come_back(void **state) {
    static const uint64_t clocks[] = {0, 1, 1700000000000, INT64_MAX};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        unsigned level = LEVEL_FIRST + (unsigned)i % LEVEL_NEWEST;
        struct raft_blob *blob = entry_close(&f->builder, level, clocks[i]);
        struct entry_reader reader;
        struct resp_command command;
        assert_true(entry_open(&reader, blob, f->entry));
        assert_int_equal(reader.clock_ms, clocks[i]);
        assert_int_equal(reader.level, level);
        assert_false(entry_next(&reader, &command));
        raft_blob_unref(blob);
    }
}

/* A log may hold what an earlier configuration allowed. */
static void replay_knows_no_limit(void **state) {
    struct fixture *f = *state;
    size_t count = resp_limits_redis.args_max + 3;
    struct resp_buf request = {0};
    resp_request(&request, count);
    for (size_t i = 0; i < count; i++)
        resp_request_text(&request, i == 0 ? "DEL" : "k");
    const struct resp_arg name = {"DEL", 3};
    const struct resp_command command = {
        .args = &name, .count = 1, .raw = resp_buf_bytes(&request), .raw_length = resp_buf_length(&request)};
    entry_add(&f->builder, 0, &command);
    resp_buf_close(&request);
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1);
    struct entry_reader reader;
    struct resp_command read;
    assert_true(entry_open(&reader, blob, f->entry));
    assert_true(entry_next(&reader, &read));
    assert_int_equal(read.count, count);
    assert_false(entry_next(&reader, &read));
    raft_blob_unref(blob);
}

static void an_entry_is_read_though_its_parser_was_left_in_the_middle_of_another(void **state) {
    struct fixture *f = *state;
    struct resp_command command;
    static const char half[] = "*2\r\n$4\r\nIN";
    assert_int_equal(resp_parse(f->entry, half, sizeof half - 1, &resp_limits_redis, &command),
                     RESP_INCOMPLETE);
    add_text(f, 0, INCR_N);
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1);
    assert_string_equal(told(f, blob), "0: INCR n\n");
    raft_blob_unref(blob);
}

/* ---- whose they are --------------------------------------------------------------------------------------- */

static void by(struct fixture *f, uint64_t upstream, uint64_t request) {
    entry_add_origin(&f->builder, &(struct origin){.node = 2, .upstream = upstream, .request = request});
}

/* A word for each command: node/upstream/request, or - where it came by no proxy. */
static const char *whose(struct fixture *f, const struct raft_blob *blob) {
    static char text[1024];
    struct entry_reader reader;
    struct resp_command command;
    size_t length = 0;
    text[0] = 0;
    assert_true(entry_open(&reader, blob, f->entry));
    while (entry_next(&reader, &command)) {
        const struct origin *origin = &reader.origin;
        if (origin->node == 0)
            length += (size_t)snprintf(text + length, sizeof text - length, "- ");
        else
            length += (size_t)snprintf(text + length, sizeof text - length, "%d/%d/%d ", (int)origin->node,
                                       (int)origin->upstream, (int)origin->request);
    }
    return text;
}

static void commands_of_one_upstream_in_a_row_share_a_row(void **state) {
    struct fixture *f = *state;
    for (uint64_t request = 12; request < 15; request++) {
        by(f, 7000, request);
        add_text(f, request == 14 ? 2 : 0, INCR_N);
    }
    size_t length = resp_buf_length(&f->builder.commands);
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1);
    assert_string_equal(whose(f, blob), "2/7000/12 2/7000/13 2/7000/14 ");
    raft_blob_unref(blob);
    assert_int_equal(length,
                     3 * strlen(INCR_N) + strlen(SELECT_2) + strlen("*2\r\n$2\r\nBY\r\n$6\r\n......\r\n"));
}

static void what_came_by_no_proxy_is_nobodys_and_costs_nothing(void **state) {
    struct fixture *f = *state;
    by(f, 7000, 1);
    add_text(f, 0, INCR_N);
    add_text(f, 0, INCR_N);
    by(f, 7000, 2);
    add_text(f, 0, INCR_N);
    by(f, 7001, 3);
    add_text(f, 0, INCR_N);
    by(f, 7001, 5);
    add_text(f, 0, INCR_N);
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1);
    assert_string_equal(whose(f, blob), "2/7000/1 - 2/7000/2 2/7001/3 2/7001/5 ");
    raft_blob_unref(blob);
    add_text(f, 0, INCR_N);
    assert_int_equal(resp_buf_length(&f->builder.commands), strlen(INCR_N));
}

static void a_transaction_is_one_and_its_commands_are_nobodys(void **state) {
    struct fixture *f = *state;
    by(f, 7000, 8);
    entry_add_transaction(&f->builder, &(struct entry_transaction){.commands = 2});
    add_text(f, 0, INCR_N);
    add_text(f, 0, INCR_N);
    by(f, 7000, 9);
    add_text(f, 0, INCR_N);
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, 1);
    assert_string_equal(whose(f, blob), "2/7000/8 - - 2/7000/9 ");
    raft_blob_unref(blob);
}

static void the_highest_numbers_come_back(void **state) {
    const struct origin highest = {.node = UINT64_MAX, .upstream = UINT64_MAX, .request = UINT64_MAX};
    char bytes[ORIGIN_BYTES_MAX];
    struct origin read;
    size_t count;
    (void)state;
    struct resp_arg arg = {bytes, origin_write(bytes, &highest, ORIGIN_RUN_MAX)};
    assert_int_equal(arg.length, ORIGIN_BYTES_MAX);
    assert_true(origin_read(&arg, &read, &count));
    assert_memory_equal(&read, &highest, sizeof read);
    assert_int_equal(count, ORIGIN_RUN_MAX);
    for (arg.length = 0; arg.length < sizeof bytes; arg.length++)
        assert_false(origin_read(&arg, &read, &count));
    arg.length = sizeof bytes;
    bytes[sizeof bytes - 1] = 2; /* a bit too many */
    assert_false(origin_read(&arg, &read, &count));
}

/* ---- sizes ----------------------------------------------------------------------------------------------- */

static void a_lone_command_of_the_highest_database_and_clock_stays_within_the_overhead(void **state) {
    struct fixture *f = *state;
    entry_add_room(&f->builder, true);
    entry_add_origin(&f->builder,
                     &(struct origin){.node = UINT64_MAX, .upstream = UINT64_MAX, .request = UINT64_MAX});
    size_t raw = add_text(f, UINT_MAX, INCR_N);
    struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, UINT64_MAX);
    assert_true(blob->length <= raw + ENTRY_OVERHEAD_MAX);
    raft_blob_unref(blob);
}

static uint64_t random_state;

static unsigned random_below(unsigned bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % bound);
}

enum { BATCH_MAX = 40, ARGS_MAX = 5, ARG_MAX = 300 };

struct twin {
    unsigned db;
    size_t count, lengths[ARGS_MAX];
    char args[ARGS_MAX][ARG_MAX];
};

static void make_up(struct twin *twin, struct resp_buf *request) {
    static const unsigned dbs[] = {0, 0, 0, 1, 15, 999999, UINT_MAX};
    twin->db = dbs[random_below(sizeof dbs / sizeof *dbs)];
    twin->count = 1 + random_below(ARGS_MAX);
    resp_request(request, twin->count);
    for (size_t i = 0; i < twin->count; i++) {
        twin->lengths[i] = random_below(random_below(4) ? 8 : ARG_MAX) + (i == 0);
        for (size_t j = 0; j < twin->lengths[i]; j++)
            twin->args[i][j] = (char)(i == 0 ? 'A' + random_below(26) : random_below(256));
        if (i == 0 && (twin->lengths[0] == 2 || twin->lengths[0] == 4 || twin->lengths[0] == 6))
            twin->args[0][0] = 'X'; /* not BY, ROOM, SELECT or MULTI */
        resp_request_bulk(request, twin->args[i], twin->lengths[i]);
    }
}

static void assert_same(const struct twin *twin, unsigned db, const struct resp_command *command) {
    assert_int_equal(db, twin->db);
    assert_int_equal(command->count, twin->count);
    for (size_t i = 0; i < twin->count; i++) {
        assert_int_equal(command->args[i].length, twin->lengths[i]);
        if (twin->lengths[i] > 0)
            assert_memory_equal(command->args[i].bytes, twin->args[i], twin->lengths[i]);
    }
}

static void random_batches_come_back_and_never_exceed_the_size_that_was_told(void **state) {
    static struct twin twins[BATCH_MAX];
    struct fixture *f = *state;
    random_state = 20240207;
    for (unsigned round = 0; round < 2000; round++) {
        size_t count = random_below(BATCH_MAX + 1);
        for (size_t i = 0; i < count; i++) {
            struct resp_buf request = {0};
            make_up(&twins[i], &request);
            size_t before = entry_size(&f->builder);
            size_t raw = add(f, twins[i].db, resp_buf_bytes(&request), resp_buf_length(&request));
            assert_true(entry_size(&f->builder) >= before + raw);
            assert_true(entry_size(&f->builder) <= before + raw + ENTRY_OVERHEAD_MAX);
            resp_buf_close(&request);
        }
        size_t size = entry_size(&f->builder);
        uint64_t clock_ms = (uint64_t)random_below(INT_MAX) << random_below(32);
        struct raft_blob *blob = entry_close(&f->builder, LEVEL_FIRST, clock_ms);
        assert_true(blob->length <= size);
        struct entry_reader reader;
        struct resp_command command;
        assert_true(entry_open(&reader, blob, f->entry));
        assert_int_equal(reader.clock_ms, clock_ms);
        for (size_t i = 0; i < count; i++) {
            assert_true(entry_next(&reader, &command));
            assert_same(&twins[i], reader.db, &command);
        }
        assert_false(entry_next(&reader, &command));
        raft_blob_unref(blob);
    }
}

/* ---- what is no entry -------------------------------------------------------------------------------------- */

static void a_level_above_ours_is_refused_and_named(void **state) {
    static const struct {
        const char *level;
        unsigned named;
    } rows[] = {{"3", LEVEL_NEWEST + 1}, {"77", 77}, {"4294967295", UINT_MAX}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resp_buf buf = {0};
        resp_request(&buf, 4); /* a later header may say more */
        resp_request_text(&buf, "ENTRY");
        resp_request_text(&buf, rows[i].level);
        resp_request_text(&buf, "5");
        resp_request_text(&buf, "more");
        struct raft_blob *blob = raft_blob_new(resp_buf_length(&buf));
        memcpy(blob->bytes, resp_buf_bytes(&buf), blob->length);
        resp_buf_close(&buf);
        struct entry_reader reader;
        assert_false(entry_open(&reader, blob, f->entry));
        assert_int_equal(reader.level, rows[i].named);
        raft_blob_unref(blob);
    }
}

static void what_does_not_begin_with_a_header_is_no_entry(void **state) {
    static const char *const rows[] = {
        "",
        "garbage",
        "\r\n",
        "*0\r\n",
        "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n",
        "*3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n",
        "*2\r\n$5\r\nENTRY\r\n$1\r\n1\r\n",
        "*3\r\n$5\r\nENTRY\r\n$1\r\n0\r\n$1\r\n5\r\n",
        "*3\r\n$5\r\nENTRY\r\n$2\r\n-1\r\n$1\r\n5\r\n",
        "*3\r\n$5\r\nENTRY\r\n$1\r\nx\r\n$1\r\n5\r\n",
        "*3\r\n$5\r\nENTRY\r\n$10\r\n4294967297\r\n$1\r\n5\r\n",
        "*3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n$2\r\n-5\r\n",
        "*3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n$0\r\n\r\n",
        "*3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n$19\r\n9223372036854775808\r\n",
        "*3\r\n$5\r\nENTRX\r\n$1\r\n1\r\n$1\r\n5\r\n",
        "*3\r\n$x\r\nENTRY\r\n",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct raft_blob *blob = blob_of(rows[i]);
        struct entry_reader reader;
        if (entry_open(&reader, blob, f->entry))
            fail_msg("taken for an entry: %s", rows[i]);
        assert_int_equal(reader.level, 0);
        raft_blob_unref(blob);
    }
}

/* Reads the entry to its end in a child; the signal that ended it, 0 for none. */
static int signal_of_reading(struct fixture *f, const char *text) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        signal(SIGABRT, SIG_DFL);
        struct raft_blob *blob = blob_of(text);
        struct entry_reader reader;
        struct resp_command command;
        if (!entry_open(&reader, blob, f->entry))
            _exit(3);
        while (entry_next(&reader, &command))
            ;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_malformed_entry_ends_the_process(void **state) {
    static const char *const rows[] = {
        HEADER "*2\r\n$4\r\nINCR\r\n$1\r\nn\r",
        HEADER "*0\r\n",
        HEADER "\r\n",
        HEADER "*1\r\n$6\r\nSELECT\r\n",
        HEADER "*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n",
        HEADER "*2\r\n$6\r\nSELECT\r\n$2\r\n-1\r\n",
        HEADER "*2\r\n$x\r\n",
        HEADER "*1\r\n$2\r\nBY\r\n",
        HEADER "*2\r\n$2\r\nBY\r\n$3\r\nabc\r\n",
    };
    struct fixture *f = *state;
    assert_int_equal(signal_of_reading(f, HEADER SELECT_2 INCR_N), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(signal_of_reading(f, rows[i]), SIGABRT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_entry_is_its_header_then_the_commands_with_a_select_where_the_database_changes),
        TEST(an_inline_command_is_rewritten),
        TEST(a_transaction_is_a_head_and_what_follows_it),
        TEST(whether_scripts_may_let_the_data_grow_stands_before_them),
        TEST(a_closed_builder_begins_the_next_entry_in_database_0),
        TEST(commands_come_back_in_order_each_with_its_database),
        TEST(the_clock_and_the_level_come_back),
        TEST(replay_knows_no_limit),
        TEST(an_entry_is_read_though_its_parser_was_left_in_the_middle_of_another),
        TEST(commands_of_one_upstream_in_a_row_share_a_row),
        TEST(what_came_by_no_proxy_is_nobodys_and_costs_nothing),
        TEST(a_transaction_is_one_and_its_commands_are_nobodys),
        TEST(the_highest_numbers_come_back),
        TEST(a_lone_command_of_the_highest_database_and_clock_stays_within_the_overhead),
        TEST(random_batches_come_back_and_never_exceed_the_size_that_was_told),
        TEST(a_level_above_ours_is_refused_and_named),
        TEST(what_does_not_begin_with_a_header_is_no_entry),
        TEST(a_malformed_entry_ends_the_process),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
