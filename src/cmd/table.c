/* SPDX-License-Identifier: MIT */
/*
 * Finding a command's row. Every command that arrives passes here twice, so the name is neither copied nor lowered:
 * one pass over its bytes folds their case into a hash, and an open-addressing index of the rows (less than half
 * full) is probed with it. A subcommand is found in the same index: the hash goes on over '|' and the second argument.
 *
 *      args   "Client"            "LIST"
 *      hash    fold fold ... -> container? -> fold('|') fold ... -> row of "client|list"
 *
 * The index is built before main and constant from then on, so it belongs to no context and every node of a process,
 * on whatever thread, may use it.
 */
#include "rows.h"

#include <assert.h>
#include <string.h>

enum {
    INDEX_SLOTS = 1024, /* a power of two; at most half of them used */
    NAME_MAX_LENGTH = 32,
    SHOWN_MAX = 128, /* bytes of a name or of all arguments in an error, as Redis */
};

struct index_slot {
    const struct command *row; /* NULL: free */
    uint32_t hash;
    uint32_t length;
};

static struct index_slot command_index[INDEX_SLOTS];
static size_t row_count, number_count;
static const struct command *numbered[INDEX_SLOTS / 2]; /* the rows, then their subcommands */

static unsigned char fold(char byte) {
    unsigned char value = (unsigned char)byte;
    return value >= 'A' && value <= 'Z' ? (unsigned char)(value | 0x20) : value;
}

/* FNV-1a over folded bytes, from where `hash` is. */
static uint32_t hash_more(uint32_t hash, const char *bytes, size_t length) {
    for (size_t at = 0; at < length; at++)
        hash = (hash ^ fold(bytes[at])) * 16777619u;
    return hash;
}

static uint32_t hash_first(const char *bytes, size_t length) {
    return hash_more(2166136261u, bytes, length);
}

static bool same_folded(const char *lower, const char *bytes, size_t length) {
    for (size_t at = 0; at < length; at++)
        if (fold(bytes[at]) != (unsigned char)lower[at])
            return false;
    return true;
}

static void index_add(const struct command *row) {
    size_t length = strlen(row->name);
    uint32_t hash = hash_first(row->name, length);
    size_t at = hash % INDEX_SLOTS;

    assert(length <= NAME_MAX_LENGTH);
    while (command_index[at].row)
        at = (at + 1) % INDEX_SLOTS;
    command_index[at] = (struct index_slot){.row = row, .hash = hash, .length = (uint32_t)length};
}

static void add(const struct command *row) {
    assert(number_count < sizeof numbered / sizeof *numbered);
    numbered[number_count++] = row;
    index_add(row);
}

__attribute__((constructor)) static void index_build(void) {
    for (const struct command *row = command_rows; row->name; row++, row_count++)
        add(row);
    for (size_t i = 0; i < row_count; i++)
        for (const struct command *sub = command_rows[i].subcommands; sub && sub->name; sub++)
            add(sub);
}

/* The row named `head`, or, of a container that has the name `head`, its subcommand `tail`. */
static const struct command *index_find(uint32_t hash, const struct resp_arg *head,
                                        const struct resp_arg *tail) {
    size_t length = head->length + (tail ? 1 + tail->length : 0);

    for (size_t at = hash % INDEX_SLOTS; command_index[at].row; at = (at + 1) % INDEX_SLOTS) {
        const struct index_slot *slot = &command_index[at];
        if (slot->hash != hash || slot->length != length)
            continue;
        const char *name = slot->row->name;
        if (!same_folded(name, head->bytes, head->length))
            continue;
        if (!tail ||
            (name[head->length] == '|' && same_folded(name + head->length + 1, tail->bytes, tail->length)))
            return slot->row;
    }
    return NULL;
}

const struct command *command_find(const struct resp_arg *args, size_t count) {
    if (count == 0 || args[0].length > NAME_MAX_LENGTH || memchr(args[0].bytes, '|', args[0].length))
        return NULL;
    uint32_t hash = hash_first(args[0].bytes, args[0].length);
    const struct command *row = index_find(hash, &args[0], NULL);
    if (!row || !row->subcommands || count == 1)
        return row;
    if (args[1].length > NAME_MAX_LENGTH)
        return NULL;
    hash = hash_more(hash_more(hash, "|", 1), args[1].bytes, args[1].length);
    return index_find(hash, &args[0], &args[1]);
}

const struct command *command_find_name(const struct resp_arg *name) {
    if (name->length > NAME_MAX_LENGTH)
        return NULL;
    return index_find(hash_first(name->bytes, name->length), name, NULL);
}

const struct command *command_table(size_t *count) {
    *count = row_count;
    return command_rows;
}

size_t command_count(void) {
    return number_count;
}

size_t command_number(const struct command *row) {
    size_t number = row_count;
    if (row >= command_rows && row < command_rows + row_count)
        return (size_t)(row - command_rows);
    while (number < number_count && numbered[number] != row)
        number++;
    return number;
}

const struct command *command_numbered(size_t number) {
    assert(number < number_count);
    return numbered[number];
}

bool command_arity_ok(const struct command *command, size_t count) {
    return command->arity >= 0 ? count == (size_t)command->arity : count >= (size_t)-command->arity;
}

static int shown_length(const struct resp_arg *arg, size_t max) {
    return (int)strnlen(arg->bytes, arg->length < max ? arg->length : max);
}

static void unknown_subcommand(struct resp_out *reply, const struct command *container,
                               const struct resp_arg *name) {
    char upper[NAME_MAX_LENGTH + 1] = "";

    for (size_t at = 0; container->name[at]; at++)
        upper[at] =
            (char)(container->name[at] >= 'a' ? container->name[at] - 'a' + 'A' : container->name[at]);
    resp_error(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", shown_length(name, SHOWN_MAX),
               name->bytes, upper);
}

void command_unknown(struct resp_out *reply, const struct resp_arg *args, size_t count) {
    assert(count > 0);
    const struct command *container = command_find(args, 1);
    if (container && container->subcommands && count > 1) {
        unknown_subcommand(reply, container, &args[1]);
        return;
    }
    char shown[SHOWN_MAX * 2] = "";
    size_t length = 0;
    for (size_t at = 1; at < count && length < SHOWN_MAX; at++) {
        int part = shown_length(&args[at], SHOWN_MAX - length);
        shown[length++] = '\'';
        memcpy(shown + length, args[at].bytes, (size_t)part);
        length += (size_t)part;
        memcpy(shown + length, "' ", 3);
        length += 2;
    }
    resp_error(reply, "ERR unknown command '%.*s', with args beginning with: %s",
               shown_length(&args[0], SHOWN_MAX), args[0].bytes, shown);
}

/* ---- keys --- */

static const struct command_places nowhere = {.first = 1, .last = 0, .step = 1};

/* As many as the argument at `at` says. */
static bool counted_places(const struct resp_arg *args, size_t count, size_t at,
                           struct command_places *places) {
    int64_t announced;

    if (at >= count || !resp_arg_integer(&args[at], &announced) || announced < 1 ||
        (uint64_t)announced > count - at - 1)
        return false;
    *places = (struct command_places){.first = at + 1, .last = at + (size_t)announced, .step = 1};
    return true;
}

/* SORT's: what follows LIMIT, BY and GET is none of its words. */
static struct command_places place_behind_store(const struct resp_arg *args, size_t count) {
    struct command_places places = nowhere;

    for (size_t at = 2; at < count; at++) {
        if (resp_arg_is(&args[at], "limit"))
            at += 2;
        else if (resp_arg_is(&args[at], "by") || resp_arg_is(&args[at], "get"))
            at++;
        else if (resp_arg_is(&args[at], "store") && at + 1 < count)
            places = (struct command_places){.first = at + 1, .last = at + 1, .step = 1};
    }
    return places;
}

static bool places_behind_word(const struct resp_arg *args, size_t count, size_t begin,
                               struct command_places *places) {
    size_t at = begin;

    while (at < count && !resp_arg_is(&args[at], "streams"))
        at++;
    if (at + 2 >= count)
        return false;
    *places = (struct command_places){.first = at + 1, .last = at + (count - at - 1) / 2, .step = 1};
    return true;
}

/* Fixed places: the specification's own, or its share of those in the row's columns. */
static struct command_places fixed_places(const struct command *command, size_t specification, size_t count) {
    const struct command_keys *keys = &command->keys[specification];
    int first = keys->begin ? keys->begin : command->first_key + (int)specification * command->key_step;
    bool several = specification > 0 || command->keys[1].flags;
    int last = keys->begin ? keys->last : several ? first : command->last_key;

    return (struct command_places){
        .first = (size_t)first,
        .last = last < 0 ? count - (size_t)-last : (size_t)last,
        .step = (size_t)command->key_step,
    };
}

bool command_places(const struct command *command, size_t specification, const struct resp_arg *args,
                    size_t count, struct command_places *places) {
    const struct command_keys *keys = &command->keys[specification];

    *places = nowhere;
    if (keys->count_at)
        return counted_places(args, count, (size_t)keys->count_at, places);
    if (keys->search == KEYS_BY_PLACE)
        *places = fixed_places(command, specification, count);
    else if (keys->search == KEYS_BEHIND_WORD)
        return places_behind_word(args, count, (size_t)keys->begin, places);
    else if (keys->search == KEYS_BEHIND_STORE)
        *places = place_behind_store(args, count);
    return true;
}

const struct resp_arg *command_first_key(const struct command *command, const struct resp_arg *args,
                                         size_t count) {
    struct command_places places;

    if (!command->keys || !command_places(command, 0, args, count, &places) || places.first >= count)
        return NULL;
    return &args[places.first];
}
