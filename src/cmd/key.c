/* SPDX-License-Identifier: MIT */
/* Keys, whatever they hold. */
#include <string.h>

#include "../data/glob.h"
#include "chance.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "scan.h"

static const char *const type_names[] = {
    [VALUE_STRING] = "string", [VALUE_HASH] = "hash", [VALUE_SET] = "set",
    [VALUE_ZSET] = "zset",     [VALUE_LIST] = "list", [VALUE_STREAM] = "stream",
};

/* ---- one key, or several --- */

void cmd_del(struct call *call) {
    int64_t deleted = 0;
    for (size_t i = 1; i < call->count; i++)
        if (keyspace_delete(call->keyspace, call->db, &call->args[i])) {
            notify(call, EVENT_GENERIC, "del", &call->args[i]);
            deleted++;
        }
    resp_integer(call->reply, deleted);
}

void cmd_unlink(struct call *call) {
    cmd_del(call);
}

void cmd_exists(struct call *call) {
    int64_t there = 0;
    for (size_t i = 1; i < call->count; i++)
        there += lookup_quietly(call, &call->args[i]) != NULL;
    resp_integer(call->reply, there);
}

void cmd_type(struct call *call) {
    const struct item *item = lookup_quietly(call, &call->args[1]);
    resp_status(call->reply, item ? type_names[item_type(item)] : "none");
}

static bool same_key(const struct resp_arg *one, const struct resp_arg *other) {
    return one->length == other->length &&
           (one->length == 0 || memcmp(one->bytes, other->bytes, one->length) == 0);
}

static void give_name(struct call *call) {
    keyspace_rename(call->keyspace, call->db, &call->args[1], &call->args[2], call->version);
    notify(call, EVENT_GENERIC, "rename_from", &call->args[1]);
    notify(call, EVENT_GENERIC, "rename_to", &call->args[2]);
}

void cmd_rename(struct call *call) {
    if (!lookup(call, &call->args[1])) {
        resp_error(call->reply, "ERR no such key");
        return;
    }
    if (!same_key(&call->args[1], &call->args[2]))
        give_name(call);
    resp_status(call->reply, "OK");
}

void cmd_renamenx(struct call *call) {
    if (!lookup(call, &call->args[1])) {
        resp_error(call->reply, "ERR no such key");
        return;
    }
    bool there = keyspace_find(call->keyspace, call->db, &call->args[2]);
    if (!there)
        give_name(call);
    resp_integer(call->reply, !there);
}

void cmd_touch(struct call *call) {
    int64_t there = 0;
    for (size_t i = 1; i < call->count; i++) {
        struct item *item = lookup_quietly(call, &call->args[i]);
        if (item)
            item_touch(call->keyspace, item); /* CLIENT NO-TOUCH or not */
        there += item != NULL;
    }
    resp_integer(call->reply, there);
}

/* ---- between databases --- */

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
    if (done) {
        keyspace_copy(call->keyspace, call->db, from, to_db, to, call->version);
        notify_in(call, EVENT_GENERIC, "copy_to", to_db, to);
    }
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
    if (done) {
        keyspace_move(call->keyspace, call->db, key, to_db, call->version);
        notify(call, EVENT_GENERIC, "move_from", key);
        notify_in(call, EVENT_GENERIC, "move_to", to_db, key);
    }
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
    bool all = scan_is_star(pattern);
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

/* Draws until it meets a key that is there. Only when nearly all are gone and not yet freed does it look for
 * the next one from where the last draw fell. */
static const struct item *random_item(struct call *call) {
    enum { DRAWS_MAX = 1000 };
    size_t slots = keyspace_slots(call->keyspace, call->db), slot = 0;
    uint64_t state = call->seed;
    if (keyspace_size(call->keyspace, call->db) == 0)
        return NULL;
    for (unsigned draw = 0; draw < DRAWS_MAX; draw++) {
        slot = chance_below(&state, slots);
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
    if (!scan_cursor(call, &call->args[1], &scan) || !scan_options(call, 2, true, &scan))
        return;
    size_t from, end;
    scan_range(&scan, keyspace_slots(call->keyspace, call->db), &from, &end);
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
