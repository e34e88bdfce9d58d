/* SPDX-License-Identifier: MIT */
/*
 * RESP: a pipeline is written once and its keys' digits are changed in place; replies are only counted, hiredis' reader makes no objects.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

enum { DIGITS = 12, MSET_KEYS = 10, HOLES_MAX = 4096 };

struct speaking {
    redisReader *reader;
    char *bytes;
    size_t length, capacity;
    size_t *holes; /* where keys' digits go */
    size_t hole_count;
    const struct drive_load *load;
    uint64_t chance;
    unsigned place, answered;
    bool waits; /* one more reply, of the WAIT */
};

static uint64_t draw(struct speaking *speaking) {
    uint64_t z = (speaking->chance += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static char *room(struct speaking *speaking, size_t length) {
    if (speaking->length + length > speaking->capacity) {
        speaking->capacity = 2 * (speaking->length + length);
        speaking->bytes = realloc(speaking->bytes, speaking->capacity);
    }
    return speaking->bytes + speaking->length;
}

static void add_head(struct speaking *speaking, unsigned count) {
    speaking->length += (size_t)sprintf(room(speaking, 32), "*%u\r\n", count);
}

static void add_word(struct speaking *speaking, const char *word) {
    speaking->length +=
        (size_t)sprintf(room(speaking, strlen(word) + 32), "$%zu\r\n%s\r\n", strlen(word), word);
}

static void add_value(struct speaking *speaking, unsigned bytes) {
    speaking->length += (size_t)sprintf(room(speaking, 32), "$%u\r\n", bytes);
    memset(room(speaking, bytes + 2), 'v', bytes);
    memcpy(speaking->bytes + speaking->length + bytes, "\r\n", 2);
    speaking->length += bytes + 2;
}

/* A word that ends in digits to be drawn. */
static void add_drawn(struct speaking *speaking, const char *prefix) {
    char word[64];
    snprintf(word, sizeof word, "%s%0*d", prefix, DIGITS, 0);
    add_word(speaking, word);
    speaking->holes = realloc(speaking->holes, (speaking->hole_count + 1) * sizeof *speaking->holes);
    speaking->holes[speaking->hole_count++] = speaking->length - 2 - DIGITS;
}

static void add_number(struct speaking *speaking, const char *prefix, uint64_t below) {
    char word[64];
    snprintf(word, sizeof word, "%s%llu", prefix, (unsigned long long)(draw(speaking) % below));
    add_word(speaking, word);
}

/* One of a hundred draws. Collections stay small: a thousand of each kind, with 200 members at most. */
static void add_mixed(struct speaking *speaking, const struct drive_load *load) {
    enum { SETS = 25, GETS = 65, COUNTS = 72, HASHES = 80, PUSHES = 85, TRIMS = 90, ZSETS = 95 };
    enum { NAMES = 1000, MEMBERS = 200, SECONDS = 120 };
    unsigned drawn = (unsigned)(draw(speaking) % 100);
    add_head(speaking, drawn < SETS     ? 5
                       : drawn < GETS   ? 2
                       : drawn < COUNTS ? 2
                       : drawn < HASHES ? 4
                       : drawn < PUSHES ? 3
                       : drawn < ZSETS  ? 4
                                        : 3);
    if (drawn < SETS) {
        add_word(speaking, "SET");
        add_number(speaking, "key:", load->keys);
        add_value(speaking, load->value_bytes);
        add_word(speaking, "EX");
        add_number(speaking, "1", SECONDS);
    } else if (drawn < COUNTS) {
        add_word(speaking, drawn < GETS ? "GET" : "INCR");
        add_number(speaking, drawn < GETS ? "key:" : "counter:", load->keys);
    } else if (drawn < HASHES) {
        add_word(speaking, "HSET");
        add_number(speaking, "hash:", NAMES);
        add_number(speaking, "field:", MEMBERS);
        add_value(speaking, load->value_bytes);
    } else if (drawn < TRIMS) {
        add_word(speaking, drawn < PUSHES ? "LPUSH" : "LTRIM");
        add_number(speaking, "list:", NAMES);
        if (drawn < PUSHES)
            add_value(speaking, load->value_bytes);
        else
            add_word(speaking, "0"), add_number(speaking, "", MEMBERS);
    } else {
        add_word(speaking, drawn < ZSETS ? "ZADD" : "EXPIRE");
        add_number(speaking, drawn < ZSETS ? "sorted-set:" : "key:", drawn < ZSETS ? NAMES : load->keys);
        add_number(speaking, "", SECONDS);
        if (drawn < ZSETS)
            add_number(speaking, "member:", MEMBERS);
    }
}

static void add_request(struct speaking *speaking, const struct drive_load *load, unsigned place) {
    static const unsigned words[DRIVE_KINDS] = {
        [DRIVE_SET] = 3,  [DRIVE_GET] = 2,   [DRIVE_INCR] = 2, [DRIVE_MSET] = 1 + 2 * MSET_KEYS,
        [DRIVE_HSET] = 4, [DRIVE_LPUSH] = 3, [DRIVE_ZADD] = 4,
    };
    enum drive_kind kind = load->kind;
    if (kind == DRIVE_MIX)
        kind = place % 10 == 9 ? DRIVE_SET : DRIVE_GET;
    if (kind == DRIVE_DAY) {
        add_mixed(speaking, load);
        return;
    }
    add_head(speaking, words[kind]);
    add_word(speaking, drive_names[kind]);
    switch (kind) {
    case DRIVE_MSET:
        for (int i = 0; i < MSET_KEYS; i++) {
            add_drawn(speaking, "key:");
            add_value(speaking, load->value_bytes);
        }
        break;
    case DRIVE_HSET:
        add_word(speaking, "a-hash");
        add_drawn(speaking, "field:");
        add_value(speaking, load->value_bytes);
        break;
    case DRIVE_LPUSH:
        add_word(speaking, "a-list");
        add_value(speaking, load->value_bytes);
        break;
    case DRIVE_ZADD:
        add_word(speaking, "a-sorted-set");
        add_drawn(speaking, "1");
        add_drawn(speaking, "member:");
        break;
    default:
        add_drawn(speaking, kind == DRIVE_INCR ? "counter:" : "key:");
        if (kind == DRIVE_SET)
            add_value(speaking, load->value_bytes);
    }
}

static void write_pipeline(struct speaking *speaking) {
    const struct drive_load *load = speaking->load;
    speaking->length = speaking->hole_count = 0;
    for (unsigned i = 0; i < load->pipeline; i++)
        add_request(speaking, load, speaking->place++);
    if (speaking->waits) {
        add_head(speaking, 3);
        add_word(speaking, "WAIT");
        add_word(speaking, "1");
        add_word(speaking, "0");
    }
}

static void *open_speaking(const struct drive_load *load, uint64_t seed, bool waits) {
    struct speaking *speaking = calloc(1, sizeof *speaking);
    speaking->reader = redisReaderCreateWithFunctions(NULL);
    speaking->reader->maxbuf = 0;
    speaking->load = load;
    speaking->chance = seed * 7919 + 1;
    speaking->place = (unsigned)seed;
    speaking->waits = waits;
    write_pipeline(speaking);
    return speaking;
}

static void *open_plain(const struct drive_load *load, uint64_t seed) {
    return open_speaking(load, seed, false);
}

static void *open_waiting(const struct drive_load *load, uint64_t seed) {
    return open_speaking(load, seed, load->kind != DRIVE_GET);
}

static void close_speaking(void *state) {
    struct speaking *speaking = state;
    redisReaderFree(speaking->reader);
    free(speaking->bytes);
    free(speaking->holes);
    free(speaking);
}

static const char *next(void *state, size_t *length) {
    struct speaking *speaking = state;
    if (speaking->load->kind == DRIVE_MIX || speaking->load->kind == DRIVE_DAY)
        write_pipeline(speaking); /* each is another */
    for (size_t i = 0; i < speaking->hole_count; i++) {
        char *digits = speaking->bytes + speaking->holes[i];
        uint64_t key = draw(speaking) % speaking->load->keys;
        for (int digit = DIGITS - 1; digit >= 0; digit--, key /= 10)
            digits[digit] = (char)('0' + key % 10);
    }
    speaking->answered = 0;
    *length = speaking->length;
    return speaking->bytes;
}

static int take(void *state, const char *bytes, size_t length, char why[256]) {
    struct speaking *speaking = state;
    unsigned all = speaking->load->pipeline + speaking->waits;
    void *reply = NULL;
    redisReaderFeed(speaking->reader, bytes, length);
    while (redisReaderGetReply(speaking->reader, &reply) == REDIS_OK && reply != NULL) {
        if ((int)(intptr_t)reply == REDIS_REPLY_ERROR) {
            snprintf(why, 256, "it answers with an error, in: %.*s", length > 120 ? 120 : (int)length, bytes);
            return -1;
        }
        speaking->answered++;
    }
    if (speaking->reader->err) {
        snprintf(why, 256, "%s", speaking->reader->errstr);
        return -1;
    }
    return speaking->answered < all
               ? 0
               : (int)speaking->load->pipeline; /* with a WAIT, its reply makes them done */
}

const struct speaker speak_redis = {open_plain, close_speaking, next, take, NULL};
const struct speaker speak_redis_wait = {open_waiting, close_speaking, next, take, NULL};
