/* SPDX-License-Identifier: MIT */
/*
 * Inside of the configuration: the rows of the table, and what is done with one of them. Only conf*.c include this.
 *
 *     conf.c         the whole: start values, checks, CONFIG GET and SET, help
 *     conf_table.c   the rows
 *     conf_value.c   one value: text -> struct conf -> text
 *     conf_read.c    files, lines, quotes, include, the command line
 */
#ifndef CONF_TABLE_H
#define CONF_TABLE_H

#include "conf.h"

enum {
    CONF_ARGS_MAX = 64, /* words of one line */
    CONF_VALUE_MAX =
        CONF_NODES_MAX * (CONF_HOST_MAX + 32), /* the longest value as text: all raft-node lines */
};

enum conf_type {
    CONF_NUMBER,       /* unsigned or uint64_t, by the field's size */
    CONF_SIGNED,       /* int64_t, down to -1 */
    CONF_MEMORY,       /* uint64_t; units b k kb m mb g gb */
    CONF_YESNO,        /* bool */
    CONF_TEXT,         /* char[] */
    CONF_CHOICE,       /* an enum whose values count the row's choices from 0 */
    CONF_BIND,         /* addresses to listen on */
    CONF_OUTPUT_LIMIT, /* (class hard soft seconds)... */
    CONF_RAFT_NODE,    /* id host:port; each line adds one */
    CONF_EVENTS,       /* letters for bits of enum event_class */
    CONF_JOIN,         /* host:port; each line adds one, an empty one forgets those before it */
};

enum conf_flag {
    CONF_LIVE = 1 << 0, /* CONFIG SET may change it on a running server */
    CONF_NAME =
        1 << 1, /* text that goes into lines for clients and peers: no spaces, commas, control characters */
};

/* One directive. */
struct conf_directive {
    const char *name;
    enum conf_type type;
    size_t offset, size; /* of the field in struct conf */
    unsigned flags;
    uint64_t min, max;          /* of a number or of memory */
    const char *const *choices; /* of a choice; ended by NULL */
    const char *initial;        /* its default, as it would stand in a file */
    const char *help;
};
extern const struct conf_directive conf_directives[];
extern const size_t conf_directive_count;

/* A directive of Redis's that is known, but not acted on. */
struct conf_foreign {
    const char *name;
    const char *
        value; /* what holds here, for CONFIG GET; a line that says the same passes in silence. NULL: nothing does */
    const char *reason; /* why it is ignored, or refused */
    bool refused;       /* to ignore it would be to break a promise (secrecy, permissions): the start stops */
};
extern const struct conf_foreign conf_foreign[];
extern const size_t conf_foreign_count;

/* By name, whatever its case; NULL when there is none. */
const struct conf_directive *conf_find(const char *name);
const struct conf_foreign *conf_find_foreign(const char *name);

/* Words of a line with Redis's quotes: "a\x00b" 'c'. Their number, or -1 for unbalanced quotes or more than `max` words. The words
 * point into `line`, which is changed in place. */
int conf_split(char *line, char **words, int max);
/* Takes the words behind a directive's name into its field. False, with the reason as Redis words it; conf is then as it was. */
bool conf_value_set(const struct conf_directive *row, struct conf *conf, int count, char *const *words,
                    char why[CONF_WHY_MAX]);
void conf_value_get(const struct conf_directive *row, const struct conf *conf, char out[CONF_VALUE_MAX]);
/* Whether a member's host is this machine's own loopback, by its name. */
bool conf_is_loopback(const char *host);

/* The file (or "-"), then the command line, into conf. See conf_load for `why`. */
bool conf_read_file(struct conf *conf, const char *path, char why[CONF_WHY_MAX]);
bool conf_read_arguments(struct conf *conf, int argc, char *const *argv, char why[CONF_WHY_MAX]);

#endif
