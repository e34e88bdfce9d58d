/* SPDX-License-Identifier: MIT */
#include "ahead.h"

#include <assert.h>
#include <stdlib.h>

#include "eviction.h"

enum {
    GROUP_MAX = KEYSPACE_EXPECT_MAX,
    WORTH = 4, /* fewer commands are executed in the time that it takes to look ahead */
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

/* The word that is the key it begins with; 0: none. */
static size_t key_of(const struct ahead_command *command) {
    if (command->row)
        return command->row->first_key > 0 ? (size_t)command->row->first_key : 0;
    return eviction_is(&command->words) ? EVICTION_KEY : 0;
}

/* Its first word behind the key names a member, or its second. */
static bool has_member(const struct ahead_command *command) {
    return command->row && (command->row->categories & (CATEGORY_HASH | CATEGORY_SET | CATEGORY_SORTEDSET));
}

static void look_up(const struct ahead *ahead, struct keyspace *keyspace) {
    struct keyspace_key keys[GROUP_MAX];
    size_t count = 0;
    for (size_t i = 0; i < ahead->count; i++) {
        const struct ahead_command *command = &ahead->commands[i];
        size_t key = key_of(command);
        if (key == 0 || key >= command->words.count || command->db >= keyspace_databases(keyspace))
            continue;
        keys[count] = (struct keyspace_key){.db = command->db, .key = command->words.args[key]};
        if (has_member(command)) {
            keys[count].behind = &command->words.args[key + 1];
            keys[count].behind_count = command->words.count - key - 1;
        }
        count++;
    }
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
    if (ahead->count >= WORTH)
        look_up(ahead, keyspace);
}

const struct ahead_command *ahead_next(struct ahead *ahead, struct keyspace *keyspace) {
    if (ahead->at == ahead->count)
        fill(ahead, keyspace);
    return ahead->at < ahead->count ? &ahead->commands[ahead->at++] : NULL;
}
