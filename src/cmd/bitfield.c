/* SPDX-License-Identifier: MIT */
/*
 * BITFIELD: integers of 1 to 64 bits at any bit of a string. All operations are read before the first is done; then the
 * string is made long enough for the last bit that any of them may write, and they are done one after another.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "strings.h"

enum field_kind { FIELD_GET, FIELD_SET, FIELD_INCRBY };

/* What becomes of a value that does not fit. */
enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field {
    enum field_kind kind;
    enum field_overflow overflow;
    bool is_signed;
    unsigned width;
    uint64_t offset; /* of its highest bit */
    int64_t operand;
};

struct plan {
    struct field *fields; /* owned */
    size_t count;
    uint64_t written_end; /* one past the last bit that may be written; 0: nothing is */
};

/* ---- reading the operations --- */

static bool parse_type(struct call *call, const struct resp_arg *arg, struct field *field) {
    struct resp_arg digits = {arg->bytes + 1, arg->length - 1};
    int64_t width;
    field->is_signed = arg->length > 0 && arg->bytes[0] == 'i';
    if (arg->length > 1 && (field->is_signed || arg->bytes[0] == 'u') && resp_arg_integer(&digits, &width) &&
        width >= 1 && width <= (field->is_signed ? 64 : 63)) {
        field->width = (unsigned)width;
        return true;
    }
    resp_error(call->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                            "supported but i64 is.");
    return false;
}

static bool parse_overflow(struct call *call, const struct resp_arg *arg, enum field_overflow *overflow) {
    static const char *const words[] = {
        [OVERFLOW_WRAP] = "wrap", [OVERFLOW_SAT] = "sat", [OVERFLOW_FAIL] = "fail"};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        if (resp_arg_is(arg, words[i])) {
            *overflow = (enum field_overflow)i;
            return true;
        }
    resp_error(call->reply, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* Type, offset and, for what writes, the operand. */
static bool parse_field(struct call *call, const struct resp_arg *args, struct field *field) {
    return parse_type(call, &args[0], field) && bits_offset(call, &args[1], field->width, &field->offset) &&
           (field->kind == FIELD_GET || lookup_integer(call, &args[2], &field->operand));
}

static bool parse(struct call *call, struct plan *plan) {
    enum field_overflow overflow = OVERFLOW_WRAP;
    for (size_t i = 2; i < call->count;) {
        const struct resp_arg *word = &call->args[i];
        size_t left = call->count - i - 1;
        struct field field = {.overflow = overflow};
        if (resp_arg_is(word, "overflow") && left >= 1) {
            if (!parse_overflow(call, &call->args[i + 1], &overflow))
                return false;
            i += 2;
            continue;
        }
        if (resp_arg_is(word, "get") && left >= 2)
            field.kind = FIELD_GET;
        else if (resp_arg_is(word, "set") && left >= 3)
            field.kind = FIELD_SET;
        else if (resp_arg_is(word, "incrby") && left >= 3)
            field.kind = FIELD_INCRBY;
        else {
            lookup_syntax_error(call);
            return false;
        }
        if (!parse_field(call, word + 1, &field))
            return false;
        uint64_t end = field.offset + field.width;
        if (field.kind != FIELD_GET && end > plan->written_end)
            plan->written_end = end;
        plan->fields[plan->count++] = field;
        i += field.kind == FIELD_GET ? 3 : 4;
    }
    return true;
}

/* ---- bits of a string --- */

enum { WINDOW = 9 }; /* bytes that 64 bits at any bit may touch */

/* The bytes that hold the field; those behind the string's end are zeros. */
static void load_window(struct resp_arg value, const struct field *field, unsigned char window[WINDOW]) {
    size_t first = field->offset >> 3;
    memset(window, 0, WINDOW);
    if (first < value.length)
        memcpy(window, value.bytes + first, value.length - first < WINDOW ? value.length - first : WINDOW);
}

static uint64_t get_bits(const unsigned char window[WINDOW], const struct field *field) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < field->width; i++) {
        unsigned at = (unsigned)(field->offset & 7) + i;
        bits = bits << 1 | (window[at >> 3] >> (7 - (at & 7)) & 1);
    }
    return bits;
}

static void put_bits(unsigned char window[WINDOW], const struct field *field, uint64_t bits) {
    for (unsigned i = 0; i < field->width; i++) {
        unsigned at = (unsigned)(field->offset & 7) + i;
        unsigned bit = bits >> (field->width - 1 - i) & 1, shift = 7 - (at & 7);
        window[at >> 3] = (unsigned char)((window[at >> 3] & ~(1u << shift)) | bit << shift);
    }
}

/* ---- values --- */

/* The number that the lowest bits of `bits` stand for. */
static int64_t number_of(const struct field *field, uint64_t bits) {
    assert(field->width >= 1 && field->width <= 64);
    if (field->width == 64)
        return (int64_t)bits;
    uint64_t mask = (UINT64_C(1) << field->width) - 1, sign = UINT64_C(1) << (field->width - 1);
    bits &= mask;
    return field->is_signed && (bits & sign) ? (int64_t)(bits | ~mask) : (int64_t)bits;
}

/* Makes the number fit; false when it must not be written. A negative number is a large one to an unsigned field that is set. */
static bool fit(const struct field *field, __int128 wanted, int64_t *number) {
    unsigned value_bits = field->is_signed ? field->width - 1 : field->width;
    __int128 max = ((__int128)1 << value_bits) - 1, min = field->is_signed ? -max - 1 : 0;
    if (wanted >= min && wanted <= max) {
        *number = (int64_t)wanted;
        return true;
    }
    if (field->overflow == OVERFLOW_SAT)
        *number = (int64_t)(wanted > max ? max : min);
    else
        *number = number_of(field, (uint64_t)wanted);
    return field->overflow != OVERFLOW_FAIL;
}

/* What came of a field that is to be written. */
enum written { WRITTEN_NOT, WRITTEN_SAME, WRITTEN_CHANGED };

static enum written write_field(struct call *call, struct item *item, const struct field *field) {
    unsigned char window[WINDOW];
    load_window(item_string(item), field, window);
    int64_t was = number_of(field, get_bits(window, field)), now;
    __int128 wanted = field->kind == FIELD_INCRBY ? (__int128)was + field->operand
                      : field->is_signed          ? (__int128)field->operand
                                                  : (__int128)(uint64_t)field->operand;
    if (!fit(field, wanted, &now)) {
        resp_null(call->reply);
        return WRITTEN_NOT;
    }
    resp_integer(call->reply, field->kind == FIELD_SET ? was : now);
    if (now == was)
        return WRITTEN_SAME;
    put_bits(window, field, (uint64_t)now);
    size_t touched = ((field->offset & 7) + field->width + 7) / 8;
    item_overwrite(call->keyspace, call->db, item, field->offset >> 3, window, touched, call->version);
    return WRITTEN_CHANGED;
}

/* The most that came of any field. */
static enum written carry_out(struct call *call, const struct plan *plan, struct item *item) {
    enum written most = WRITTEN_NOT;
    resp_array(call->reply, plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        const struct field *field = &plan->fields[i];
        unsigned char window[WINDOW];
        if (field->kind != FIELD_GET) {
            enum written written = write_field(call, item, field);
            most = written > most ? written : most;
            continue;
        }
        load_window(string_bytes(item), field, window);
        resp_integer(call->reply, number_of(field, get_bits(window, field)));
    }
    return most;
}

static void bitfield(struct call *call, bool may_write) {
    struct plan plan = {.fields = calloc(call->count, sizeof *plan.fields)};
    struct item *item;
    if (!plan.fields)
        abort();
    if (!parse(call, &plan))
        goto done;
    if (plan.written_end > 0 && !may_write) {
        resp_error(call->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        goto done;
    }
    if (!lookup_string(call, &call->args[1], &item))
        goto done;
    size_t bytes = (plan.written_end + 7) / 8;
    bool grows = string_bytes(item).length < bytes;
    if (grows)
        item = string_grow(call, &call->args[1], item, bytes);
    enum written written = carry_out(call, &plan, item);
    if (written == WRITTEN_CHANGED || (written == WRITTEN_SAME && grows))
        notify(call, EVENT_STRING, "setbit", &call->args[1]);
done:
    free(plan.fields);
}

void cmd_bitfield(struct call *call) {
    bitfield(call, true);
}

void cmd_bitfield_ro(struct call *call) {
    bitfield(call, false);
}
