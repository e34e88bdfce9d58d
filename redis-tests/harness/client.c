/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void client_init(struct client *client, const struct cluster *cluster, uint64_t timeout_ms) {
    *client = (struct client){.cluster = cluster, .timeout_ms = timeout_ms};
}

void client_close(struct client *client) {
    if (client->context != NULL)
        redisFree(client->context);
    client->context = NULL;
}

static void next_node(struct client *client) {
    client_close(client);
    client->node = (client->node + 1) % client->cluster->count;
}

static bool connected(struct client *client) {
    if (client->context != NULL)
        return true;
    struct timeval timeout = {.tv_sec = (time_t)(client->timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(client->timeout_ms % 1000) * 1000};
    const struct node *node = &client->cluster->nodes[client->node];
    client->context = redisConnectWithTimeout(node->host, (int)node->port, timeout);
    if (client->context != NULL && client->context->err == 0 &&
        redisSetTimeout(client->context, timeout) == REDIS_OK)
        return true;
    snprintf(client->why, sizeof(client->why), "node %zu: %s", client->node + 1,
             client->context == NULL ? "no connection" : client->context->errstr);
    next_node(client);
    return false;
}

/* MOVED <slot> <host>:<port> */
static void follow(struct client *client, const char *error) {
    const char *colon = strrchr(error, ':');
    unsigned port = colon == NULL ? 0 : (unsigned)strtoul(colon + 1, NULL, 10);
    for (size_t i = 0; i < client->cluster->count; i++) {
        if (client->cluster->nodes[i].port == port) {
            client_close(client);
            client->node = i;
            return;
        }
    }
    next_node(client);
}

static enum outcome judge_error(struct client *client, const char *error) {
    snprintf(client->why, sizeof(client->why), "node %zu: %s", client->node + 1, error);
    if (strncmp(error, "INDOUBT", 7) == 0)
        return OUTCOME_UNKNOWN;
    if (strncmp(error, "MOVED", 5) == 0)
        follow(client, error);
    else if (strncmp(error, "CLUSTERDOWN", 11) == 0 || strncmp(error, "LOADING", 7) == 0)
        next_node(client);
    return OUTCOME_NOT_DONE;
}

static enum outcome try_list(struct client *client, redisReply **reply, const char *format, va_list args) {
    if (!connected(client))
        return OUTCOME_NOT_DONE;
    redisReply *got = redisvCommand(client->context, format, args);
    if (got == NULL) {
        snprintf(client->why, sizeof(client->why), "node %zu: %s", client->node + 1, client->context->errstr);
        next_node(client);
        return OUTCOME_UNKNOWN;
    }
    if (got->type == REDIS_REPLY_ERROR) {
        enum outcome outcome = judge_error(client, got->str);
        freeReplyObject(got);
        return outcome;
    }
    if (reply != NULL)
        *reply = got;
    else
        freeReplyObject(got);
    return OUTCOME_DONE;
}

enum outcome client_try(struct client *client, redisReply **reply, const char *format, ...) {
    va_list args;
    va_start(args, format);
    enum outcome outcome = try_list(client, reply, format, args);
    va_end(args);
    return outcome;
}

redisReply *client_ask(struct client *client, uint64_t timeout_ms, const char *format, ...) {
    uint64_t deadline = harness_now_ms() + timeout_ms;
    for (;;) {
        va_list args;
        redisReply *reply;
        va_start(args, format);
        enum outcome outcome = try_list(client, &reply, format, args);
        va_end(args);
        if (outcome == OUTCOME_DONE)
            return reply;
        if (harness_now_ms() >= deadline)
            return NULL;
        harness_sleep_ms(10);
    }
}
