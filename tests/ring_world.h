/* SPDX-License-Identifier: MIT */
/* What the tests of the log's segments share: small ones, and a model of what the log must hold. */
#ifndef RING_WORLD_H
#define RING_WORLD_H

#include "store_world.h"

#include <sqlite3.h>

#include "../src/store/internal.h"

enum { SMALL = 16 * 1024 };

static inline int setup(void **state) {
    struct world *world = malloc(sizeof(*world));

    assert_non_null(world);
    world_make_in_memory(world);
    *state = world;
    return 0;
}

static inline void open_small(struct world *world) {
    world_open(world);
    store_log_segments(world->log, SMALL);
}

static inline void reopen_small(struct world *world) {
    world_close(world);
    open_small(world);
}

static inline bool is_there(const struct world *world, const char *name) {
    char path[2 * WORLD_PATH_MAX];

    world_path(world, name, path);
    return access(path, F_OK) == 0;
}

static inline int files(const struct world *world) {
    char name[STORE_SEGMENT_NAME_MAX];
    int count = 0;

    for (unsigned slot = 0; slot < 500; slot++) {
        store_segment_name(slot, name);
        count += is_there(world, name);
    }
    return count;
}

/* The slot that has the newest state. */
static inline unsigned newest(const struct world *world) {
    struct store_paths paths;
    struct store_found found;
    char why[STORE_WHY_MAX];
    unsigned slot;

    store_paths_init(&paths, world->dir);
    assert_int_equal(store_check_log(&paths, 1, &found, why), STORE_OK);
    slot = found.segments[found.segment_count - 1].segment->slot;
    store_found_close(&found);
    store_paths_close(&paths);
    return slot;
}

/* ---- a model ------------------------------------------------------------------------------------------------- */

enum { INDEX_MAX = 20000 };

/* What the log must hold. */
struct model {
    raft_term term;
    raft_index start, last;
    raft_term base_term;
    uint64_t data;
    raft_term terms[INDEX_MAX + 1]; /* at an entry's index */
    size_t lengths[INDEX_MAX + 1];
};

static struct model model;

static inline uint64_t model_bytes(void) {
    uint64_t bytes = 0;

    for (raft_index at = model.start; at <= model.last; at++)
        bytes += model.lengths[at];
    return bytes;
}

static inline void model_init(void) {
    memset(&model, 0, sizeof(model));
    model.start = 1;
    model.data = STORE_DATA_FIRST;
}

static inline void entries_must_be(struct world *world, raft_index from, raft_index to, size_t bytes_max) {
    struct store_job *job = job_read(from, to, bytes_max);
    size_t bytes = 0;

    run_one(world, job);
    if (job->failed)
        fail_msg("%s", job->why);
    if (from < model.start || from > model.last || from > to) {
        assert_int_equal(job->entries.count, 0);
    } else {
        assert_true(job->entries.count > 0);
        for (size_t i = 0; i < job->entries.count; i++) {
            raft_index index = from + i;
            struct raft_entry expected = entry_make(index, model.terms[index], model.lengths[index]);
            const struct raft_entry *entry = &job->entries.at[i];

            assert_int_equal(entry->index, index);
            assert_int_equal(entry->term, model.terms[index]);
            assert_int_equal(entry->data->length, model.lengths[index]);
            assert_memory_equal(entry->data->bytes, expected.data->bytes, expected.data->length);
            bytes += model.lengths[index];
            raft_blob_unref(expected.data);
        }
        assert_true(bytes <= bytes_max || job->entries.count == 1);
        raft_index next = from + job->entries.count;
        assert_true(next > to || next > model.last || bytes + model.lengths[next] > bytes_max);
    }
    store_job_free(job);
}

static inline void boot_must_be(const struct world *world) {
    const struct store_boot *boot = &world->boot;
    size_t row = 0;

    assert_int_equal(boot->raft.term, model.term);
    assert_int_equal(boot->raft.last_index, model.last);
    assert_int_equal(boot->base_index, model.start - 1);
    assert_int_equal(boot->base_term, model.base_term);
    assert_int_equal(boot->data, model.data);
    assert_int_equal(boot->log_bytes, model_bytes());
    assert_int_equal(boot->first_index, model.last >= model.start ? model.start : 0);
    for (raft_index at = model.start; at <= model.last; at++) {
        while (row + 1 < boot->raft.term_count && boot->raft.terms[row + 1].first_index <= at)
            row++;
        assert_int_equal(boot->raft.terms[row].term, model.terms[at]);
    }
    assert_true(model.last >= model.start || boot->raft.term_count == 0);
    assert_int_equal(boot->identity.node, 1);
    assert_string_equal(boot->identity.incarnation, WORLD_INCARNATION);
}

static inline void world_must_be_model(struct world *world) {
    boot_must_be(world);
    entries_must_be(world, model.start, model.last, SIZE_MAX);
}

/* Appends, or overwrites from `index` on, in this term. */
static inline void write_entries(struct world *world, raft_index index, size_t count, raft_term term,
                                 size_t length) {
    struct store_job *job = job_save(term != model.term ? term : 0, 1);

    model.term = term;
    for (size_t i = 0; i < count; i++) {
        job_add(job, entry_make(index + i, term, length));
        model.terms[index + i] = term;
        model.lengths[index + i] = length;
    }
    if (count > 0)
        model.last = index + count - 1;
    assert_true(model.last <= INDEX_MAX);
    run_well(world, job);
}

static inline void append(struct world *world, size_t count, size_t length) {
    while (count-- > 0)
        write_entries(world, model.last + 1, 1, model.term != 0 ? model.term : 1, length);
}

static inline void compact(struct world *world, raft_index through) {
    struct store_job *job = store_job_new(STORE_COMPACT);

    job->through = through;
    if (through > model.last)
        through = model.last;
    if (through >= model.start) {
        model.base_term = model.terms[through];
        model.start = through + 1;
    }
    run_one(world, job);
    assert_false(job->failed);
    assert_int_equal(job->log_bytes, model_bytes());
    assert_int_equal(job->base_index, model.start - 1);
    store_job_free(job);
}

static inline void reset(struct world *world, raft_index index, raft_term term) {
    struct store_job *job = store_job_new(STORE_RESET);
    bool kept = index <= model.last && (index >= model.start ? model.terms[index] : model.base_term) == term;

    job->reset.index = index;
    job->reset.term = term;
    job->reset.data = model.data + 1;
    model.data++;
    model.start = index + 1;
    model.base_term = term;
    if (!kept)
        model.last = index;
    run_one(world, job);
    assert_false(job->failed);
    assert_int_equal(job->kept, kept);
    assert_int_equal(job->log_bytes, model_bytes());
    store_job_free(job);
}

#endif
