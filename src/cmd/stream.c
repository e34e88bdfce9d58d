/* SPDX-License-Identifier: MIT */
/* Entries of streams: XADD, XDEL, XLEN, XRANGE, XREVRANGE, XSETID, XTRIM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "streams.h"

enum { ENTRY_BYTES_MAX = 1 << 30, TRIM_LIMIT = 10000 };

/* ---- ids --- */

/* An unsigned number as Redis takes it: decimal, and whatever else strtoull does. */
static bool read_unsigned(const char *text, uint64_t *number) {
    struct resp_arg arg = {text, strlen(text)};
    int64_t integer;
    if (resp_arg_integer(&arg, &integer)) {
        *number = (uint64_t)integer;
        return integer >= 0;
    }
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *text != '\0' && *end == '\0';
}

bool streams_read_id(const struct resp_arg *arg, uint64_t missing, struct stream_id *id, bool *generated) {
    char text[128];
    if (arg->length >= sizeof text)
        return false;
    if (arg->length)
        memcpy(text, arg->bytes, arg->length);
    text[arg->length] = '\0';
    char *dash = strchr(text, '-');
    id->seq = missing;
    if (dash) {
        *dash = '\0';
        bool star = generated && strcmp(dash + 1, "*") == 0;
        if (star)
            id->seq = 0;
        if (generated)
            *generated = star;
        if (!star && !read_unsigned(dash + 1, &id->seq))
            return false;
    } else if (generated) {
        *generated = false;
    }
    return read_unsigned(text, &id->ms);
}

static bool check_id(struct call *call, bool good) {
    if (!good)
        resp_error(call->reply, "ERR Invalid stream ID specified as stream command argument");
    return good;
}

bool streams_id(struct call *call, const struct resp_arg *arg, uint64_t missing, struct stream_id *id) {
    return check_id(call, streams_read_id(arg, missing, id, NULL));
}

bool streams_bound(struct call *call, const struct resp_arg *arg, uint64_t missing, struct stream_id *id) {
    bool sign = arg->length == 1 && (arg->bytes[0] == '-' || arg->bytes[0] == '+');
    if (sign)
        *id = arg->bytes[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
    return sign || streams_id(call, arg, missing, id);
}

bool streams_open_bound(struct call *call, const struct resp_arg *arg, uint64_t missing, struct stream_id *id,
                        bool *excludes) {
    *excludes = arg->length > 1 && arg->bytes[0] == '(';
    struct resp_arg bare = {arg->bytes + 1, arg->length - 1};
    return *excludes ? streams_id(call, &bare, missing, id) : streams_bound(call, arg, missing, id);
}

void streams_reply_id(struct resp_out *reply, const struct stream_id *id) {
    resp_bulk_format(reply, "%llu-%llu", (unsigned long long)id->ms, (unsigned long long)id->seq);
}

/* ---- what all share --- */

void streams_reply_entry(struct resp_out *reply, struct stream_entry *entry) {
    struct stream_field field;
    resp_array(reply, 2);
    streams_reply_id(reply, &entry->id);
    resp_array(reply, entry->fields * 2);
    for (size_t i = 0; i < entry->fields; i++) {
        stream_entry_field(entry, &field);
        resp_bulk(reply, field.name.bytes, field.name.length);
        resp_bulk(reply, field.value.bytes, field.value.length);
    }
}

bool streams_find_or_zero(struct call *call, struct item **item) {
    if (!lookup_type(call, &call->args[1], VALUE_STREAM, item))
        return false;
    if (!*item)
        resp_integer(call->reply, 0);
    return *item != NULL;
}

/* ---- XADD, XTRIM --- */

/* What stands before the fields, or all that XTRIM is told. */
struct options {
    bool is_add;
    bool no_make;                /* NOMKSTREAM */
    bool trims, limited;         /* how is said; LIMIT is */
    bool id_given, id_generated; /* not *; ms-* */
    struct stream_id id;
    struct stream_trim trim;
    size_t at; /* of the id */
};

static bool refuse(struct call *call, const char *error) {
    resp_error(call->reply, "ERR %s", error);
    return false;
}

static bool is_sign(const struct resp_arg *arg, char sign) {
    return arg->length == 1 && arg->bytes[0] == sign;
}

/* MAXLEN or MINID at *at, with at least one argument behind it. */
static bool parse_strategy(struct call *call, bool by_id, size_t *at, struct options *options) {
    const struct resp_arg *args = call->args;
    int64_t length;
    if (options->trims)
        return refuse(call, "syntax error, MAXLEN and MINID options at the same time are not compatible");
    ++*at;
    options->trim.whole_nodes = false;
    if (*at + 1 < call->count && (is_sign(&args[*at], '~') || is_sign(&args[*at], '='))) {
        options->trim.whole_nodes = args[*at].bytes[0] == '~';
        ++*at;
    }
    options->trims = true;
    options->trim.by_id = by_id;
    if (by_id)
        return streams_bound(call, &args[*at], 0, &options->trim.id);
    if (!lookup_integer(call, &args[*at], &length))
        return false;
    options->trim.length = (uint64_t)length;
    return length >= 0 || refuse(call, "The MAXLEN argument must be >= 0.");
}

static bool parse_limit(struct call *call, size_t *at, struct options *options) {
    int64_t limit;
    ++*at;
    if (!lookup_integer(call, &call->args[*at], &limit))
        return false;
    options->limited = true;
    options->trim.limit = (uint64_t)limit;
    return limit >= 0 || refuse(call, "The LIMIT argument must be >= 0.");
}

/* One option, or what XADD has behind them; *at is its last argument. */
static bool parse_option(struct call *call, size_t *at, struct options *options, bool *ends) {
    const struct resp_arg *arg = &call->args[*at];
    bool more = *at + 1 < call->count;
    if (more && (resp_arg_is(arg, "maxlen") || resp_arg_is(arg, "minid")))
        return parse_strategy(call, resp_arg_is(arg, "minid"), at, options);
    if (more && resp_arg_is(arg, "limit"))
        return parse_limit(call, at, options);
    if (!options->is_add) {
        lookup_syntax_error(call);
        return false;
    }
    if (resp_arg_is(arg, "nomkstream")) {
        options->no_make = true;
        return true;
    }
    *ends = true;
    options->id_given = true;
    return check_id(call, streams_read_id(arg, 0, &options->id, &options->id_generated));
}

static bool check_options(struct call *call, struct options *options) {
    if (options->trim.limit > 0 && !options->trims)
        return refuse(call, "syntax error, LIMIT cannot be used without specifying a trimming strategy");
    if (!options->is_add && !options->trims)
        return refuse(call, "syntax error, XTRIM must be called with a trimming strategy");
    if (options->limited && !options->trim.whole_nodes)
        return refuse(call, "syntax error, LIMIT cannot be used without the special ~ option");
    if (!options->limited && options->trim.whole_nodes)
        options->trim.limit = TRIM_LIMIT;
    return true;
}

static bool parse_options(struct call *call, bool is_add, struct options *options) {
    bool ends = false;
    *options = (struct options){.is_add = is_add};
    size_t at = 2;
    for (; at < call->count && !ends; at++) {
        if (is_add && is_sign(&call->args[at], '*'))
            break;
        if (!parse_option(call, &at, options, &ends))
            return false;
    }
    options->at = ends ? at - 1 : at;
    return check_options(call, options);
}

/* The id of the next entry. False: there is none. */
static bool choose_id(const struct call *call, const struct options *options, const struct stream_head *head,
                      struct stream_id *id) {
    if (!options->id_given) {
        *id = (struct stream_id){call->wall_ms, 0};
        if (id->ms <= head->last.ms) {
            *id = head->last;
            return stream_id_next(id);
        }
        return true;
    }
    *id = options->id;
    if (options->id_generated && id->ms == head->last.ms) {
        id->seq = head->last.seq + 1;
        if (id->seq == 0)
            return false;
    }
    return stream_id_compare(id, &head->last) > 0;
}

static bool fits(const struct call *call, size_t fields) {
    uint64_t bytes = 0;
    for (size_t i = fields; i < call->count; i++)
        bytes += call->args[i].length;
    return bytes <= ENTRY_BYTES_MAX;
}

static void trim(struct call *call, struct collection *stream, const struct options *options) {
    if (options->trims && stream_trim(stream, &options->trim) > 0)
        notify(call, EVENT_STREAM, "xtrim", &call->args[1]);
}

static void add(struct call *call, const struct options *options, struct item *item) {
    struct stream_head head = item ? stream_head(item) : (struct stream_head){0};
    size_t fields = options->at + 1;
    struct collection stream;
    struct stream_id id;
    if (stream_id_compare(&head.last, &STREAM_ID_MAX) == 0)
        refuse(call, "The stream has exhausted the last possible ID, unable to add more items");
    else if (!choose_id(call, options, &head, &id))
        refuse(call, "The ID specified in XADD is equal or smaller than the target stream top item");
    else if (!fits(call, fields))
        refuse(call, "Elements are too large to be stored");
    else {
        stream_open(&stream, call->keyspace, call->db, &call->args[1]);
        stream_add(&stream, &id, &call->args[fields], call->count - fields);
        streams_reply_id(call->reply, &id);
        notify(call, EVENT_STREAM, "xadd", &call->args[1]);
        trim(call, &stream, options);
        stream_close(&stream, call->version);
    }
}

void cmd_xadd(struct call *call) {
    struct options options;
    struct item *item;
    if (!parse_options(call, true, &options))
        return;
    if (call->count < options.at + 3 || (call->count - options.at) % 2 == 0) {
        resp_error(call->reply, "ERR wrong number of arguments for 'xadd' command");
        return;
    }
    if (options.id_given && !options.id_generated && options.id.ms == 0 && options.id.seq == 0) {
        refuse(call, "The ID specified in XADD must be greater than 0-0");
        return;
    }
    if (!lookup_type(call, &call->args[1], VALUE_STREAM, &item))
        return;
    if (!item && options.no_make)
        resp_null(call->reply);
    else
        add(call, &options, item);
}

void cmd_xtrim(struct call *call) {
    struct options options;
    struct collection stream;
    struct item *item;
    if (!parse_options(call, false, &options) || !streams_find_or_zero(call, &item))
        return;
    stream_open(&stream, call->keyspace, call->db, &call->args[1]);
    uint64_t removed = stream_trim(&stream, &options.trim);
    if (removed > 0)
        notify(call, EVENT_STREAM, "xtrim", &call->args[1]);
    stream_close(&stream, call->version);
    resp_integer(call->reply, (int64_t)removed);
}

/* ---- others --- */

void cmd_xlen(struct call *call) {
    struct item *item;
    if (streams_find_or_zero(call, &item))
        resp_integer(call->reply, (int64_t)stream_head(item).length);
}

void cmd_xdel(struct call *call) {
    struct collection stream;
    struct stream_id id;
    struct item *item;
    int64_t deleted = 0;
    if (!streams_find_or_zero(call, &item))
        return;
    for (size_t i = 2; i < call->count; i++)
        if (!streams_id(call, &call->args[i], 0, &id))
            return;
    stream_open(&stream, call->keyspace, call->db, &call->args[1]);
    for (size_t i = 2; i < call->count; i++)
        if (streams_read_id(&call->args[i], 0, &id, NULL))
            deleted += stream_delete(&stream, &id);
    if (deleted > 0)
        notify(call, EVENT_STREAM, "xdel", &call->args[1]);
    stream_close(&stream, call->version);
    resp_integer(call->reply, deleted);
}

/* COUNT; -1: all. */
static bool parse_count(struct call *call, int64_t *count) {
    *count = -1;
    for (size_t i = 4; i < call->count; i += 2) {
        if (!resp_arg_is(&call->args[i], "count") || i + 1 == call->count) {
            lookup_syntax_error(call);
            return false;
        }
        if (!lookup_integer(call, &call->args[i + 1], count))
            return false;
        if (*count < 0)
            *count = 0;
    }
    return true;
}

static bool parse_range(struct call *call, bool backward, struct stream_id *low, struct stream_id *high) {
    bool excludes;
    if (!streams_open_bound(call, &call->args[backward ? 3 : 2], 0, low, &excludes))
        return false;
    if (excludes && !stream_id_next(low))
        return refuse(call, "invalid start ID for the interval");
    if (!streams_open_bound(call, &call->args[backward ? 2 : 3], UINT64_MAX, high, &excludes))
        return false;
    return !excludes || stream_id_previous(high) || refuse(call, "invalid end ID for the interval");
}

static void range(struct call *call, bool backward) {
    struct stream_id low, high;
    struct stream_walk walk;
    struct stream_entry entry;
    struct item *item;
    int64_t count;
    if (!parse_range(call, backward, &low, &high) || !parse_count(call, &count) ||
        !lookup_type(call, &call->args[1], VALUE_STREAM, &item))
        return;
    if (!item || count == 0) {
        item ? resp_null_array(call->reply) : resp_array(call->reply, 0);
        return;
    }
    size_t mark = resp_array_open(call->reply), told = 0;
    stream_walk_begin(&walk, item, &low, &high, backward);
    for (; count-- != 0 && stream_walk_next(&walk, &entry); told++)
        streams_reply_entry(call->reply, &entry);
    resp_array_close(call->reply, mark, told);
}

void cmd_xrange(struct call *call) {
    range(call, false);
}

void cmd_xrevrange(struct call *call) {
    range(call, true);
}

/* ENTRIESADDED and MAXDELETEDID. */
static bool parse_setid(struct call *call, struct stream_head *said, bool *with_added, bool *with_erased) {
    for (size_t i = 3; i < call->count; i += 2) {
        const struct resp_arg *value = &call->args[i + 1];
        int64_t added;
        if (i + 1 < call->count && resp_arg_is(&call->args[i], "entriesadded")) {
            if (!lookup_integer(call, value, &added))
                return false;
            if (added < 0)
                return refuse(call, "entries_added must be positive");
            said->added = (uint64_t)added;
            *with_added = true;
        } else if (i + 1 < call->count && resp_arg_is(&call->args[i], "maxdeletedid")) {
            if (!streams_id(call, value, 0, &said->erased))
                return false;
            if (stream_id_compare(&said->last, &said->erased) < 0)
                return refuse(call,
                              "The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
            *with_erased = true;
        } else {
            lookup_syntax_error(call);
            return false;
        }
    }
    return true;
}

static bool check_setid(struct call *call, const struct item *item, const struct stream_head *said,
                        bool with_added, bool with_erased) {
    struct stream_head head = stream_head(item);
    struct stream_entry last;
    if (stream_id_compare(&said->last, &head.erased) < 0)
        return refuse(call, "The ID specified in XSETID is smaller than current max_deleted_entry_id");
    if (stream_edge(item, true, &last)) {
        if (stream_id_compare(&said->last, &last.id) < 0)
            return refuse(call, "The ID specified in XSETID is smaller than the target stream top item");
        if (with_added && head.length > said->added)
            return refuse(call,
                          "The entries_added specified in XSETID is smaller than the target stream length");
    }
    (void)with_erased;
    return true;
}

void cmd_xsetid(struct call *call) {
    struct stream_head said = {0};
    bool with_added = false, with_erased = false;
    struct collection stream;
    struct item *item;
    if (!streams_id(call, &call->args[2], 0, &said.last) ||
        !parse_setid(call, &said, &with_added, &with_erased) ||
        !lookup_type(call, &call->args[1], VALUE_STREAM, &item))
        return;
    if (!item) {
        refuse(call, "no such key");
        return;
    }
    if (!check_setid(call, item, &said, with_added, with_erased))
        return;
    stream_open(&stream, call->keyspace, call->db, &call->args[1]);
    struct stream_head head = stream_head(stream.item);
    head.last = said.last;
    if (with_added)
        head.added = said.added;
    if (with_erased && (said.erased.ms || said.erased.seq))
        head.erased = said.erased;
    stream_set_head(&stream, &head);
    stream.changed = true;
    notify(call, EVENT_STREAM, "xsetid", &call->args[1]);
    stream_close(&stream, call->version);
    resp_status(call->reply, "OK");
}
