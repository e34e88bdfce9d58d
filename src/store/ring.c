/* SPDX-License-Identifier: MIT */
/*
 * The log's segments.
 *
 *      raft-2.db     raft.db      raft-1.db    raft-3.db        raft-5.db    raft-4.db
 *      | 100 - 199 | 200 - 260 |  261 - 340  | 341 - ... |      | empty |    | 20 - 99 |
 *                    ^ the log begins with 230, say      ^      ready        free
 *
 * Entries are added to the last segment. When its WAL is full, and the keeper has another one ready, that is the last from the next
 * transaction on. One of which no entry counts any more is free, and soon emptied: a start reads what is in a segment, several times, before it
 * knows that it does not count. Its slot is used again, the oldest first, so that there are as many files as the log needs; after a
 * time in which it needed more, the rest is removed one by one.
 *
 * To lengthen a file takes the disk longer than to write over what is there, so the keeper writes zeros into a new one first. The one that a start goes
 * on with has no zeros: it is left as soon as another is ready, but not by a log that has many segments, or starts again and again would make ever more.
 *
 * Which segment follows which, no file says: each transaction has a number, and what was written last is newest (rows.c).
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARES = 2, /* beyond as many as were in use: the one that is ready, and one more */
    DOUBLED_EACH =
        16, /* after so many segments they are twice as large, and so on: a long log has not too many files */
    DOUBLED_MAX = 6,
    GROWS_PART = 64, /* so much of a segment is written to one that grows before another is asked for */
    GROWS_MAX = 8,   /* segments of a log in which that is done */
    TRIES_PART = 8, /* after a failure the keeper is asked again when so much of a segment more was written */
};

void store_ring_open(struct store_ring *ring, const char *dir) {
    *ring = (struct store_ring){.keeper = store_keeper_new(dir), .bytes = STORE_SEGMENT_BYTES};
}

void store_ring_close(struct store_ring *ring) {
    store_keeper_free(ring->keeper);
    for (size_t i = 0; i < ring->count; i++)
        store_segment_close(ring->at[i]);
    store_segment_close(ring->ready);
    free(ring->at);
    free(ring->free);
    *ring = (struct store_ring){0};
}

struct store_segment *store_ring_last(const struct store_ring *ring) {
    assert(ring->count > 0);
    return ring->at[ring->count - 1];
}

void store_ring_add(struct store_ring *ring, struct store_segment *segment) {
    ring->at = realloc(ring->at, (ring->count + 1) * sizeof(*ring->at));
    if (ring->at == NULL)
        abort();
    ring->at[ring->count++] = segment;
}

void store_ring_add_free(struct store_ring *ring, unsigned slot) {
    ring->free = realloc(ring->free, (ring->free_count + 1) * sizeof(*ring->free));
    if (ring->free == NULL)
        abort();
    ring->free[ring->free_count++] = (struct store_free_slot){.slot = slot};
}

/* Of a WAL, from which on another segment follows. */
static int64_t full_bytes(const struct store_ring *ring) {
    size_t doubled = ring->count / DOUBLED_EACH;

    return ring->bytes << (doubled < DOUBLED_MAX ? doubled : DOUBLED_MAX);
}

/* Bytes of the last one's WAL from which on it is left. */
static int64_t leave_bytes(const struct store_ring *ring) {
    int64_t full = full_bytes(ring), early = ring->grows_from + full / GROWS_PART;

    return ring->grows && ring->count <= GROWS_MAX && early < full ? early : full;
}

bool store_ring_thread(struct store_ring *ring) {
    ring->grows_from = store_segment_wal_bytes(store_ring_last(ring));
    ring->grows = store_keeper_thread(ring->keeper);
    return ring->grows;
}

/* ---- entries ----------------------------------------------------------------------------------------------- */

int store_ring_turn(struct store_ring *ring, raft_index next) {
    struct store_segment *last = store_ring_last(ring);
    int result;

    if (ring->ready == NULL || store_segment_wal_bytes(last) < leave_bytes(ring))
        return SQLITE_OK;
    result = store_segment_seal(last);
    if (result != SQLITE_OK)
        return result;
    store_segment_begin(ring->ready, next);
    store_ring_add(ring, ring->ready);
    ring->ready = NULL;
    ring->grows = false;
    return SQLITE_OK;
}

void store_ring_release(struct store_ring *ring, raft_index log_start) {
    size_t before = ring->count, kept = 0;

    for (size_t i = 0; i < before; i++) {
        struct store_segment *segment = ring->at[i];

        if (i + 1 == before || (segment->first < segment->end && segment->end > log_start)) {
            ring->at[kept++] = segment;
        } else {
            store_ring_add_free(ring, segment->slot);
            store_segment_close(segment);
        }
    }
    ring->count = kept;
    if (kept < before)
        ring->peak = before > ring->peak ? before : ring->peak - 1;
}

uint64_t store_ring_sum(const struct store_ring *ring, raft_index from, raft_index end) {
    uint64_t bytes = 0;

    for (size_t i = 0; i < ring->count; i++)
        bytes += store_segment_sum(ring->at[i], from, end);
    return bytes;
}

bool store_ring_cut(struct store_ring *ring, raft_index index) {
    struct store_segment *last = store_ring_last(ring);
    bool older = index < last->first;

    for (size_t i = 0; i < ring->count; i++) {
        struct store_segment *segment = ring->at[i];

        if (segment->end > index)
            segment->end = index > segment->first ? index : segment->first;
    }
    if (older)
        store_segment_begin(last, index);
    return older;
}

uint64_t store_ring_old_save(const struct store_ring *ring) {
    for (size_t i = ring->count - 1; i-- > 0;)
        if (ring->at[i]->first < ring->at[i]->end)
            return ring->at[i]->save;
    return 0;
}

/* ---- slots ------------------------------------------------------------------------------------------------- */

static bool has_slot(const struct store_ring *ring, unsigned slot) {
    for (size_t i = 0; i < ring->count; i++)
        if (ring->at[i]->slot == slot)
            return true;
    for (size_t i = 0; i < ring->free_count; i++)
        if (ring->free[i].slot == slot)
            return true;
    return ring->ready != NULL && ring->ready->slot == slot;
}

static unsigned take_free(struct store_ring *ring, size_t at) {
    unsigned slot = ring->free[at].slot;

    ring->free_count--;
    memmove(ring->free + at, ring->free + at + 1, (ring->free_count - at) * sizeof(*ring->free));
    return slot;
}

static unsigned next_slot(struct store_ring *ring) {
    unsigned slot = 0;

    if (ring->free_count > 0)
        return take_free(ring, 0);
    while (has_slot(ring, slot))
        slot++;
    return slot;
}

/* False: it is at work. */
static bool take_answer(struct store_ring *ring) {
    struct store_segment *ready;

    if (!ring->asked)
        return true;
    if (!store_keeper_take(ring->keeper, &ready, ring->why))
        return false;
    ring->asked = false;
    if (ring->keeping.what != STORE_KEEP_READY)
        return true;
    ring->ready = ready;
    ring->tried = 0;
    if (ready == NULL) /* its slot is nobody's, and found again */
        ring->tried = store_segment_wal_bytes(store_ring_last(ring));
    return true;
}

static void ask(struct store_ring *ring, const struct store_keeping *keeping) {
    ring->keeping = *keeping;
    ring->asked = true;
    store_keeper_ask(ring->keeper, keeping);
    take_answer(ring);
}

static void ask_for_next(struct store_ring *ring) {
    int64_t bytes = full_bytes(ring);

    ask(ring, &(struct store_keeping){.what = STORE_KEEP_READY,
                                      .slots = {next_slot(ring)},
                                      .count = 1,
                                      .bytes = bytes - bytes % STORE_STRAIGHT_BYTES});
}

static bool needs_next(const struct store_ring *ring) {
    int64_t bytes = store_segment_wal_bytes(store_ring_last(ring)), full = full_bytes(ring);
    int64_t leave = leave_bytes(ring);

    return ring->ready == NULL && bytes >= (leave < full ? leave : full / 2) &&
           (ring->tried == 0 || bytes >= ring->tried + full / TRIES_PART);
}

/* So that a start need not read what does not count: nothing depends on it. */
static bool empty_some(struct store_ring *ring) {
    struct store_keeping keeping = {.what = STORE_KEEP_EMPTY};

    for (size_t i = 0; i < ring->free_count && keeping.count < STORE_KEEPING_SLOTS_MAX; i++)
        if (!ring->free[i].told) {
            ring->free[i].told = true;
            keeping.slots[keeping.count++] = ring->free[i].slot;
        }
    if (keeping.count > 0)
        ask(ring, &keeping);
    return keeping.count > 0;
}

/* raft.db stays: what it says of its format is for older programs. */
static void remove_spare(struct store_ring *ring) {
    size_t in_use = ring->count > ring->peak ? ring->count : ring->peak;

    if (ring->count + ring->free_count + (ring->ready != NULL) <= in_use + SPARES)
        return;
    for (size_t i = 0; i < ring->free_count; i++)
        if (ring->free[i].slot != 0) {
            ask(ring, &(struct store_keeping){
                          .what = STORE_KEEP_REMOVE, .slots = {take_free(ring, i)}, .count = 1});
            return;
        }
}

void store_ring_keep(struct store_ring *ring) {
    if (!take_answer(ring) || (empty_some(ring) && ring->asked))
        return;
    if (needs_next(ring))
        ask_for_next(ring);
    else
        remove_spare(ring);
}
