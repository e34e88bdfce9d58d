/* SPDX-License-Identifier: MIT */
/* Keys, whatever they hold. */
#include <string.h>

#include "../data/glob.h"
#include "families.h"
#include "lookup.h"

static const char *const type_names[] = {
    [VALUE_STRING] = "string", [VALUE_HASH] = "hash", [VALUE_SET] = "set",
    [VALUE_ZSET] = "zset",     [VALUE_LIST] = "list",
};

static bool is_star(const struct resp_arg *pattern) {
    return pattern->length == 1 && pattern->bytes[0] == '*';
}

/* ---- one key, or several --- */

void cmd_del(struct call *call) {
    int64_t deleted = 0;
    for (size_t i = 1; i < call->count; i++)
        deleted += keyspace_delete(call->keyspace, call->db, &call->args[i]);
    resp_integer(call->reply, deleted);
}

void cmd_unlink(struct call *call) {
    cmd_del(call);
}

void cmd_exists(struct call *call) {
    int64_t there = 0;
    for (size_t i = 1; i < call->count; i++)
        there += lookup(call, &call->args[i]) != NULL;
    resp_integer(call->reply, there);
}

void cmd_type(struct call *call) {
    const struct item *item = lookup(call, &call->args[1]);
    resp_status(call->reply, item ? type_names[item_type(item)] : "none");
}

void cmd_rename(struct call *call) {
    if (!lookup(call, &call->args[1])) {
        resp_error(call->reply, "ERR no such key");
        return;
    }
    keyspace_rename(call->keyspace, call->db, &call->args[1], &call->args[2], call->version);
    resp_status(call->reply, "OK");
}

void cmd_renamenx(struct call *call) {
    if (!lookup(call, &call->args[1])) {
        resp_error(call->reply, "ERR no such key");
        return;
    }
    bool there = keyspace_find(call->keyspace, call->db, &call->args[2]);
    if (!there)
        keyspace_rename(call->keyspace, call->db, &call->args[1], &call->args[2], call->version);
    resp_integer(call->reply, !there);
}

void cmd_touch(struct call *call) {
    cmd_exists(call);
}

/* ---- between databases --- */

static bool same_key(const struct resp_arg *one, const struct resp_arg *other) {
    return one->length == other->length &&
           (one->length == 0 || memcmp(one->bytes, other->bytes, one->length) == 0);
}

static void same_error(struct call *call) {
    resp_error(call->reply, "ERR source and destination objects are the same");
}

static bool parse_copy(struct call *call, unsigned *to_db, bool *replace) {
    for (size_t i = 3; i < call->count; i++) {
        if (resp_arg_is(&call->args[i], "replace"))
            *replace = true;
        else if (resp_arg_is(&call->args[i], "db") && i + 1 < call->count) {
            if (!lookup_database(call, &call->args[++i], to_db))
                return false;
        } else {
            lookup_syntax_error(call);
            return false;
        }
    }
    return true;
}

void cmd_copy(struct call *call) {
    const struct resp_arg *from = &call->args[1], *to = &call->args[2];
    unsigned to_db = call->db;
    bool replace = false;
    if (!parse_copy(call, &to_db, &replace))
        return;
    if (to_db == call->db && same_key(from, to)) {
        same_error(call);
        return;
    }
    bool done = lookup(call, from) && (replace || !keyspace_find(call->keyspace, to_db, to));
    if (done)
        keyspace_copy(call->keyspace, call->db, from, to_db, to, call->version);
    resp_integer(call->reply, done);
}

void cmd_move(struct call *call) {
    const struct resp_arg *key = &call->args[1];
    unsigned to_db;
    if (!lookup_database(call, &call->args[2], &to_db))
        return;
    if (to_db == call->db) {
        same_error(call);
        return;
    }
    bool done = lookup(call, key) && !keyspace_find(call->keyspace, to_db, key);
    if (done)
        keyspace_move(call->keyspace, call->db, key, to_db, call->version);
    resp_integer(call->reply, done);
}

void cmd_swapdb(struct call *call) {
    int64_t db[2];
    for (size_t i = 0; i < 2; i++)
        if (!resp_arg_integer(&call->args[1 + i], &db[i]) || db[i] < INT32_MIN || db[i] > INT32_MAX) {
            resp_error(call->reply, "ERR invalid %s DB index", i ? "second" : "first");
            return;
        }
    int64_t count = keyspace_databases(call->keyspace);
    if (db[0] < 0 || db[0] >= count || db[1] < 0 || db[1] >= count) {
        resp_error(call->reply, "ERR DB index is out of range");
        return;
    }
    keyspace_swap(call->keyspace, (unsigned)db[0], (unsigned)db[1]);
    resp_status(call->reply, "OK");
}

/* ---- all keys --- */

void cmd_dbsize(struct call *call) {
    lookup_all(call);
    resp_integer(call->reply, (int64_t)keyspace_size(call->keyspace, call->db));
}

void cmd_keys(struct call *call) {
    const struct resp_arg *pattern = &call->args[1];
    bool all = is_star(pattern);
    size_t mark = resp_array_open(call->reply), found = 0;
    lookup_all(call);
    for (size_t slot = keyspace_slots(call->keyspace, call->db); slot-- > 0;) {
        const struct item *item = keyspace_at(call->keyspace, call->db, slot);
        if (!item)
            continue;
        struct resp_arg key = item_key(item);
        if (all || glob_match(pattern, &key)) {
            resp_bulk(call->reply, key.bytes, key.length);
            found++;
        }
    }
    resp_array_close(call->reply, mark, found);
}

static uint64_t mix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Draws until it meets a key that is there. Only when nearly all are gone and not yet freed does it look for
 * the next one from where the last draw fell. */
static const struct item *random_item(struct call *call) {
    enum { DRAWS_MAX = 1000 };
    size_t slots = keyspace_slots(call->keyspace, call->db), slot = 0;
    uint64_t state = call->seed;
    if (keyspace_size(call->keyspace, call->db) == 0)
        return NULL;
    for (unsigned draw = 0; draw < DRAWS_MAX; draw++) {
        slot = (size_t)(mix(&state) % slots);
        const struct item *item = keyspace_at(call->keyspace, call->db, slot);
        if (item)
            return item;
    }
    const struct item *item;
    while (!(item = keyspace_at(call->keyspace, call->db, slot)))
        slot = slot ? slot - 1 : slots - 1;
    return item;
}

void cmd_randomkey(struct call *call) {
    lookup_all(call);
    const struct item *item = random_item(call);
    if (!item) {
        resp_null(call->reply);
        return;
    }
    struct resp_arg key = item_key(item);
    resp_bulk(call->reply, key.bytes, key.length);
}

/* ---- SCAN --- */

/*
 * The cursor is a place in the dense order: those below it are still to be visited. Removals only move keys
 * from the end to lower places, so whatever was there and is not visited yet stays below the cursor, clamped
 * to the length. 0 as the start means the end, and as the answer that nothing is left.
 */
struct scan {
    uint64_t cursor;
    int64_t count;
    const struct resp_arg *pattern; /* NULL: all */
    const struct resp_arg *type;    /* NULL: any */
};

/* Takes what strtoul takes: a sign, leading zeros, nothing at all. */
static bool parse_cursor(const struct resp_arg *arg, uint64_t *cursor) {
    size_t i = 0;
    bool negative = false;
    *cursor = 0;
    if (arg->length == 0)
        return true;
    if (arg->bytes[0] == '-' || arg->bytes[0] == '+')
        negative = arg->bytes[i++] == '-';
    if (i == arg->length)
        return false;
    for (; i < arg->length; i++) {
        unsigned digit = (unsigned char)arg->bytes[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(*cursor, UINT64_C(10), cursor) ||
            __builtin_add_overflow(*cursor, (uint64_t)digit, cursor))
            return false;
    }
    if (negative)
        *cursor = 0 - *cursor;
    return true;
}

static bool parse_scan(struct call *call, struct scan *scan) {
    *scan = (struct scan){.count = 10};
    if (!parse_cursor(&call->args[1], &scan->cursor)) {
        resp_error(call->reply, "ERR invalid cursor");
        return false;
    }
    for (size_t i = 2; i < call->count; i += 2) {
        const struct resp_arg *option = &call->args[i], *value = option + 1;
        bool counts = resp_arg_is(option, "count");
        bool has_value = i + 1 < call->count;
        if (has_value && counts && !lookup_integer(call, value, &scan->count))
            return false;
        if (has_value && resp_arg_is(option, "match")) {
            scan->pattern = is_star(value) ? NULL : value;
        } else if (has_value && resp_arg_is(option, "type")) {
            scan->type = value;
        } else if (!has_value || !counts || scan->count < 1) {
            lookup_syntax_error(call);
            return false;
        }
    }
    return true;
}

static bool scan_wants(const struct scan *scan, const struct item *item, const struct resp_arg *key) {
    return (!scan->type || resp_arg_is(scan->type, type_names[item_type(item)])) &&
           (!scan->pattern || glob_match(scan->pattern, key));
}

/* Replies with the keys in [end, from), downward. */
static void scan_visit(struct call *call, const struct scan *scan, size_t from, size_t end) {
    size_t mark = resp_array_open(call->reply), found = 0;
    for (size_t slot = from; slot-- > end;) {
        const struct item *item = keyspace_at(call->keyspace, call->db, slot);
        if (!item)
            continue;
        struct resp_arg key = item_key(item);
        if (scan_wants(scan, item, &key)) {
            resp_bulk(call->reply, key.bytes, key.length);
            found++;
        }
    }
    resp_array_close(call->reply, mark, found);
}

void cmd_scan(struct call *call) {
    struct scan scan;
    if (!parse_scan(call, &scan))
        return;
    size_t slots = keyspace_slots(call->keyspace, call->db);
    size_t from = scan.cursor == 0 || scan.cursor > slots ? slots : (size_t)scan.cursor;
    size_t end = from > (uint64_t)scan.count ? from - (size_t)scan.count : 0;
    lookup_all(call);
    resp_array(call->reply, 2);
    resp_bulk_format(call->reply, "%zu", end);
    scan_visit(call, &scan, from, end);
}

/* ---- emptying --- */

static bool flush_mode_ok(struct call *call) {
    if (call->count == 1)
        return true;
    if (call->count == 2 && (resp_arg_is(&call->args[1], "sync") || resp_arg_is(&call->args[1], "async")))
        return true;
    lookup_syntax_error(call);
    return false;
}

/* Either way the keys are gone at once and their memory is freed in slices. */
void cmd_flushdb(struct call *call) {
    if (!flush_mode_ok(call))
        return;
    keyspace_flush(call->keyspace, call->db);
    resp_status(call->reply, "OK");
}

void cmd_flushall(struct call *call) {
    if (!flush_mode_ok(call))
        return;
    for (unsigned db = 0; db < keyspace_databases(call->keyspace); db++)
        keyspace_flush(call->keyspace, db);
    resp_status(call->reply, "OK");
}
