/* SPDX-License-Identifier: MIT */
#include "ahead.h"

#include <assert.h>
#include <stdlib.h>

#include "eviction.h"

enum {
    GROUP_MAX = KEYSPACE_EXPECT_MAX,
    KEYS_MAX = 8 * GROUP_MAX, /* of a group: of more, the first would be out of the caches again */
    WORTH = 4,                /* fewer are found in the time that it takes to look ahead */
};

struct ahead {
    struct entry_reader reader;
    size_t at, count; /* of the group */
    struct ahead_command commands[GROUP_MAX];
    struct resp_parser *parsers[GROUP_MAX]; /* a command's words last until its parser's next */
};

struct ahead *ahead_new(void) {
    struct ahead *ahead = calloc(1, sizeof *ahead);
    if (!ahead)
        abort();
    for (size_t i = 0; i < GROUP_MAX; i++)
        ahead->parsers[i] = resp_parser_new();
    return ahead;
}

void ahead_free(struct ahead *ahead) {
    for (size_t i = 0; i < GROUP_MAX; i++)
        resp_parser_free(ahead->parsers[i]);
    free(ahead);
}

bool ahead_open(struct ahead *ahead, const struct raft_blob *blob, struct entry_reader *reader) {
    ahead->at = ahead->count = 0;
    bool known = entry_open(&ahead->reader, blob, ahead->parsers[0]);
    *reader = ahead->reader;
    return known;
}

/* The words that are keys, as far as their places are fixed. */
struct key_words {
    size_t first, end, step; /* first == end: none */
};

static struct key_words keys_of(const struct ahead_command *command) {
    const struct command *row = command->row;
    size_t count = command->words.count;
    if (!row)
        return eviction_is(&command->words) && EVICTION_KEY < count
                   ? (struct key_words){EVICTION_KEY, EVICTION_KEY + 1, 1}
                   : (struct key_words){0};
    if (row->first_key == 0 || (size_t)row->first_key >= count)
        return (struct key_words){0};
    size_t first = (size_t)row->first_key, end = count;
    if (row->last_key >= 0 && (size_t)row->last_key + 1 < end)
        end = (size_t)row->last_key + 1;
    return (struct key_words){first, end, row->key_step > 0 ? (size_t)row->key_step : 1};
}

/* Its first word behind the key names a member, or its second. */
static bool has_member(const struct ahead_command *command) {
    return command->row && (command->row->categories & (CATEGORY_HASH | CATEGORY_SET | CATEGORY_SORTEDSET));
}

static void look_up(const struct ahead *ahead, struct keyspace *keyspace) {
    struct keyspace_key keys[GROUP_MAX];
    size_t count = 0, left = KEYS_MAX;
    bool worth = false;
    for (size_t i = 0; i < ahead->count; i++) {
        const struct ahead_command *command = &ahead->commands[i];
        const struct resp_command *words = &command->words;
        struct key_words at = keys_of(command);
        if (command->db >= keyspace_databases(keyspace))
            continue;
        for (; at.first < at.end && left > 0; at.first += at.step, left--) {
            keys[count] = (struct keyspace_key){.db = command->db, .key = words->args[at.first]};
            if (has_member(command)) {
                keys[count].behind = &words->args[at.first + 1];
                keys[count].behind_count = words->count - at.first - 1;
            }
            worth |= ++count == WORTH;
            if (count == GROUP_MAX) {
                keyspace_expect(keyspace, keys, count);
                count = 0;
            }
        }
    }
    if (worth)
        keyspace_expect(keyspace, keys, count);
}

static void fill(struct ahead *ahead, struct keyspace *keyspace) {
    ahead->at = ahead->count = 0;
    while (ahead->count < GROUP_MAX) {
        struct ahead_command *command = &ahead->commands[ahead->count];
        ahead->reader.parser = ahead->parsers[ahead->count];
        resp_parser_reset(ahead->reader.parser);
        if (!entry_next(&ahead->reader, &command->words))
            break;
        command->row = command_find(command->words.args, command->words.count);
        command->db = ahead->reader.db;
        command->no_room = ahead->reader.no_room;
        command->origin = ahead->reader.origin;
        ahead->count++;
    }
    look_up(ahead, keyspace);
}

const struct ahead_command *ahead_next(struct ahead *ahead, struct keyspace *keyspace) {
    if (ahead->at == ahead->count)
        fill(ahead, keyspace);
    return ahead->at < ahead->count ? &ahead->commands[ahead->at++] : NULL;
}
