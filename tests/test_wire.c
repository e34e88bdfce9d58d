/* SPDX-License-Identifier: MIT */
/* Raft messages as RESP: there and back, what is malformed, and requests in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire_whole.h"

enum { ARGS_MAX = 64, FIXED = 12 };

static uint64_t random_state;

static uint64_t random_bits(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

static size_t random_below(size_t bound) {
    return (size_t)(random_bits() % bound);
}

static struct raft_blob *blob_of(const char *text) {
    struct raft_blob *blob = raft_blob_new(strlen(text));
    memcpy(blob->bytes, text, strlen(text));
    return blob;
}

static void assert_text(const struct resp_buf *buf, const char *expected) {
    assert_int_equal(resp_buf_length(buf), strlen(expected));
    assert_memory_equal(resp_buf_bytes(buf), expected, strlen(expected));
}

/* Parses the request in `buf` and reads it as a message. */
static bool read_request(const struct resp_buf *buf, struct raft_message *message, uint64_t *clock_ms) {
    static const struct resp_limits limits = {
        .bulk_max = 1 << 30, .args_max = 1 << 20, .inline_max = 1 << 16};
    struct resp_parser *parser = resp_parser_new();
    struct resp_command command;
    assert_int_equal(resp_parse(parser, resp_buf_bytes(buf), resp_buf_length(buf), &limits, &command),
                     RESP_COMMAND);
    assert_int_equal(command.consumed, resp_buf_length(buf));
    bool read = wire_read(command.args, command.count, message, clock_ms);
    resp_parser_free(parser);
    return read;
}

static void assert_same(const struct raft_message *one, const struct raft_message *other) {
    assert_int_equal(one->type, other->type);
    assert_int_equal(one->from, other->from);
    assert_int_equal(one->to, other->to);
    assert_int_equal(one->term, other->term);
    assert_int_equal(one->index, other->index);
    assert_int_equal(one->log_term, other->log_term);
    assert_int_equal(one->rejected_index, other->rejected_index);
    assert_int_equal(one->commit, other->commit);
    assert_int_equal(one->round, other->round);
    assert_int_equal(one->rejected, other->rejected);
    assert_int_equal(one->transfer, other->transfer);
    assert_int_equal(one->entries.count, other->entries.count);
    for (size_t i = 0; i < one->entries.count; i++) {
        const struct raft_entry *left = &one->entries.at[i], *right = &other->entries.at[i];
        assert_int_equal(left->index, right->index);
        assert_int_equal(left->term, right->term);
        assert_int_equal(left->type, right->type);
        assert_int_equal(left->data != NULL, right->data != NULL);
        if (!left->data)
            continue;
        assert_int_equal(left->data->length, right->data->length);
        if (left->data->length > 0)
            assert_memory_equal(left->data->bytes, right->data->bytes, left->data->length);
    }
}

static void assert_round_trip(const struct raft_message *message, uint64_t clock_ms) {
    struct resp_buf buf = {0};
    struct raft_message read;
    uint64_t read_ms;
    wire_whole(&buf, message, clock_ms);
    assert_true(resp_buf_length(&buf) <= wire_size(message));
    assert_true(read_request(&buf, &read, &read_ms));
    assert_same(message, &read);
    assert_int_equal(clock_ms, read_ms);
    wire_free(&read);
    assert_int_equal(read.entries.count, 0);
    resp_buf_close(&buf);
}

/* ---- there and back -------------------------------------------------------------------------------------- */

#define SENT                                                                                                 \
    "*15\r\n$8\r\nRAFT.MSG\r\n$1\r\n5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n7\r\n$2\r\n41\r\n$1\r\n6\r\n$1\r\n0"    \
    "\r\n"                                                                                                   \
    "$2\r\n40\r\n$1\r\n9\r\n$1\r\n0\r\n$13\r\n1700000000000\r\n$1\r\n7\r\n$1\r\n2\r\n$5\r\nhello\r\n"

static struct raft_entry sent_entry = {.index = 42, .term = 7, .type = RAFT_ENTRY_COMMAND};
static struct raft_message sent = {.type = RAFT_APPEND,
                                   .from = 1,
                                   .to = 2,
                                   .term = 7,
                                   .index = 41,
                                   .log_term = 6,
                                   .commit = 40,
                                   .round = 9,
                                   .entries = {.at = &sent_entry, .count = 1}};

static int make_sent(void **state) {
    (void)state;
    sent_entry.data = blob_of("hello");
    return 0;
}

static int drop_sent(void **state) {
    (void)state;
    raft_blob_unref(sent_entry.data);
    return 0;
}

static void an_append_has_these_bytes(void **state) {
    struct resp_buf buf = {0};
    (void)state;
    wire_whole(&buf, &sent, 1700000000000);
    assert_text(&buf, SENT);
    resp_buf_close(&buf);
}

static void the_head_the_data_and_a_line_end_are_the_whole_request(void **state) {
    struct resp_buf buf = {0};
    (void)state;
    wire_write_head(&buf, &sent, 1700000000000);
    wire_write_entry_head(&buf, &sent_entry);
    resp_buf_append(&buf, sent_entry.data->bytes, sent_entry.data->length);
    resp_buf_append(&buf, "\r\n", 2);
    assert_text(&buf, SENT);
    resp_buf_close(&buf);
}

static void every_type_of_message_comes_back_whatever_its_numbers(void **state) {
    static const uint64_t numbers[] = {0, 1, 9, 10, UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX};
    enum { NUMBERS = sizeof numbers / sizeof *numbers };
    (void)state;
    for (int type = RAFT_PRE_VOTE; type < RAFT_MESSAGE_TYPES; type++)
        for (size_t i = 0; i < NUMBERS; i++)
            for (unsigned flags = 0; flags < 4; flags++) {
                const struct raft_message message = {.type = (enum raft_message_type)type,
                                                     .from = numbers[i],
                                                     .to = numbers[(i + 1) % NUMBERS],
                                                     .term = numbers[(i + 2) % NUMBERS],
                                                     .index = numbers[(i + 3) % NUMBERS],
                                                     .log_term = numbers[(i + 4) % NUMBERS],
                                                     .rejected_index = numbers[(i + 5) % NUMBERS],
                                                     .commit = numbers[(i + 6) % NUMBERS],
                                                     .round = numbers[i],
                                                     .rejected = flags & 1,
                                                     .transfer = flags & 2};
                assert_round_trip(&message, numbers[(i + 2) % NUMBERS]);
            }
}

static void entries_of_every_kind_come_back_with_their_indexes(void **state) {
    struct raft_entry entries[] = {
        {.index = 101, .term = 3, .type = RAFT_ENTRY_NOOP},
        {.index = 102, .term = 3, .type = RAFT_ENTRY_COMMAND, .data = blob_of("")},
        {.index = 103,
         .term = INT64_MAX,
         .type = RAFT_ENTRY_COMMAND,
         .data = blob_of("*1\r\n$4\r\nPING\r\n")},
        {.index = 104, .term = INT64_MAX, .type = RAFT_ENTRY_COMMAND, .data = raft_blob_new(300000)},
        {.index = 105, .term = INT64_MAX, .type = RAFT_ENTRY_NOOP},
        {.index = 106, .term = INT64_MAX, .type = RAFT_ENTRY_MEMBERS, .data = blob_of("a list")},
    };
    (void)state;
    for (size_t i = 0; i < 300000; i++)
        entries[3].data->bytes[i] = (char)(i * 7);
    const struct raft_message message = {.type = RAFT_APPEND,
                                         .from = 1,
                                         .to = 2,
                                         .term = INT64_MAX,
                                         .index = 100,
                                         .entries = {.at = entries, .count = 6}};
    assert_round_trip(&message, 1);
    for (size_t i = 0; i < 6; i++)
        raft_blob_unref(entries[i].data);
}

static void the_size_told_holds_at_the_largest_numbers(void **state) {
    enum { COUNT = 1000 };
    static struct raft_entry entries[COUNT];
    struct raft_message message = {.type = RAFT_APPEND,
                                   .from = UINT64_MAX,
                                   .to = UINT64_MAX,
                                   .term = UINT64_MAX,
                                   .index = UINT64_MAX,
                                   .log_term = UINT64_MAX,
                                   .rejected_index = UINT64_MAX,
                                   .commit = UINT64_MAX,
                                   .round = UINT64_MAX,
                                   .rejected = true,
                                   .entries = {.at = entries}};
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        entries[i] = (struct raft_entry){.term = UINT64_MAX, .type = RAFT_ENTRY_NOOP};
    for (message.entries.count = 0; message.entries.count <= COUNT; message.entries.count += 100) {
        struct resp_buf buf = {0};
        wire_whole(&buf, &message, UINT64_MAX);
        assert_true(resp_buf_length(&buf) <= wire_size(&message));
        resp_buf_close(&buf);
    }
}

/* ---- malformed ------------------------------------------------------------------------------------------- */

/* A request as its arguments: the append above, to be spoilt. */
struct request {
    struct resp_arg args[ARGS_MAX];
    size_t count;
};

static struct resp_arg arg_of(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

static void spell(struct request *request, size_t entries) {
    static const char *const fixed[FIXED] = {"RAFT.MSG", "5", "1",  "2", "7", "41",
                                             "6",        "0", "40", "9", "0", "1700"};
    for (request->count = 0; request->count < FIXED; request->count++)
        request->args[request->count] = arg_of(fixed[request->count]);
    for (size_t i = 0; i < entries; i++) {
        request->args[request->count++] = arg_of("7");
        request->args[request->count++] = arg_of("2");
        request->args[request->count++] = arg_of("hello");
    }
}

/* Wrong, and nothing is left that must be freed. */
static void assert_refused(const struct request *request) {
    struct raft_message message;
    uint64_t clock_ms;
    assert_false(wire_read(request->args, request->count, &message, &clock_ms));
    assert_null(message.entries.at);
    assert_int_equal(message.entries.count, 0);
}

static void assert_taken(const struct request *request) {
    struct raft_message message;
    uint64_t clock_ms;
    assert_true(wire_read(request->args, request->count, &message, &clock_ms));
    wire_free(&message);
}

static void each_field_is_refused_when_it_is_no_number_that_fits(void **state) {
    static const char *const wrong[] = {"",
                                        "-",
                                        "-1",
                                        "x",
                                        "01",
                                        "+1",
                                        "1 ",
                                        " 1",
                                        "1.5",
                                        "0x1",
                                        "9223372036854775808",
                                        "18446744073709551616"};
    struct request request;
    (void)state;
    spell(&request, 3);
    assert_taken(&request);
    for (size_t at = 1; at < request.count; at++) {
        bool data = at >= FIXED && (at - FIXED) % 3 == 2;
        for (size_t i = 0; !data && i < sizeof wrong / sizeof *wrong; i++) {
            spell(&request, 3);
            request.args[at] = arg_of(wrong[i]);
            assert_refused(&request);
        }
    }
}

static void an_unknown_value_of_a_known_field_is_refused(void **state) {
    static const struct {
        size_t at;
        const char *value, *data; /* data: of the first entry, or NULL */
        bool taken;
    } rows[] = {
        {1, "0", NULL, false}, {1, "12", NULL, false}, {1, "4294967297", NULL, false},
        {1, "1", NULL, true},  {1, "11", NULL, true},  {10, "1", NULL, true},
        {10, "3", NULL, true}, {10, "4", NULL, false}, {13, "0", NULL, false},
        {13, "3", NULL, true}, {13, "4", NULL, false}, {13, "4294967298", NULL, false},
        {13, "1", "x", false}, {13, "1", "", true},    {13, "2", "", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request request;
        spell(&request, 2);
        request.args[rows[i].at] = arg_of(rows[i].value);
        if (rows[i].data)
            request.args[14] = arg_of(rows[i].data);
        if (rows[i].taken)
            assert_taken(&request);
        else
            assert_refused(&request);
    }
}

static void a_cut_request_is_refused_wherever_an_entry_is_not_whole(void **state) {
    struct request request;
    (void)state;
    spell(&request, 4);
    for (size_t whole = request.count; request.count > 0; request.count--)
        if (request.count < FIXED || (request.count - FIXED) % 3 != 0)
            assert_refused(&request);
        else if (request.count < whole)
            assert_taken(&request);
}

/* ---- random ---------------------------------------------------------------------------------------------- */

static const char *spoil(void) {
    static const char *const texts[] = {"",
                                        "0",
                                        "1",
                                        "2",
                                        "3",
                                        "5",
                                        "7",
                                        "8",
                                        "-1",
                                        "007",
                                        "abc",
                                        "\r\n$1",
                                        "12345",
                                        "9223372036854775807",
                                        "9223372036854775808"};
    return texts[random_below(sizeof texts / sizeof *texts)];
}

/* Whatever is read, is well-formed: it is written and read again as the same message. */
static void whatever_is_taken_from_random_arguments_comes_back_the_same(void **state) {
    size_t taken = 0, refused = 0;
    (void)state;
    random_state = 99;
    for (unsigned round = 0; round < 200000; round++) {
        struct request request;
        struct raft_message message;
        uint64_t clock_ms;
        spell(&request, random_below(5));
        for (size_t changes = random_below(4); changes > 0; changes--)
            request.args[random_below(request.count)] = arg_of(spoil());
        if (random_below(8) == 0)
            request.count = random_below(request.count + 1);
        if (!wire_read(request.args, request.count, &message, &clock_ms)) {
            assert_null(message.entries.at);
            refused++;
            continue;
        }
        assert_round_trip(&message, clock_ms);
        wire_free(&message);
        taken++;
    }
    assert_true(taken > 20000 && refused > 20000);
}

static void random_messages_come_back(void **state) {
    (void)state;
    random_state = 7;
    for (unsigned round = 0; round < 20000; round++) {
        struct raft_entry entries[6];
        struct raft_message message = {.type = (enum raft_message_type)(1 + random_below(RAFT_TIMEOUT_NOW)),
                                       .from = random_bits(),
                                       .to = random_bits(),
                                       .term = random_bits() << random_below(32),
                                       .index = random_bits() << random_below(32),
                                       .log_term = random_bits(),
                                       .rejected_index = random_bits(),
                                       .commit = random_bits(),
                                       .round = random_bits(),
                                       .rejected = random_below(2),
                                       .transfer = random_below(2),
                                       .entries = {.at = entries, .count = random_below(7)}};
        for (size_t i = 0; i < message.entries.count; i++) {
            entries[i] = (struct raft_entry){.index = message.index + 1 + i,
                                             .term = random_bits(),
                                             .type = (enum raft_entry_type)(1 + random_below(2))};
            if (entries[i].type != RAFT_ENTRY_COMMAND)
                continue;
            entries[i].data = raft_blob_new(random_below(200));
            for (size_t j = 0; j < entries[i].data->length; j++)
                entries[i].data->bytes[j] = (char)random_bits();
        }
        assert_round_trip(&message, random_bits());
        for (size_t i = 0; i < message.entries.count; i++)
            raft_blob_unref(entries[i].data);
    }
}

/* ---- pieces ---------------------------------------------------------------------------------------------- */

static enum wire_piece_result give(struct wire_pieces *pieces, const char *whole, const char *offset,
                                   const char *piece) {
    const struct resp_arg args[] = {arg_of("RAFT.PART"), arg_of(whole), arg_of(offset), arg_of(piece)};
    return wire_piece(pieces, args, 4, 100);
}

static void a_request_in_pieces_is_put_together(void **state) {
    struct wire_pieces pieces = {0};
    (void)state;
    assert_int_equal(give(&pieces, "10", "0", "abcd"), WIRE_PIECE_MORE);
    assert_int_equal(give(&pieces, "10", "4", ""), WIRE_PIECE_MORE);
    assert_int_equal(give(&pieces, "10", "4", "efghi"), WIRE_PIECE_MORE);
    assert_int_equal(give(&pieces, "10", "9", "j"), WIRE_PIECE_WHOLE);
    assert_text(&pieces.buf, "abcdefghij");
    wire_pieces_close(&pieces);
    assert_int_equal(give(&pieces, "3", "0", "xyz"), WIRE_PIECE_WHOLE);
    assert_text(&pieces.buf, "xyz");
    wire_pieces_close(&pieces);
}

static void a_piece_at_the_start_begins_anew(void **state) {
    struct wire_pieces pieces = {0};
    (void)state;
    assert_int_equal(give(&pieces, "10", "0", "abcd"), WIRE_PIECE_MORE);
    assert_int_equal(give(&pieces, "6", "0", "uvw"), WIRE_PIECE_MORE);
    assert_int_equal(give(&pieces, "6", "3", "xyz"), WIRE_PIECE_WHOLE);
    assert_text(&pieces.buf, "uvwxyz");
    wire_pieces_close(&pieces);
}

static void a_piece_out_of_place_is_invalid(void **state) {
    static const struct {
        const char *whole, *offset, *piece;
    } rows[] = {
        {"10", "5", "e"},       /* a hole */
        {"10", "3", "e"},       /* again */
        {"11", "4", "e"},       /* of another whole */
        {"9", "4", "e"},        /* of another whole */
        {"10", "4", "efghijk"}, /* too long */
        {"101", "0", "a"},      /* over the limit */
        {"9223372036854775807", "0", "a"},
        {"0", "0", ""},
        {"-1", "0", "a"},
        {"10", "-1", "a"},
        {"10", "x", "a"},
        {"x", "0", "a"},
        {"", "0", "a"},
        {"3", "0", "abcd"}, /* longer than its own whole */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire_pieces pieces = {0};
        assert_int_equal(give(&pieces, "10", "0", "abcd"), WIRE_PIECE_MORE);
        assert_int_equal(give(&pieces, rows[i].whole, rows[i].offset, rows[i].piece), WIRE_PIECE_INVALID);
        wire_pieces_close(&pieces);
    }
}

static void a_piece_without_a_beginning_is_invalid(void **state) {
    struct wire_pieces pieces = {0};
    (void)state;
    assert_int_equal(give(&pieces, "10", "4", "efghij"), WIRE_PIECE_INVALID);
    assert_int_equal(give(&pieces, "0", "0", ""), WIRE_PIECE_INVALID);
    const struct resp_arg args[] = {arg_of("RAFT.PART"), arg_of("3"), arg_of("0"), arg_of("abc"),
                                    arg_of("d")};
    for (size_t count = 1; count <= 5; count++)
        if (count != 4)
            assert_int_equal(wire_piece(&pieces, args, count, 100), WIRE_PIECE_INVALID);
    assert_int_equal(give(&pieces, "100", "0", "a"), WIRE_PIECE_MORE);
    wire_pieces_close(&pieces);
}

/* As the node sends a large entry: the head, the data cut anywhere, the last line end. */
static void a_large_append_comes_back_from_pieces_of_any_length(void **state) {
    static const size_t lengths[] = {1, 2, 1000, 65536, 199999, 200000, 300000};
    struct raft_entry entry = {
        .index = 42, .term = 7, .type = RAFT_ENTRY_COMMAND, .data = raft_blob_new(200000)};
    struct raft_message message = sent;
    (void)state;
    message.entries.at = &entry;
    for (size_t i = 0; i < entry.data->length; i++)
        entry.data->bytes[i] = (char)(i * 31);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct resp_buf request = {0}, stream = {0};
        wire_whole(&request, &message, 5);
        size_t whole = resp_buf_length(&request);
        for (size_t at = 0, length; at < whole; at += length) {
            length = whole - at < lengths[i] ? whole - at : lengths[i];
            wire_write_piece_head(&stream, whole, at, length);
            resp_buf_append(&stream, resp_buf_bytes(&request) + at, length);
            resp_buf_append(&stream, "\r\n", 2);
        }
        struct wire_pieces pieces = {0};
        struct resp_parser *parser = resp_parser_new();
        enum wire_piece_result result = WIRE_PIECE_MORE;
        size_t done = 0;
        while (result == WIRE_PIECE_MORE) {
            struct resp_command command;
            assert_int_equal(resp_parse(parser, resp_buf_bytes(&stream) + done,
                                        resp_buf_length(&stream) - done, &resp_limits_redis, &command),
                             RESP_COMMAND);
            assert_true(resp_arg_is(&command.args[0], "RAFT.PART"));
            result = wire_piece(&pieces, command.args, command.count, whole);
            done += command.consumed;
        }
        assert_int_equal(result, WIRE_PIECE_WHOLE);
        assert_int_equal(done, resp_buf_length(&stream));
        struct raft_message read;
        uint64_t clock_ms;
        assert_true(read_request(&pieces.buf, &read, &clock_ms));
        assert_same(&message, &read);
        wire_free(&read);
        wire_pieces_close(&pieces);
        resp_parser_free(parser);
        resp_buf_close(&request);
        resp_buf_close(&stream);
    }
    raft_blob_unref(entry.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_append_has_these_bytes),
        cmocka_unit_test(the_head_the_data_and_a_line_end_are_the_whole_request),
        cmocka_unit_test(every_type_of_message_comes_back_whatever_its_numbers),
        cmocka_unit_test(entries_of_every_kind_come_back_with_their_indexes),
        cmocka_unit_test(the_size_told_holds_at_the_largest_numbers),
        cmocka_unit_test(each_field_is_refused_when_it_is_no_number_that_fits),
        cmocka_unit_test(an_unknown_value_of_a_known_field_is_refused),
        cmocka_unit_test(a_cut_request_is_refused_wherever_an_entry_is_not_whole),
        cmocka_unit_test(whatever_is_taken_from_random_arguments_comes_back_the_same),
        cmocka_unit_test(random_messages_come_back),
        cmocka_unit_test(a_request_in_pieces_is_put_together),
        cmocka_unit_test(a_piece_at_the_start_begins_anew),
        cmocka_unit_test(a_piece_out_of_place_is_invalid),
        cmocka_unit_test(a_piece_without_a_beginning_is_invalid),
        cmocka_unit_test(a_large_append_comes_back_from_pieces_of_any_length),
    };
    return cmocka_run_group_tests_name("wire", tests, make_sent, drop_sent);
}
