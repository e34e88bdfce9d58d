/* SPDX-License-Identifier: MIT */
#include "zsets.h"
#include "notify.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"

/* zset-max-listpack-entries and zset-max-listpack-value, as they are by default. */
static const struct collection_limits compact = {.entries = 128, .bytes = 64};

/* ---- numbers --- */

enum { NUMBER_MAX = 128 }; /* characters that are copied without an allocation */

/* strtod of bytes that need no zero at their end. Returns how many of them it took, and in `at_zero` whether a zero byte, or the end,
 * follows. */
static size_t read_number(const char *bytes, size_t length, double *value, bool *at_zero) {
    char room[NUMBER_MAX], *text = room, *end;
    if (length >= sizeof room && !(text = malloc(length + 1)))
        abort();
    if (length)
        memcpy(text, bytes, length);
    text[length] = '\0';
    errno = 0;
    *value = strtod(text, &end);
    size_t taken = (size_t)(end - text);
    *at_zero = *end == '\0';
    if (text != room)
        free(text);
    return taken;
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool parse_score(const struct resp_arg *arg, double *score) {
    int64_t integer;
    bool at_zero;
    if (resp_arg_integer(arg, &integer)) {
        *score = (double)integer;
        return true;
    }
    if (arg->length == 0 || is_blank(arg->bytes[0]) ||
        read_number(arg->bytes, arg->length, score, &at_zero) != arg->length || isnan(*score))
        return false;
    return errno != ERANGE || !(isinf(*score) || *score == 0);
}

bool zsets_score(struct call *call, const struct resp_arg *arg, const char *error, double *score) {
    if (parse_score(arg, score))
        return true;
    resp_error(call->reply, "ERR %s", error);
    return false;
}

bool zsets_loose_score(const char *bytes, size_t length, double *score) {
    bool at_zero;
    (void)read_number(bytes, length, score, &at_zero);
    return at_zero && !isnan(*score);
}

/* ---- changing --- */

bool zsets_is_compact(const struct item *item) {
    return !collection_is_wide(item);
}

void zsets_open(struct call *call, const struct resp_arg *key, struct collection *zset) {
    collection_open(zset, call->keyspace, call->db, key, VALUE_ZSET, &compact);
}

/* Whether the set will count as compact once it has the member. */
static bool stays_compact(const struct collection *zset, const struct resp_arg *member) {
    return zsets_is_compact(zset->item) &&
           (collection_find(zset->item, member, NULL) ||
            (member->length <= compact.bytes && collection_count(zset->item) < compact.entries));
}

void zsets_put(struct collection *zset, const struct resp_arg *member, double score) {
    if (score == 0 && signbit(score) && stays_compact(zset, member))
        score = 0;
    (void)zset_set(zset, member, score);
}

/* ---- replies --- */

void zsets_reply_header(struct call *call, size_t count, bool with_scores) {
    resp_array(call->reply, with_scores && call->reply->protocol != 3 ? count * 2 : count);
}

void zsets_reply_member(struct call *call, const struct resp_arg *member, double score, bool with_score) {
    if (with_score && call->reply->protocol == 3)
        resp_array(call->reply, 2);
    resp_bulk(call->reply, member->bytes, member->length);
    if (with_score)
        resp_double(call->reply, score);
}

/* ---- piles --- */

void zsets_pile_add(struct zsets_pile *pile, const struct resp_arg *member, double score, size_t order) {
    if (pile->count == pile->capacity) {
        pile->capacity = pile->capacity ? pile->capacity * 2 : 16;
        pile->entries = realloc(pile->entries, pile->capacity * sizeof *pile->entries);
        if (!pile->entries)
            abort();
    }
    pile->entries[pile->count++] = (struct zsets_entry){
        .member = {NULL, member->length},
        .offset = resp_buf_length(&pile->bytes),
        .order = order,
        .score = score,
    };
    resp_buf_append(&pile->bytes, member->bytes, member->length);
}

void zsets_pile_settle(struct zsets_pile *pile) {
    const char *bytes = resp_buf_length(&pile->bytes) ? resp_buf_bytes(&pile->bytes) : "";
    for (size_t i = 0; i < pile->count; i++)
        pile->entries[i].member.bytes = bytes + pile->entries[i].offset;
}

void zsets_pile_close(struct zsets_pile *pile) {
    free(pile->entries);
    resp_buf_close(&pile->bytes);
    *pile = (struct zsets_pile){0};
}

bool zsets_pile_is_wide(const struct zsets_pile *pile) {
    bool wide = pile->count > compact.entries;
    for (size_t i = 0; i < pile->count && !wide; i++)
        wide = pile->entries[i].member.length > compact.bytes;
    return wide;
}

void zsets_pile_store(struct call *call, const struct resp_arg *key, const struct zsets_pile *pile,
                      bool wide) {
    struct collection zset;
    bool there = keyspace_delete(call->keyspace, call->db, key);
    size_t events = events_count(keyspace_events(call->keyspace));
    if (pile->count) {
        zsets_open(call, key, &zset);
        for (size_t i = 0; i < pile->count; i++) {
            const struct zsets_entry *entry = &pile->entries[i];
            if (wide)
                (void)zset_set(&zset, &entry->member, entry->score);
            else
                zsets_put(&zset, &entry->member, entry->score);
        }
        assert(collection_count(zset.item) == pile->count);
        (void)collection_close(&zset, call->version);
        if (there)
            events_cut(keyspace_events(call->keyspace), events); /* it is no new key */
        notify(call, EVENT_ZSET, call->command->name, key);
    } else if (there)
        notify(call, EVENT_GENERIC, "del", key);
    resp_integer(call->reply, (int64_t)pile->count);
}
