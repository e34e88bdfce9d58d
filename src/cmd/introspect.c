/* SPDX-License-Identifier: MIT */
/* COMMAND and the HELP of every container: the table, told to clients. Everything here is read off the rows. */
#include "command.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "../data/glob.h"
#include "rows.h"
#include "sessions.h"
#include "text.h"

struct bit_name {
    unsigned bit;
    const char *name;
};

/* In the order in which Redis tells them. */
static const struct bit_name flag_names[] = {
    {COMMAND_WRITE, "write"},
    {COMMAND_READONLY, "readonly"},
    {COMMAND_DENYOOM, "denyoom"},
    {COMMAND_ADMIN, "admin"},
    {COMMAND_PUBSUB, "pubsub"},
    {COMMAND_NOSCRIPT, "noscript"},
    {COMMAND_BLOCKING, "blocking"},
    {COMMAND_LOADING, "loading"},
    {COMMAND_STALE, "stale"},
    {COMMAND_SKIP_MONITOR, "skip_monitor"},
    {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
    {COMMAND_FAST, "fast"},
    {COMMAND_NO_AUTH, "no_auth"},
    {COMMAND_MAY_REPLICATE, "may_replicate"},
    {COMMAND_SENTINEL, "sentinel"},
    {COMMAND_NO_ASYNC_LOADING, "no_async_loading"},
    {COMMAND_NO_MULTI, "no_multi"},
    {COMMAND_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {COMMAND_MOVABLE_KEYS, "movablekeys"},
    {COMMAND_ALLOW_BUSY, "allow_busy"},
    {0, NULL},
};

static const struct bit_name category_names[] = {
    {CATEGORY_KEYSPACE, "@keyspace"},
    {CATEGORY_READ, "@read"},
    {CATEGORY_WRITE, "@write"},
    {CATEGORY_SET, "@set"},
    {CATEGORY_SORTEDSET, "@sortedset"},
    {CATEGORY_LIST, "@list"},
    {CATEGORY_HASH, "@hash"},
    {CATEGORY_STRING, "@string"},
    {CATEGORY_BITMAP, "@bitmap"},
    {CATEGORY_STREAM, "@stream"},
    {CATEGORY_PUBSUB, "@pubsub"},
    {CATEGORY_ADMIN, "@admin"},
    {CATEGORY_FAST, "@fast"},
    {CATEGORY_SLOW, "@slow"},
    {CATEGORY_BLOCKING, "@blocking"},
    {CATEGORY_DANGEROUS, "@dangerous"},
    {CATEGORY_CONNECTION, "@connection"},
    {CATEGORY_TRANSACTION, "@transaction"},
    {CATEGORY_SCRIPTING, "@scripting"},
    {0, NULL},
};

static unsigned categories_of(const struct command *row) {
    unsigned categories = row->categories;

    if ((row->flags & COMMAND_READONLY) && !(row->categories & CATEGORY_SCRIPTING))
        categories |= CATEGORY_READ;
    if (row->flags & COMMAND_WRITE)
        categories |= CATEGORY_WRITE;
    if (row->flags & COMMAND_BLOCKING)
        categories |= CATEGORY_BLOCKING;
    if (row->flags & COMMAND_PUBSUB)
        categories |= CATEGORY_PUBSUB;
    if (row->flags & COMMAND_ADMIN)
        categories |= CATEGORY_ADMIN | CATEGORY_DANGEROUS;
    return categories | (row->flags & COMMAND_FAST ? CATEGORY_FAST : CATEGORY_SLOW);
}

static size_t rows_of(const struct command *rows) {
    size_t count = 0;

    while (rows && rows[count].name)
        count++;
    return count;
}

/* ---- COMMAND, COMMAND INFO --- */

static void reply_bits(struct resp_out *reply, const struct bit_name *names, unsigned bits) {
    size_t count = 0;

    for (const struct bit_name *name = names; name->name; name++)
        count += (bits & name->bit) != 0;
    resp_set(reply, count);
    for (const struct bit_name *name = names; name->name; name++)
        if (bits & name->bit)
            resp_status(reply, name->name);
}

static void reply_tips(struct resp_out *reply, const char *const *tips) {
    size_t count = 0;

    while (tips && tips[count])
        count++;
    resp_set(reply, count);
    for (size_t at = 0; at < count; at++)
        resp_bulk_text(reply, tips[at]);
}

/* The words of a string as a set of status replies. */
static void reply_words(struct resp_out *reply, const char *words) {
    size_t count = 1;

    for (const char *at = words; *at; at++)
        count += *at == ' ';
    resp_set(reply, count);
    while (*words) {
        char word[32];
        size_t length = strcspn(words, " ");
        assert(length < sizeof word);
        memcpy(word, words, length);
        word[length] = '\0';
        resp_status(reply, word);
        words += length + (words[length] == ' ');
    }
}

static void reply_pair(struct resp_out *reply, const char *name, int value) {
    resp_bulk_text(reply, name);
    resp_integer(reply, value);
}

/* One half of a key specification: what it is about, its kind, and as many numbers as that kind has. */
static void reply_half(struct resp_out *reply, const char *half, const char *kind, size_t numbers) {
    resp_bulk_text(reply, half);
    resp_map(reply, 2);
    resp_bulk_text(reply, "type");
    resp_bulk_text(reply, kind);
    resp_bulk_text(reply, "spec");
    resp_map(reply, numbers);
}

/* How far the keys go from where they begin, and in which steps. */
static void reply_key_range(struct resp_out *reply, const struct command *row, size_t specification) {
    const struct command_keys *keys = &row->keys[specification];
    bool several = specification > 0 || row->keys[1].flags;
    int begin = keys->begin ? keys->begin : row->first_key + (int)specification * row->key_step;
    int last = keys->begin ? keys->last : several ? begin : row->last_key;

    reply_half(reply, "begin_search", "index", 1);
    reply_pair(reply, "index", begin);
    reply_half(reply, "find_keys", "range", 3);
    reply_pair(reply, "lastkey", last < 0 ? last : last - begin);
    reply_pair(reply, "keystep", row->key_step);
    reply_pair(reply, "limit", 0);
}

static void reply_key_count(struct resp_out *reply, const struct command_keys *keys) {
    reply_half(reply, "begin_search", "index", 1);
    reply_pair(reply, "index", keys->count_at);
    reply_half(reply, "find_keys", "keynum", 3);
    reply_pair(reply, "keynumidx", 0);
    reply_pair(reply, "firstkey", 1);
    reply_pair(reply, "keystep", 1);
}

static void reply_key_specs(struct resp_out *reply, const struct command *row) {
    size_t count = 0;

    while (row->keys && row->keys[count].flags)
        count++;
    resp_set(reply, count);
    for (size_t at = 0; at < count; at++) {
        const struct command_keys *keys = &row->keys[at];
        resp_map(reply, keys->notes ? 4 : 3);
        if (keys->notes) {
            resp_bulk_text(reply, "notes");
            resp_bulk_text(reply, keys->notes);
        }
        resp_bulk_text(reply, "flags");
        reply_words(reply, keys->flags);
        if (keys->count_at)
            reply_key_count(reply, keys);
        else if (keys->search == KEYS_BY_PLACE)
            reply_key_range(reply, row, at);
        else {
            reply_half(reply, "begin_search", "unknown", 0);
            reply_half(reply, "find_keys", "unknown", 0);
        }
    }
}

/* A client cannot tell all keys from first, last and step. */
static bool has_movable_keys(const struct command *row) {
    for (const struct command_keys *keys = row->keys; keys && keys->flags; keys++)
        if (keys->count_at || keys->search != KEYS_BY_PLACE)
            return true;
    return false;
}

static void reply_row(struct resp_out *reply, const struct command *row) {
    size_t subcommands = rows_of(row->subcommands);

    resp_array(reply, 10);
    resp_bulk_text(reply, row->name);
    resp_integer(reply, row->arity);
    reply_bits(reply, flag_names, row->flags | (has_movable_keys(row) ? COMMAND_MOVABLE_KEYS : 0u));
    resp_integer(reply, row->first_key);
    resp_integer(reply, row->last_key);
    resp_integer(reply, row->key_step);
    reply_bits(reply, category_names, categories_of(row));
    reply_tips(reply, row->tips);
    reply_key_specs(reply, row);
    if (subcommands)
        resp_array(reply, subcommands);
    else
        resp_set(reply, 0); /* Redis's two shapes */
    for (size_t at = 0; at < subcommands; at++)
        reply_row(reply, &row->subcommands[at]);
}

void session_command(struct session_call *call) {
    size_t count;
    const struct command *rows = command_table(&count);

    resp_array(call->reply, count);
    for (size_t at = 0; at < count; at++)
        reply_row(call->reply, &rows[at]);
}

void session_command_info(struct session_call *call) {
    if (call->count == 2) {
        session_command(call);
        return;
    }
    resp_array(call->reply, call->count - 2);
    for (size_t at = 2; at < call->count; at++) {
        const struct command *row = command_find_name(&call->args[at]);
        if (row)
            reply_row(call->reply, row);
        else
            resp_null(call->reply);
    }
}

void session_command_count(struct session_call *call) {
    size_t count;

    command_table(&count);
    resp_integer(call->reply, (int64_t)count);
}

/* ---- COMMAND DOCS --- */

static void reply_doc(struct resp_out *reply, const struct command *row) {
    size_t subcommands = rows_of(row->subcommands);

    resp_bulk_text(reply, row->name);
    resp_map(reply, subcommands ? 5 : 4);
    resp_bulk_text(reply, "summary");
    resp_bulk_text(reply, row->summary);
    resp_bulk_text(reply, "since");
    resp_bulk_text(reply, row->since);
    resp_bulk_text(reply, "group");
    resp_bulk_text(reply, row->group);
    resp_bulk_text(reply, "complexity");
    resp_bulk_text(reply, row->complexity);
    if (!subcommands)
        return;
    resp_bulk_text(reply, "subcommands");
    resp_map(reply, subcommands);
    for (size_t at = 0; at < subcommands; at++)
        reply_doc(reply, &row->subcommands[at]);
}

/* Names that are not there are left out. */
void session_command_docs(struct session_call *call) {
    size_t count, known = 0;
    const struct command *rows = command_table(&count);

    if (call->count == 2) {
        resp_map(call->reply, count);
        for (size_t at = 0; at < count; at++)
            reply_doc(call->reply, &rows[at]);
        return;
    }
    for (size_t at = 2; at < call->count; at++)
        known += command_find_name(&call->args[at]) != NULL;
    resp_map(call->reply, known);
    for (size_t at = 2; at < call->count; at++) {
        const struct command *row = command_find_name(&call->args[at]);
        if (row)
            reply_doc(call->reply, row);
    }
}

/* ---- COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN what] --- */

enum list_filter { LIST_ALL, LIST_MODULE, LIST_CATEGORY, LIST_PATTERN };

static bool in_category(const struct command *row, const struct resp_arg *what) {
    unsigned categories = categories_of(row);

    for (const struct bit_name *name = category_names; name->name; name++)
        if ((categories & name->bit) && resp_arg_is(what, name->name + 1))
            return true;
    return false;
}

static bool listed(const struct command *row, enum list_filter filter, const struct resp_arg *what) {
    switch (filter) {
    case LIST_ALL:
        return true;
    case LIST_MODULE: /* there are no modules */
        return false;
    case LIST_CATEGORY:
        return in_category(row, what);
    case LIST_PATTERN:
        return glob_match(what, &(struct resp_arg){row->name, strlen(row->name)});
    }
    return false;
}

static size_t list_rows(struct resp_out *reply, const struct command *rows, enum list_filter filter,
                        const struct resp_arg *what) {
    size_t count = 0;

    for (const struct command *row = rows; row && row->name; row++) {
        if (listed(row, filter, what)) {
            resp_bulk_text(reply, row->name);
            count++;
        }
        count += list_rows(reply, row->subcommands, filter, what);
    }
    return count;
}

void session_command_list(struct session_call *call) {
    enum list_filter filter = LIST_ALL;
    const struct resp_arg *kind = call->count == 5 ? &call->args[3] : NULL;

    if (kind && resp_arg_is(&call->args[2], "FILTERBY"))
        filter = resp_arg_is(kind, "MODULE")    ? LIST_MODULE
                 : resp_arg_is(kind, "ACLCAT")  ? LIST_CATEGORY
                 : resp_arg_is(kind, "PATTERN") ? LIST_PATTERN
                                                : LIST_ALL;
    if (call->count != 2 && filter == LIST_ALL) {
        resp_error(call->reply, "ERR syntax error");
        return;
    }
    struct resp_buf lower = {0}; /* the rows' names are in lower case */
    if (kind)
        resp_buf_append(&lower, call->args[4].bytes, call->args[4].length);
    for (size_t at = lower.start; at < lower.end; at++)
        lower.bytes[at] = (char)tolower((unsigned char)lower.bytes[at]);
    struct resp_arg what = {resp_buf_length(&lower) ? resp_buf_bytes(&lower) : "", resp_buf_length(&lower)};
    size_t mark = resp_array_open(call->reply);
    resp_array_close(call->reply, mark, list_rows(call->reply, command_rows, filter, &what));
    resp_buf_close(&lower);
}

/* ---- COMMAND GETKEYS, GETKEYSANDFLAGS --- */

/* The row of the command that is asked about; NULL with an error when its keys cannot be told. */
static const struct command *row_with_keys(struct session_call *call, const struct resp_arg *args,
                                           size_t count) {
    const struct command *row = command_find(args, count);

    if (!row)
        resp_error(call->reply, "ERR Invalid command specified");
    else if (!row->keys)
        resp_error(call->reply, "ERR The command has no key arguments");
    else if (!command_arity_ok(row, count))
        resp_error(call->reply, "ERR Invalid number of arguments specified for command");
    else
        return row;
    return NULL;
}

/* Whether a BITFIELD does nothing but GET. */
static bool only_reads(const struct resp_arg *args, size_t count) {
    for (size_t at = 2; at < count;) {
        if (resp_arg_is(&args[at], "get") && count - at > 2)
            at += 3;
        else if (resp_arg_is(&args[at], "overflow") && count - at > 1)
            at += 2;
        else
            return false;
    }
    return true;
}

/* What is done with the keys by these arguments, where it depends on them. */
static const char *flags_by_arguments(const struct command *row, const struct resp_arg *args, size_t count) {
    if (strcmp(row->name, "bitfield") == 0)
        return only_reads(args, count) ? "RO access" : "RW access update";
    assert(strcmp(row->name, "set") == 0);
    for (size_t at = 3; at < count; at++)
        if (resp_arg_is(&args[at], "get"))
            return "RW access update";
    return "OW update";
}

static void reply_keys(struct session_call *call, bool with_flags) {
    const struct resp_arg *args = call->args + 2;
    size_t count = call->count - 2, found = 0;
    const struct command *row = row_with_keys(call, args, count);
    struct command_places places;

    if (!row)
        return;
    for (size_t at = 0; row->keys[at].flags; at++)
        if (!command_places(row, at, args, count, &places)) {
            if (row->flags & COMMAND_NO_MANDATORY_KEYS)
                resp_array(call->reply, 0);
            else
                resp_error(call->reply, "ERR Invalid arguments specified for command");
            return;
        }
    size_t mark = resp_array_open(call->reply);
    for (size_t at = 0; row->keys[at].flags; at++) {
        const char *flags = row->keys[at].flags;
        if (strstr(flags, "variable_flags"))
            flags = flags_by_arguments(row, args, count);
        (void)command_places(row, at, args, count, &places);
        for (size_t key = places.first; key <= places.last; key += places.step, found++) {
            if (with_flags)
                resp_array(call->reply, 2);
            resp_bulk(call->reply, args[key].bytes, args[key].length);
            if (with_flags)
                reply_words(call->reply, flags);
        }
    }
    resp_array_close(call->reply, mark, found);
}

void session_command_getkeys(struct session_call *call) {
    reply_keys(call, false);
}

void session_command_getkeysandflags(struct session_call *call) {
    reply_keys(call, true);
}

/* ---- HELP --- */

static void reply_upper(struct resp_out *reply, const char *name, const char *more) {
    char line[128];
    size_t length = 0;

    for (; name[length]; length++)
        line[length] = (char)toupper((unsigned char)name[length]);
    assert(length + strlen(more) < sizeof line);
    memcpy(line + length, more, strlen(more) + 1);
    resp_status(reply, line);
}

/* Two lines a subcommand, its name and its summary, as Redis lays them out. */
void session_help(struct session_call *call) {
    const char *bar = strchr(call->command->name, '|');
    struct resp_arg name = {call->command->name, (size_t)(bar - call->command->name)};
    const struct command *container = command_find_name(&name);

    assert(container && container->subcommands);
    resp_array(call->reply, 1 + 2 * rows_of(container->subcommands));
    reply_upper(call->reply, container->name, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (const struct command *row = container->subcommands; row->name; row++) {
        struct resp_buf line = {0};
        reply_upper(call->reply, strchr(row->name, '|') + 1, "");
        text_add(&line, "    %s%c", row->summary, '\0');
        resp_status(call->reply, resp_buf_bytes(&line));
        resp_buf_close(&line);
    }
}
