/* SPDX-License-Identifier: MIT */
/* Nodes that shake hands over buffers: every step's bytes can be kept, replayed and spoilt. */
#ifndef ADMISSION_WORLD_H
#define ADMISSION_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/admission.h"
#include "../src/level.h"

enum { WORLD_NODES_MAX = 7, WORLD_ARGS_MAX = 16, FACTS = 13 };

/* Where a request's arguments begin: the facts of a hello stand behind its name. */
enum { HELLO_ARGS = 1 + FACTS + 1, ANSWER_ARGS = FACTS + 2 };
enum fact {
    FACT_PROTOCOL,
    FACT_FROM,
    FACT_TO,
    FACT_NAME,
    FACT_CLUSTER,
    FACT_INCARNATION,
    FACT_MEMBERS,
    FACT_OFFERS,
    FACT_LEVEL,
    FACT_VERSION,
    FACT_ANNOUNCED,
    FACT_PATIENCE,
    FACT_ADDRESS,
    FACT_NONCE,
    FACT_PROOF,
};

struct world {
    size_t count;
    struct admission nodes[WORLD_NODES_MAX]; /* node i has the id i + 1 */
};

/* A request taken apart; its arguments may be replaced. */
struct request {
    struct resp_buf buf;
    struct resp_parser *parser;
    struct resp_arg args[WORLD_ARGS_MAX];
    size_t count;
};

enum stage { HELLO_REFUSED, ANSWER_REFUSED, AUTH_REFUSED, LINKED };

struct handshake {
    struct admission_exchange dial, answer;
    struct request hello, answered, auth;
    struct resp_buf reply; /* the dialled side's last word: +OK or an error */
    char why[ADMISSION_WHY_MAX];
};

static inline struct resp_arg arg_of(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

static inline void set_up_node(struct admission *node, size_t at, size_t count, const char *secret) {
    struct store_identity *identity = &node->identity;
    *node = (struct admission){0};
    strcpy(node->name, "test");
    strcpy(node->secret, secret);
    node->secret_length = strlen(secret);
    node->offers = LEVEL_NEWEST;
    node->level = LEVEL_FIRST;
    snprintf(node->announced, sizeof node->announced, "10.0.0.%zu:7000", at + 1);
    identity->node = at + 1;
    admission_random_id(identity->incarnation);
    identity->member_count = count;
    for (size_t i = 0; i < count; i++) {
        size_t which = (i + at) % count; /* files need not list the members in the same order */
        struct store_member *member = &identity->members[i];
        member->id = which + 1;
        snprintf(member->address, sizeof member->address, "10.0.0.%zu:7000", which + 1);
        if (which == at)
            strcpy(member->incarnation, identity->incarnation);
    }
}

static inline void set_up_world(struct world *world, size_t count, const char *secret) {
    world->count = count;
    for (size_t i = 0; i < count; i++)
        set_up_node(&world->nodes[i], i, count, secret);
}

/* ---- requests ---------------------------------------------------------------------------------------------- */

static inline void request_close(struct request *request) {
    resp_buf_close(&request->buf);
    if (request->parser)
        resp_parser_free(request->parser);
    *request = (struct request){0};
}

/* Takes apart what was written into request->buf. */
static inline void request_parse(struct request *request) {
    struct resp_command command;
    if (!request->parser)
        request->parser = resp_parser_new();
    assert_int_equal(resp_parse(request->parser, resp_buf_bytes(&request->buf),
                                resp_buf_length(&request->buf), &resp_limits_redis, &command),
                     RESP_COMMAND);
    assert_int_equal(command.consumed, resp_buf_length(&request->buf));
    assert_true(command.count <= WORLD_ARGS_MAX);
    memcpy(request->args, command.args, command.count * sizeof *command.args);
    request->count = command.count;
}

/* ---- handshakes ---------------------------------------------------------------------------------------------- */

static inline void handshake_close(struct handshake *shake) {
    request_close(&shake->hello);
    request_close(&shake->answered);
    request_close(&shake->auth);
    resp_buf_close(&shake->reply);
    *shake = (struct handshake){0};
}

static inline void shake_hello(struct handshake *shake, struct admission *dialler, raft_id to) {
    request_close(&shake->hello);
    admission_hello(dialler, to, &shake->dial, &shake->hello.buf);
    request_parse(&shake->hello);
    assert_int_equal(shake->hello.count, HELLO_ARGS);
    assert_true(resp_arg_is(&shake->hello.args[0], "RAFT.HELLO"));
}

static inline bool shake_answer(struct handshake *shake, struct admission *dialled) {
    request_close(&shake->answered);
    resp_buf_close(&shake->reply);
    struct resp_buf out = {0};
    if (!admission_answer(dialled, shake->hello.args, shake->hello.count, &shake->answer, &out, shake->why)) {
        shake->reply = out;
        return false;
    }
    shake->answered.buf = out;
    request_parse(&shake->answered);
    assert_int_equal(shake->answered.count, ANSWER_ARGS);
    return true;
}

static inline bool shake_prove(struct handshake *shake, struct admission *dialler) {
    request_close(&shake->auth);
    if (!admission_prove(dialler, shake->answered.args, shake->answered.count, &shake->dial, &shake->auth.buf,
                         shake->why)) {
        assert_int_equal(resp_buf_length(&shake->auth.buf), 0);
        return false;
    }
    request_parse(&shake->auth);
    assert_int_equal(shake->auth.count, 2);
    assert_true(resp_arg_is(&shake->auth.args[0], "RAFT.AUTH"));
    return true;
}

static inline bool shake_proved(struct handshake *shake, struct admission *dialled) {
    resp_buf_close(&shake->reply);
    return admission_proved(dialled, shake->auth.args, shake->auth.count, &shake->answer, &shake->reply,
                            shake->why);
}

/* All four steps; the result's bytes stay in *shake. */
static inline enum stage shake_hands(struct handshake *shake, struct admission *dialler,
                                     struct admission *dialled, raft_id to) {
    shake_hello(shake, dialler, to);
    if (!shake_answer(shake, dialled))
        return HELLO_REFUSED;
    if (!shake_prove(shake, dialler))
        return ANSWER_REFUSED;
    return shake_proved(shake, dialled) ? LINKED : AUTH_REFUSED;
}

static inline enum stage shake_between(struct world *world, size_t dialler, size_t dialled,
                                       struct handshake *shake) {
    return shake_hands(shake, &world->nodes[dialler], &world->nodes[dialled], dialled + 1);
}

/* What the dialled side said last is this error in words, and the log is told the same. */
static inline void assert_refused_aloud(const struct handshake *shake) {
    char expected[ADMISSION_WHY_MAX + 16];
    size_t length = (size_t)snprintf(expected, sizeof expected, "-ERR %s\r\n", shake->why);
    assert_int_equal(resp_buf_length(&shake->reply), length);
    assert_memory_equal(resp_buf_bytes(&shake->reply), expected, length);
}

/* The dialler links with the dialled, and both take each other's facts up. True when either formed by it. */
static inline bool meet(struct world *world, size_t dialler, size_t dialled) {
    static struct handshake shake;
    if (shake_between(world, dialler, dialled, &shake) != LINKED)
        fail_msg("node %zu and node %zu do not link: %s", dialler + 1, dialled + 1, shake.why);
    bool one = admission_meet(&world->nodes[dialler], &shake.dial.theirs);
    bool other = admission_meet(&world->nodes[dialled], &shake.answer.theirs);
    handshake_close(&shake);
    return one || other;
}

static inline void meet_all(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        for (size_t j = 0; j < i; j++)
            meet(world, i, j);
}

#endif
