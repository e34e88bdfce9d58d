/* SPDX-License-Identifier: MIT */
#include "twins.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cut.h"

enum { WIRE_MS = 30000, BATCH = 48, BATCH_BYTES = 8 * 1024 * 1024, TRIES_MAX = 3000 };

/* ---- connections ----------------------------------------------------------------------------------------- */

struct wire *twins_open_port(unsigned port) {
    struct wire *wire = wire_open(port, harness_scaled_ms(WIRE_MS));
    if (wire == NULL)
        harness_fail("port %u takes no connection", port);
    return wire;
}

struct wire *twins_open_redraft(const struct twins *twins) {
    return twins_open_port(twins->cluster->nodes[cluster_wait_leader(twins->cluster)].port);
}

void twins_open(struct twins *twins) {
    static const char *const hello[SEQUENCE_CONNECTIONS] = {"HELLO 2", "HELLO 3"};
    for (size_t i = 0; i < SEQUENCE_CONNECTIONS; i++) {
        struct pair *pair = &twins->pairs[i];
        pair->redis = twins_open_port(twins->redis_port);
        pair->redraft = twins_open_redraft(twins);
        pair->queued = 0;
        if (strncmp(wire_ask(pair->redis, hello[i]), "-", 1) == 0 ||
            strncmp(wire_ask(pair->redraft, hello[i]), "-", 1) == 0)
            harness_fail("%s is refused", hello[i]);
    }
}

void twins_close(struct twins *twins) {
    for (size_t i = 0; i < SEQUENCE_CONNECTIONS; i++) {
        wire_close(twins->pairs[i].redis);
        wire_close(twins->pairs[i].redraft);
        twins->pairs[i].redis = twins->pairs[i].redraft = NULL;
    }
}

static void empty(struct wire *wire) {
    static const char *const commands[] = {"FLUSHALL", "SCRIPT FLUSH",
                                           "CONFIG SET maxmemory-policy noeviction"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        const char *reply = wire_ask(wire, commands[i]);
        if (strcmp(reply, "+OK") != 0)
            harness_fail("%s: %s", commands[i], reply);
    }
    wire_close(wire);
}

/* What ended a node may be in the log of all of them, and would end them again. */
static void begin_anew(struct cluster *cluster) {
    cluster_kill_all(cluster);
    for (size_t i = 0; i < cluster->count; i++) {
        directory_remove(cluster->nodes[i].dir);
        if (mkdir(cluster->nodes[i].dir, 0755) != 0)
            harness_fail("cannot make %s", cluster->nodes[i].dir);
    }
    cluster_spawn_all(cluster);
}

void twins_reset(struct twins *twins) {
    twins_close(twins);
    if (twins->broken)
        begin_anew(twins->cluster);
    twins->broken = false;
    empty(twins_open_port(twins->redis_port));
    empty(twins_open_redraft(twins));
    twins_open(twins);
}

/* ---- comparing ------------------------------------------------------------------------------------------- */

static bool is_array(struct reply reply) {
    return reply.bytes[0] == '*' && reply.bytes[1] != '-';
}

static void note(struct twins *twins, int place, struct reply reply, bool in_transaction) {
    if (twins->coverage)
        coverage_note(twins->coverage, place, reply.bytes[0] == '-', in_transaction);
}

/* Of EXEC: each as its command's. */
static bool equal_in_transaction(struct twins *twins, const struct pair *pair, struct reply one,
                                 struct reply other) {
    size_t count = (size_t)strtol(one.bytes + 1, NULL, 10);
    if (strtol(other.bytes + 1, NULL, 10) != (long)count || count != pair->queued)
        return false;
    compare_skip_header(&one);
    compare_skip_header(&other);
    for (size_t i = 0; i < count; i++) {
        struct reply theirs = compare_next(&one), ours = compare_next(&other);
        if (!compare_replies(pair->queue[i].comparison, theirs, ours))
            return false;
        note(twins, pair->queue[i].place, ours, true);
    }
    return true;
}

static bool equal_replies(struct twins *twins, const struct sequence *sequence, size_t at,
                          struct reply theirs, struct reply ours) {
    static const struct reply queued = {"+QUEUED\r\n", 9};
    const struct sent *sent = &sequence->commands[at];
    struct pair *pair = &twins->pairs[sent->connection];
    int place = twins->coverage ? coverage_find(twins->coverage, sequence, at) : -1;
    if (sequence_is(sequence, at, "EXEC") && is_array(theirs) && is_array(ours)) {
        note(twins, place, ours, false);
        return equal_in_transaction(twins, pair, theirs, ours);
    }
    if (sequence_is(sequence, at, "MULTI") && theirs.bytes[0] == '+')
        pair->queued = 0;
    if (compare_bytes(theirs, queued) && pair->queued < TWINS_QUEUED_MAX) {
        pair->queue[pair->queued].comparison = sent->comparison;
        pair->queue[pair->queued++].place = place;
        return compare_bytes(ours, queued);
    }
    note(twins, place, ours, false);
    if (twins->coverage)
        coverage_note_script(twins->coverage, sequence, at, ours.bytes[0] == '-');
    return compare_replies(sent->comparison, theirs, ours);
}

/* ---- playing --------------------------------------------------------------------------------------------- */

struct play {
    struct twins *twins;
    const struct sequence *sequence;
    const size_t *kept;
    size_t count;
    struct difference *difference;
};

static size_t number(const struct play *play, size_t at) {
    return play->kept ? play->kept[at] : at;
}

static unsigned connection(const struct play *play, size_t at) {
    return play->sequence->commands[number(play, at)].connection;
}

static void show(char out[512], struct reply reply) {
    char *text = wire_text(reply.bytes, reply.length < 400 ? reply.length : 400);
    snprintf(out, 512, "%s", text);
    free(text);
}

/* What came; or, in words, why nothing did. */
static struct reply take(struct wire *wire) {
    static const char closed[] = "closed\r\n", silent[] = "silent\r\n";
    struct reply reply;
    switch (wire_read(wire, &reply.bytes, &reply.length)) {
    case WIRE_OK:
        return reply;
    case WIRE_CLOSED:
        return (struct reply){closed, sizeof(closed) - 1};
    default:
        return (struct reply){silent, sizeof(silent) - 1};
    }
}

static bool is_silence(struct reply reply) {
    return reply.bytes[0] == 'c' || reply.bytes[0] == 's';
}

/* From `at` on, what goes over the same connection, up to a batch. Returns the place behind it, and sends it. */
static size_t send_batch(const struct play *play, size_t at) {
    struct pair *pair = &play->twins->pairs[connection(play, at)];
    size_t end = at, size = 0, used = 0;
    for (; end < play->count && end < at + BATCH && connection(play, end) == connection(play, at) &&
           size < BATCH_BYTES;
         end++)
        size += sequence_size(play->sequence, number(play, end));
    char *bytes = malloc(size);
    for (size_t i = at; i < end; i++)
        used += sequence_encode(play->sequence, number(play, i), bytes + used);
    (void)wire_send(pair->redis, bytes, used);
    (void)wire_send(pair->redraft, bytes, used); /* what fails is seen where no reply comes */
    free(bytes);
    return end;
}

static bool compare_one(const struct play *play, size_t at) {
    struct pair *pair = &play->twins->pairs[connection(play, at)];
    struct reply theirs = take(pair->redis), ours = take(pair->redraft);
    if (play->twins->plant && !is_silence(ours))
        play->twins->plant(play->sequence, number(play, at), &ours);
    if (!is_silence(theirs) && !is_silence(ours) &&
        equal_replies(play->twins, play->sequence, number(play, at), theirs, ours))
        return true;
    play->twins->broken |= is_silence(ours);
    play->difference->at = at;
    show(play->difference->theirs, theirs);
    show(play->difference->ours, ours);
    return false;
}

/* What was sent with the one that differs takes effect too, and must have done so before anything else is sent. */
static void await_rest(const struct play *play, size_t at, size_t end) {
    struct pair *pair = &play->twins->pairs[connection(play, at - 1)];
    size_t left = end - at;
    while (left > 0 && !is_silence(take(pair->redis)))
        left--;
    for (left = end - at; left > 0 && !is_silence(take(pair->redraft));)
        left--;
}

bool twins_play(struct twins *twins, const struct sequence *sequence, const size_t *kept, size_t count,
                struct difference *difference) {
    struct play play = {twins, sequence, kept, count, difference};
    difference->at = SIZE_MAX;
    for (size_t at = 0; at < count;) {
        size_t end = send_batch(&play, at);
        for (; at < end; at++)
            if (!compare_one(&play, at)) {
                await_rest(&play, at + 1, end);
                if (twins->broken)
                    difference->at = end - 1; /* which of those that were sent did it is not known */
                return true;
            }
    }
    return false;
}

/* ---- cutting --------------------------------------------------------------------------------------------- */

/* Commands that are joined are one part of what is cut. */
struct parts {
    struct twins *twins;
    struct sequence *sequence;
    size_t *starts; /* and, behind the last, the sequence's end */
    size_t *kept;   /* room for all commands */
    struct difference difference;
};

static size_t expand(const struct parts *parts, const size_t *chosen, size_t count, size_t *kept) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t at = parts->starts[chosen[i]]; at < parts->starts[chosen[i] + 1]; at++)
            kept[used++] = at;
    return used;
}

static size_t try_parts(void *context, const size_t *chosen, size_t count) {
    struct parts *parts = context;
    struct difference difference;
    size_t played = expand(parts, chosen, count, parts->kept);
    twins_reset(parts->twins);
    if (!twins_play(parts->twins, parts->sequence, parts->kept, played, &difference))
        return 0;
    parts->difference = difference;
    size_t taken = 0, before = 0;
    for (; before <= difference.at; taken++)
        before += parts->starts[chosen[taken] + 1] - parts->starts[chosen[taken]];
    return taken;
}

/* Whether it also fails when all of it goes over one connection; if not, it stays as it is. */
static bool on_one(struct parts *parts, const struct cut *cut, unsigned only) {
    size_t count = expand(parts, cut->kept, cut->count, parts->kept);
    unsigned char *before = malloc(count);
    size_t *kept = malloc(count * sizeof(*kept));
    memcpy(kept, parts->kept, count * sizeof(*kept));
    for (size_t i = 0; i < count; i++) {
        before[i] = parts->sequence->commands[kept[i]].connection;
        parts->sequence->commands[kept[i]].connection = (unsigned char)only;
    }
    bool fails = try_parts(parts, cut->kept, cut->count) == cut->count;
    for (size_t i = 0; i < count && !fails; i++)
        parts->sequence->commands[kept[i]].connection = before[i];
    free(before);
    free(kept);
    return fails;
}

static size_t find_parts(struct parts *parts) {
    const struct sequence *sequence = parts->sequence;
    size_t count = 0;
    parts->starts = malloc((sequence->count + 1) * sizeof(*parts->starts));
    for (size_t at = 0; at < sequence->count; at++)
        if (at == 0 || !sequence->commands[at - 1].joined)
            parts->starts[count++] = at;
    parts->starts[count] = sequence->count;
    return count;
}

bool twins_cut(struct twins *twins, struct sequence *sequence, struct remains *remains) {
    struct parts parts = {.twins = twins, .sequence = sequence};
    struct cut cut = {.tries_max = TRIES_MAX, .try = try_parts, .context = &parts};
    struct coverage *coverage = twins->coverage;
    twins->coverage = NULL; /* what is played again was sent before */
    cut.count = find_parts(&parts);
    cut.kept = malloc((cut.count + 1) * sizeof(*cut.kept));
    parts.kept = malloc((sequence->count + 1) * sizeof(*parts.kept));
    for (size_t i = 0; i < cut.count; i++)
        cut.kept[i] = i;
    cut.count = try_parts(&parts, cut.kept, cut.count);
    if (cut.count > 0) {
        cut_down(&cut);
        if (!on_one(&parts, &cut, 0))
            (void)on_one(&parts, &cut, 1);
    }
    *remains = (struct remains){.kept = parts.kept, .tries = cut.tries, .difference = parts.difference};
    remains->count = expand(&parts, cut.kept, cut.count, parts.kept);
    twins->coverage = coverage;
    free(cut.kept);
    free(parts.starts);
    return remains->count > 0;
}

void twins_tell(const struct sequence *sequence, const struct remains *remains, const char *path) {
    bool both = false;
    for (size_t i = 1; i < remains->count; i++)
        both |= sequence->commands[remains->kept[i]].connection !=
                sequence->commands[remains->kept[0]].connection;
    harness_say("%zu commands are left after %zu tries:", remains->count, remains->tries);
    if (!both)
        fprintf(stderr, "    redis-cli -%u\n", sequence->commands[remains->kept[0]].connection + 2u);
    for (size_t i = 0; i < remains->count; i++) {
        char *line = sequence_line(sequence, remains->kept[i]);
        if (both)
            fprintf(stderr, "    (redis-cli -%u) ", sequence->commands[remains->kept[i]].connection + 2u);
        fprintf(stderr, "%s%s\n", both ? "" : "    ", line);
        free(line);
    }
    fprintf(stderr, "  redis    %s\n  redraft  %s\n", remains->difference.theirs, remains->difference.ours);
    sequence_save(sequence, remains->kept, remains->count, path);
    harness_say("kept in %s: make diff-redis FILE=%s plays it again", path, path);
}
