/* SPDX-License-Identifier: MIT */
/* hiredis: a C program that connects anew when its connection is lost, and, in a cluster, follows MOVED. See run.py. */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THROUGH_MS = 4000, TRIES_MAX = 5 };

static struct {
    char **addresses;
    int count;
    char leader[64]; /* where commands go: a MOVED changes it */
    redisContext *context;
} story;

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void step(const char *name, bool right, const char *got) {
    if (right)
        printf("ok %s\n", name);
    else
        printf("not %s: got %s\n", name, got);
    fflush(stdout);
}

static redisContext *connect_to(const char *address) {
    char host[64];
    const char *colon = strrchr(address, ':');
    struct timeval patience = {.tv_sec = 5};

    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    redisContext *context = redisConnectWithTimeout(host, atoi(colon + 1), patience);
    if (context == NULL || context->err != 0) {
        redisFree(context);
        return NULL;
    }
    redisSetTimeout(context, patience);
    return context;
}

/* To the leader as last known, else to any that is there. */
static bool connected(void) {
    if (story.context != NULL && story.context->err == 0)
        return true;
    redisFree(story.context);
    story.context = connect_to(story.leader);
    for (int i = 0; i < story.count && story.context == NULL; i++) {
        snprintf(story.leader, sizeof story.leader, "%s", story.addresses[i]);
        story.context = connect_to(story.leader);
    }
    return story.context != NULL;
}

/* The reply, after as many MOVED as it takes; NULL: the connection was lost. */
static redisReply *ask(const char *format, ...) {
    redisReply *reply = NULL;

    for (int tries = 0; tries < TRIES_MAX && connected(); tries++) {
        va_list words;
        va_start(words, format);
        reply = redisvCommand(story.context, format, words);
        va_end(words);
        if (reply == NULL || reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "MOVED ", 6) != 0)
            break;
        snprintf(story.leader, sizeof story.leader, "%s", strrchr(reply->str, ' ') + 1);
        redisFree(story.context);
        story.context = NULL;
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

static void write_and_read(const char *name, bool write) {
    if (write)
        freeReplyObject(ask("SET story:key %b EX 100", "\0\r\n\xff", (size_t)4));
    redisReply *reply = ask("GET story:key");
    step(name, reply != NULL && reply->len == 4 && memcmp(reply->str, "\0\r\n\xff", 4) == 0, "another value");
    freeReplyObject(reply);
}

static void pipeline(void) {
    long long wrong = 0;

    for (int i = 0; i < 100; i++)
        redisAppendCommand(story.context, "INCR story:pipelined");
    for (long long i = 1; i <= 100; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(story.context, (void **)&reply) != REDIS_OK || reply->integer != i)
            wrong++;
        freeReplyObject(reply);
    }
    step("pipeline", wrong == 0, "other numbers");
}

static void transaction(void) {
    redisContext *other = connect_to(story.leader);

    freeReplyObject(ask("MULTI"));
    freeReplyObject(ask("SET story:tx 1"));
    freeReplyObject(ask("INCR story:tx"));
    redisReply *first = ask("EXEC");
    freeReplyObject(ask("WATCH story:tx"));
    freeReplyObject(redisCommand(other, "SET story:tx other"));
    freeReplyObject(ask("MULTI"));
    freeReplyObject(ask("SET story:tx mine"));
    redisReply *second = ask("EXEC");
    step("transaction and watch",
         first != NULL && first->elements == 2 && first->element[1]->integer == 2 && second != NULL &&
             second->type == REDIS_REPLY_NIL,
         "other replies");
    freeReplyObject(first);
    freeReplyObject(second);
    redisFree(other);
}

static void script(void) {
    redisReply *reply = ask("EVAL %s 1 story:script 5", "return redis.call('INCRBY', KEYS[1], ARGV[1])");
    step("script", reply != NULL && reply->integer == 5, "another number");
    freeReplyObject(reply);
}

/* The listener is at the last address, which need not be the leader's. */
static void told(const char *name, const char *what) {
    redisReply *message = NULL;
    redisContext *listener = NULL;

    for (int i = story.count - 1; i >= 0 && listener == NULL; i--)
        listener = connect_to(story.addresses[i]);
    freeReplyObject(redisCommand(listener, "SUBSCRIBE story:channel"));
    freeReplyObject(ask("PUBLISH story:channel %s", what));
    bool right = redisGetReply(listener, (void **)&message) == REDIS_OK && message->elements == 3 &&
                 strcmp(message->element[2]->str, what) == 0;
    step(name, right, "no such message");
    freeReplyObject(message);
    redisFree(listener);
}

static void through(void) {
    long long start = now_ms(), last = start, pause = 0;
    int acknowledged = 0, failed = 0;

    puts("kill");
    fflush(stdout);
    while (now_ms() - start < THROUGH_MS) {
        redisReply *reply = ask("INCR story:counter");
        bool done = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
        if (!done)
            fprintf(stderr, "attempt: %s\n", reply != NULL ? reply->str : "no connection");
        freeReplyObject(reply);
        usleep(done ? 10000 : 20000);
        if (!done) {
            failed++;
            continue;
        }
        acknowledged++;
        if (now_ms() - last > pause)
            pause = now_ms() - last;
        last = now_ms();
    }
    printf("through %d %d %lld %lld\n", acknowledged, failed, pause, now_ms() - last);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    story.addresses = argv + 2;
    story.count = argc - 2;
    snprintf(story.leader, sizeof story.leader, "%s", argv[2]);
    printf("version %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    if (!connected()) {
        puts("not connect: nobody answers");
        return 1;
    }
    write_and_read("write and read", true);
    pipeline();
    transaction();
    script();
    told("publish and subscribe", "before");
    through();
    write_and_read("read afterwards", false);
    told("publish afterwards", "after");
    redisFree(story.context);
    return 0;
}
