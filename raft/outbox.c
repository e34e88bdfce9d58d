/* SPDX-License-Identifier: MIT */
/*
 * What one ready carries: messages, entries, reads, fetches, words.
 *
 * All of it is kept and used again, so that a busy node allocates nothing. Entries are copied (they are small, their
 * data is shared) into blocks that never move, because messages point at them while more are added.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { BLOCK_ENTRIES = 512 };

struct raft_arena_block {
    struct raft_entry *at;
    size_t count, capacity;
};

static void arena_clear(struct raft_arena *arena) {
    for (size_t i = 0; i < arena->block_count; i++) {
        struct raft_arena_block *block = &arena->blocks[i];
        for (size_t k = 0; k < block->count; k++)
            raft_blob_unref(block->at[k].data);
        block->count = 0;
    }
    arena->current = 0;
}

/* The block that has room for `count` entries in a row. */
static struct raft_arena_block *arena_room(struct raft_arena *arena, size_t count) {
    for (; arena->current < arena->block_count; arena->current++) {
        struct raft_arena_block *block = &arena->blocks[arena->current];
        if (block->capacity - block->count >= count)
            return block;
    }
    arena->blocks =
        raft_grow(arena->blocks, &arena->block_capacity, arena->block_count + 1, sizeof *arena->blocks);
    struct raft_arena_block *block = &arena->blocks[arena->block_count++];
    block->capacity = count > BLOCK_ENTRIES ? count : BLOCK_ENTRIES;
    block->count = 0;
    block->at = raft_alloc(block->capacity, sizeof *block->at);
    return block;
}

static void arena_push(struct raft_arena_block *block, const struct raft_entry *entry) {
    if (entry->data)
        raft_blob_ref(entry->data);
    block->at[block->count++] = *entry;
}

struct raft_entries raft_outbox_slice(struct raft_outbox *box, const struct raft_log *log, raft_index from,
                                      size_t count) {
    struct raft_arena_block *block = arena_room(&box->arena, count);
    struct raft_entries entries = {block->at + block->count, count};
    for (size_t i = 0; i < count; i++)
        arena_push(block, raft_log_entry(log, from + i));
    return entries;
}

struct raft_entries raft_outbox_copy(struct raft_outbox *box, const struct raft_entry *entries,
                                     size_t count) {
    struct raft_arena_block *block = arena_room(&box->arena, count);
    struct raft_entries copy = {block->at + block->count, count};
    for (size_t i = 0; i < count; i++)
        arena_push(block, &entries[i]);
    return copy;
}

struct raft_message *raft_list_push(struct raft_list *list, const struct raft_message *message) {
    struct raft_messages *messages = &list->messages;
    messages->at = raft_grow(messages->at, &list->capacity, messages->count + 1, sizeof *messages->at);
    messages->at[messages->count] = *message;
    return &messages->at[messages->count++];
}

void raft_outbox_read(struct raft_outbox *box, uint64_t token, raft_index index) {
    struct raft_reads *reads = &box->reads;
    reads->at = raft_grow(reads->at, &box->reads_capacity, reads->count + 1, sizeof *reads->at);
    reads->at[reads->count++] = (struct raft_read_point){token, index};
}

void raft_outbox_fetch(struct raft_outbox *box, const struct raft_fetch *fetch) {
    struct raft_fetches *fetches = &box->fetch;
    fetches->at = raft_grow(fetches->at, &box->fetch_capacity, fetches->count + 1, sizeof *fetches->at);
    fetches->at[fetches->count++] = *fetch;
}

void raft_outbox_snapshot(struct raft_outbox *box, raft_id to) {
    struct raft_ids *ids = &box->snapshots;
    ids->at = raft_grow(ids->at, &box->snapshots_capacity, ids->count + 1, sizeof *ids->at);
    ids->at[ids->count++] = to;
}

void raft_outbox_restore(struct raft_outbox *box, raft_index index, raft_term term,
                         struct raft_blob *members) {
    assert(index > box->restore.index);
    raft_blob_unref(box->restore.members);
    box->restore = (struct raft_snapshot){index, term, raft_blob_ref(members)};
}

void raft_outbox_clear(struct raft_outbox *box) {
    arena_clear(&box->arena);
    raft_blob_unref(box->restore.members);
    box->restore = (struct raft_snapshot){.index = 0};
    box->snapshots.count = 0;
    box->send.messages.count = 0;
    box->promise.messages.count = 0;
    box->save = (struct raft_entries){NULL, 0};
    box->apply = (struct raft_entries){NULL, 0};
    box->reads.count = 0;
    box->fetch.count = 0;
    box->trace[0] = '\0';
    box->trace_length = 0;
}

void raft_outbox_close(struct raft_outbox *box) {
    raft_outbox_clear(box);
    for (size_t i = 0; i < box->arena.block_count; i++)
        free(box->arena.blocks[i].at);
    free(box->arena.blocks);
    free(box->send.messages.at);
    free(box->promise.messages.at);
    free(box->reads.at);
    free(box->fetch.at);
    free(box->snapshots.at);
}
