/* SPDX-License-Identifier: MIT */
/* The commands that took long, the newest first, as SLOWLOG tells them. */
#ifndef SLOWLOG_H
#define SLOWLOG_H

#include <stddef.h>
#include <stdint.h>

#include "../resp/resp.h"

enum {
    SLOWLOG_ARGS_MAX = 32,       /* of a command with more, the last one kept says how many are missing */
    SLOWLOG_ARG_BYTES_MAX = 128, /* likewise of an argument */
};

struct slowlog;

struct slowlog_entry {
    struct slowlog_entry *older, *newer;
    uint64_t id; /* counts up for as long as the process lives */
    uint64_t time_s, us;
    struct resp_buf args; /* an array of bulks, cut as above */
    char *address, *name; /* of the client; "" for a command that came from the log */
};

/* Who sent what. */
struct slowlog_call {
    const struct resp_arg *args;
    size_t count;
    size_t secret_from; /* arguments from here on are not shown; 0: all are */
    const char *address, *name;
};

struct slowlog *slowlog_new(void);
void slowlog_free(struct slowlog *log);
/* Adds one that ended at `time_s` (Unix seconds); the oldest beyond `length_max` go. */
void slowlog_add(struct slowlog *log, const struct slowlog_call *call, uint64_t time_s, uint64_t us,
                 size_t length_max);
void slowlog_reset(struct slowlog *log);
size_t slowlog_length(const struct slowlog *log);
/* The newest; NULL when there is none. */
const struct slowlog_entry *slowlog_first(const struct slowlog *log);

#endif
