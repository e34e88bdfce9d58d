/* SPDX-License-Identifier: MIT */
/*
 * A keyspace to run commands on, as rows: a line of arguments, and the reply that must come. In the replies a
 * line's end is a blank, so "*2 $1 a $1 b" is an array of two bulks. In the lines '' is an empty argument. The
 * replies in the tests were taken from Redis 7.0.
 */
#ifndef CALL_WORLD_H
#define CALL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/cmd/command.h"

enum { ARGS_MAX = 128, REPLY_MAX = 4096, CLOCK = 1000000 };

struct fixture {
    struct keyspace *keyspace;
    unsigned db;
    uint64_t wall_ms; /* 0: the keyspace's clock */
    uint64_t seed, version;
    int protocol;
    bool due;              /* of the last call */
    char reply[REPLY_MAX]; /* of the last call */
    char line[REPLY_MAX];  /* what args point into */
    struct resp_arg args[ARGS_MAX];
};

static struct fixture fixture_new(void) {
    struct fixture f = {.keyspace = keyspace_new(16), .protocol = 2, .seed = 1, .version = 1};
    keyspace_advance(f.keyspace, CLOCK);
    return f;
}

static size_t split(struct fixture *f, const char *line) {
    size_t count = 0;
    snprintf(f->line, sizeof f->line, "%s", line);
    for (char *word = strtok(f->line, " "); word; word = strtok(NULL, " ")) {
        assert_true(count < ARGS_MAX);
        f->args[count++] = (struct resp_arg){word, strcmp(word, "''") == 0 ? 0 : strlen(word)};
    }
    return count;
}

/* Lines' ends become blanks, the last one nothing. */
static void show(struct fixture *f, const struct resp_buf *buf) {
    size_t length = 0;
    for (size_t i = 0; i < resp_buf_length(buf) && length + 1 < REPLY_MAX; i++) {
        char c = resp_buf_bytes(buf)[i];
        if (c != '\r')
            f->reply[length++] = c == '\n' ? ' ' : c;
    }
    while (length > 0 && f->reply[length - 1] == ' ')
        length--;
    f->reply[length] = '\0';
}

static const char *run_args(struct fixture *f, size_t count) {
    struct resp_buf buf = {0};
    struct resp_out out = {&buf, f->protocol};
    const struct command *command = command_find(f->args, count);
    assert_non_null(command);
    assert_true(command_arity_ok(command, count));
    struct call call = {
        .keyspace = f->keyspace,
        .command = command,
        .args = f->args,
        .count = count,
        .db = f->db,
        .wall_ms = f->wall_ms ? f->wall_ms : keyspace_clock(f->keyspace),
        .version = f->version,
        .seed = f->seed,
        .reply = &out,
    };
    command->run(&call);
    f->due = call.due;
    show(f, &buf);
    resp_buf_close(&buf);
    return f->reply;
}

static const char *run(struct fixture *f, const char *line) {
    return run_args(f, split(f, line));
}

static void expect(struct fixture *f, const char *line, const char *reply) {
    if (strcmp(run(f, line), reply) != 0)
        fail_msg("%s\n    gives   %s\n    and not %s", line, f->reply, reply);
}

struct row {
    const char *line, *reply;
};

/* Runs the rows one after another on a fresh keyspace. SELECT n is not run: it says where the rows behind it are. */
static void expect_rows(const struct row *rows, size_t count) {
    struct fixture f = fixture_new();
    for (size_t i = 0; i < count; i++)
        if (strncmp(rows[i].line, "SELECT ", 7) == 0)
            f.db = (unsigned)atoi(rows[i].line + 7);
        else
            expect(&f, rows[i].line, rows[i].reply);
    keyspace_free(f.keyspace);
}

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define SYNTAX      "-ERR syntax error"

#endif
