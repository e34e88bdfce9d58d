/* SPDX-License-Identifier: MIT */
/*
 * What a connection asks about itself and the server, and messages: as far as two servers may answer alike. Nobody is ever told
 * anything, for a message would come between the replies.
 *
 *     0 the channel that may be listened to   1 one that never is   2 a protocol   3 members to wait for   4 a policy
 *
 * RESET is followed by a HELLO, and SUBSCRIBE and its kin, after a few commands, by an UNSUBSCRIBE.
 */
#include <stdio.h>
#include <string.h>

#include "generate_parts.h"

static const struct generate_row rows[] = {
    {"RESET", 3, "!", COMPARE_BYTES},
    {"HELLO", 3, "!2", COMPARE_SHAPE},
    {"PUBLISH", 8, "1v", COMPARE_BYTES},
    {"SPUBLISH", 4, "1v", COMPARE_BYTES},
    {"SUBSCRIBE", 4, "!0", COMPARE_BYTES},
    {"UNSUBSCRIBE", 3, "!0", COMPARE_BYTES},
    {"PSUBSCRIBE", 4, "!0", COMPARE_BYTES},
    {"PUNSUBSCRIBE", 3, "!0", COMPARE_BYTES},
    {"SSUBSCRIBE", 4, "!0", COMPARE_BYTES},
    {"SUNSUBSCRIBE", 3, "!0", COMPARE_BYTES},
    {"PUBSUB|CHANNELS", 3, "p", COMPARE_ANY_ORDER},
    {"PUBSUB|NUMSUB", 3, "00", COMPARE_BYTES},
    {"PUBSUB|NUMPAT", 3, "", COMPARE_BYTES},
    {"PUBSUB|SHARDCHANNELS", 3, "p", COMPARE_ANY_ORDER},
    {"PUBSUB|SHARDNUMSUB", 3, "00", COMPARE_BYTES},
    {"CLIENT|GETREDIR", 2, "", COMPARE_BYTES},
    {"CLIENT|TRACKINGINFO", 2, "", COMPARE_BYTES},
    {"CLIENT|CACHING", 2, "w", COMPARE_BYTES},
    {"CLIENT|INFO", 2, "", COMPARE_SHAPE},
    {"CLIENT|LIST", 2, "", COMPARE_SHAPE},
    {"CLIENT|UNPAUSE", 2, "", COMPARE_BYTES},
    {"COMMAND|COUNT", 2, "!", COMPARE_SHAPE},
    {"COMMAND|INFO", 2, "!w", COMPARE_BYTES},
    {"CONFIG|RESETSTAT", 2, "", COMPARE_BYTES},
    {"CONFIG|SET|maxmemory-policy", 3, "!4", COMPARE_BYTES},
    {"CONFIG|GET|maxmemory-policy", 3, "!", COMPARE_BYTES},
    {"FUNCTION|FLUSH", 2, "f", COMPARE_BYTES},
    {"FUNCTION|KILL", 2, "", COMPARE_BYTES},
    {"FCALL", 4, "wKn", COMPARE_BYTES},
    {"FCALL_RO", 4, "wKn", COMPARE_BYTES},
    {"LATENCY|DOCTOR", 1, "", COMPARE_SHAPE},
    {"LATENCY|GRAPH", 2, "w", COMPARE_BYTES},
    {"MEMORY|DOCTOR", 1, "", COMPARE_SHAPE},
    {"WAIT", 4, "!3s", COMPARE_SHAPE},
    {"ROLE", 2, "", COMPARE_SHAPE},
    {0},
};

static void add(uint64_t *seed, struct request *request, char letter) {
    static const char *const silent[] = {"empty", "void", "blank"};
    static const char *const policies[] = {"noeviction", "noeviction", "allkeys-lfu", "volatile-lru"};
    switch (letter) {
    case '0':
        generate_add_text(request, "news");
        break;
    case '1':
        generate_add_text(request, GENERATE_PICK(seed, silent));
        break;
    case '4':
        generate_add_text(request, GENERATE_PICK(seed, policies));
        break;
    case '3':
        generate_add_text(request, generate_one_in(seed, 8) ? "x" : "0");
        break;
    default:
        generate_add_text(request, generate_one_in(seed, 2) ? "2" : "3");
    }
}

const struct generate_family generate_server = {.rows = rows, .add = add};

/* Those that begin to listen stand before those that leave. */
static bool listens(const struct generate_row *row) {
    size_t length = strlen(row->name);
    return length >= 9 && length <= 10 && strcmp(row->name + length - 9, "SUBSCRIBE") == 0;
}

/* What follows a command of the family. */
void generate_server_follow(uint64_t *seed, struct request *request, const struct generate_row *row) {
    enum { COMMANDS_MAX = 4 };
    if (strcmp(row->name, "RESET") == 0) {
        request->held = row + 1;
        request->held_family = &generate_server;
    } else if (listens(row)) {
        request->leave = row + 1;
        request->leave_in = 1 + (unsigned)generate_below(seed, COMMANDS_MAX);
    }
}

/* The UNSUBSCRIBE that is due, or NULL. */
const struct generate_row *generate_server_due(struct request *request) {
    if (request->leave_in == 0 || --request->leave_in > 0)
        return NULL;
    return request->leave;
}
