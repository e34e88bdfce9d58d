/* SPDX-License-Identifier: MIT */
#include "coverage.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compare.h"
#include "harness.h"
#include "wire.h"

enum { ROWS_MAX = 600, NAME_MAX = 48, LINE_MAX_BYTES = 8192, ASK_MS = 30000 };

struct row {
    char name[NAME_MAX];
    bool in_redis, in_redraft;
    bool over_data; /* of redraft's: it reads or writes keys */
    uint64_t done, refused, in_transactions, in_scripts;
};

struct coverage {
    struct row rows[ROWS_MAX]; /* by name */
    size_t count;
};

/* ---- the tables ------------------------------------------------------------------------------------------ */

static int order_rows(const void *a, const void *b) {
    const struct row *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static struct row *find_name(const struct coverage *coverage, const char *name) {
    struct row key;
    snprintf(key.name, sizeof(key.name), "%s", name);
    const struct row *found = bsearch(&key, coverage->rows, coverage->count, sizeof(key), order_rows);
    return found ? (struct row *)(uintptr_t)found : NULL;
}

static struct reply ask(struct wire *wire, const char *words) {
    struct reply reply;
    if (!wire_send_words(wire, words) || wire_read(wire, &reply.bytes, &reply.length) != WIRE_OK ||
        reply.bytes[0] != '*')
        harness_fail("%s is not answered by an array", words);
    return reply;
}

static size_t name_of(struct reply bulk, char name[NAME_MAX]) {
    size_t length = (size_t)strtol(bulk.bytes + 1, NULL, 10);
    const char *bytes = (const char *)memchr(bulk.bytes, '\n', bulk.length) + 1;
    if (bulk.bytes[0] != '$' || length >= NAME_MAX)
        harness_fail("COMMAND LIST names something else than commands");
    snprintf(name, NAME_MAX, "%.*s", (int)length, bytes);
    return length;
}

static void add_table(struct coverage *coverage, unsigned port, bool redis) {
    struct wire *wire = wire_open(port, harness_scaled_ms(ASK_MS));
    struct reply rest = ask(wire, "COMMAND LIST");
    long count = strtol(rest.bytes + 1, NULL, 10);
    compare_skip_header(&rest);
    for (; count > 0; count--) {
        char name[NAME_MAX];
        (void)name_of(compare_next(&rest), name);
        struct row *row = find_name(coverage, name);
        if (row == NULL) {
            if (coverage->count == ROWS_MAX)
                harness_fail("more commands than there is room for");
            row = &coverage->rows[coverage->count++];
            snprintf(row->name, sizeof(row->name), "%s", name);
            row->in_redis = redis;
            row->in_redraft = !redis;
            qsort(coverage->rows, coverage->count, sizeof(*coverage->rows), order_rows);
        } else {
            row->in_redis |= redis;
            row->in_redraft |= !redis;
        }
    }
    wire_close(wire);
}

/* A container's own row cannot be sent. */
static bool is_container(const struct coverage *coverage, const struct row *row) {
    size_t length = strlen(row->name);
    const struct row *next = row + 1;
    return next < coverage->rows + coverage->count && strncmp(next->name, row->name, length) == 0 &&
           next->name[length] == '|';
}

/* There are no functions that FCALL_RO could call. */
static void mark_data(struct coverage *coverage, unsigned port) {
    struct wire *wire = wire_open(port, harness_scaled_ms(ASK_MS));
    for (size_t i = 0; i < coverage->count; i++) {
        struct row *row = &coverage->rows[i];
        char words[NAME_MAX + 16];
        snprintf(words, sizeof(words), "COMMAND INFO %s", row->name);
        const char *info = row->in_redraft ? wire_ask(wire, words) : "";
        row->over_data = !is_container(coverage, row) && strcmp(row->name, "fcall_ro") != 0 &&
                         (strstr(info, "+write") || strstr(info, "+readonly"));
    }
    wire_close(wire);
}

struct coverage *coverage_new(unsigned redis_port, unsigned redraft_port) {
    struct coverage *coverage = calloc(1, sizeof(*coverage));
    add_table(coverage, redis_port, true);
    add_table(coverage, redraft_port, false);
    mark_data(coverage, redraft_port);
    return coverage;
}

void coverage_free(struct coverage *coverage) {
    free(coverage);
}

/* ---- what was sent --------------------------------------------------------------------------------------- */

static int find_words(const struct coverage *coverage, struct word first, struct word second) {
    char name[2 * NAME_MAX];
    if (first.length >= NAME_MAX)
        return -1;
    if (second.length >= NAME_MAX)
        second.length = 0; /* no subcommand */
    snprintf(name, sizeof(name), "%.*s|%.*s", (int)first.length, first.bytes, (int)second.length,
             second.bytes);
    for (char *at = name; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    struct row *row = find_name(coverage, name);
    if (row == NULL) {
        name[first.length] = '\0';
        row = find_name(coverage, name);
    }
    return row && !is_container(coverage, row) ? (int)(row - coverage->rows) : -1;
}

int coverage_find(const struct coverage *coverage, const struct sequence *sequence, size_t at) {
    return find_words(coverage, sequence_word(sequence, at, 0), sequence_word(sequence, at, 1));
}

void coverage_note(struct coverage *coverage, int place, bool error, bool in_transaction) {
    if (place < 0)
        return;
    struct row *row = &coverage->rows[place];
    row->done += !error;
    row->refused += error;
    row->in_transactions += in_transaction && !error;
}

void coverage_note_script(struct coverage *coverage, const struct sequence *sequence, size_t at, bool error) {
    struct word name = sequence_word(sequence, at, 0);
    if (error || name.length < 4 || strncasecmp(name.bytes, "eval", 4) != 0 ||
        !sequence_word_is(sequence_word(sequence, at, 2), "0") || sequence->commands[at].count < 4)
        return;
    int place = find_words(coverage, sequence_word(sequence, at, 3), sequence_word(sequence, at, 4));
    if (place >= 0)
        coverage->rows[place].in_scripts++;
}

/* ---- what was not ---------------------------------------------------------------------------------------- */

typedef bool is_meant(const struct row *row);

static bool never_done(const struct row *row) {
    return row->in_redraft && row->over_data && row->done == 0;
}

static bool never_refused(const struct row *row) {
    return row->in_redraft && row->over_data && row->refused == 0;
}

static bool never_in_transaction(const struct row *row) {
    return row->in_redraft && row->over_data && row->in_transactions == 0;
}

static bool never_in_script(const struct row *row) {
    return row->in_redraft && row->over_data && row->in_scripts == 0;
}

static bool not_sent(const struct row *row) {
    return row->in_redis && row->in_redraft && !row->over_data && row->done + row->refused == 0;
}

static bool redis_only(const struct row *row) {
    return row->in_redis && !row->in_redraft;
}

static size_t tell(const struct coverage *coverage, const char *what, is_meant *meant) {
    char line[LINE_MAX_BYTES] = "";
    size_t count = 0, used = 0;
    for (size_t i = 0; i < coverage->count; i++) {
        const struct row *row = &coverage->rows[i];
        if (is_container(coverage, row) || !meant(row))
            continue;
        count++;
        if (used < sizeof(line) - NAME_MAX - 2)
            used += (size_t)sprintf(line + used, " %s", row->name);
    }
    if (count > 0)
        harness_say("%s (%zu):%s", what, count, line);
    return count;
}

size_t coverage_tell(const struct coverage *coverage) {
    size_t over_data = 0;
    for (size_t i = 0; i < coverage->count; i++)
        over_data += coverage->rows[i].in_redraft && coverage->rows[i].over_data;
    harness_say("redraft has %zu commands over data", over_data);
    size_t missed = tell(coverage, "of these, never done", never_done);
    (void)tell(coverage, "never refused", never_refused);
    (void)tell(coverage, "never in a transaction", never_in_transaction);
    (void)tell(coverage, "never called by a script", never_in_script);
    (void)tell(coverage, "others that both have, never sent", not_sent);
    (void)tell(coverage, "only redis has", redis_only);
    return missed;
}
