/* SPDX-License-Identifier: MIT */
/*
 * The log's segments: one follows another, entries are read and overwritten across them, the log's beginning goes, and with it those of which
 * nothing counts; their files are used again, and nothing of what they held comes back. Segments are small here.
 */
#include "store_world.h"

#include <sqlite3.h>

#include "../src/store/internal.h"

enum { SMALL = 16 * 1024 };

static int setup(void **state) {
    struct world *world = malloc(sizeof(*world));

    assert_non_null(world);
    world_make_in_memory(world);
    *state = world;
    return 0;
}

static void open_small(struct world *world) {
    world_open(world);
    store_log_segments(world->log, SMALL);
}

static void reopen_small(struct world *world) {
    world_close(world);
    open_small(world);
}

static bool is_there(const struct world *world, const char *name) {
    char path[2 * WORLD_PATH_MAX];

    world_path(world, name, path);
    return access(path, F_OK) == 0;
}

static int files(const struct world *world) {
    char name[STORE_SEGMENT_NAME_MAX];
    int count = 0;

    for (unsigned slot = 0; slot < 500; slot++) {
        store_segment_name(slot, name);
        count += is_there(world, name);
    }
    return count;
}

/* The slot that has the newest state. */
static unsigned newest(const struct world *world) {
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

static uint64_t model_bytes(void) {
    uint64_t bytes = 0;

    for (raft_index at = model.start; at <= model.last; at++)
        bytes += model.lengths[at];
    return bytes;
}

static void model_init(void) {
    memset(&model, 0, sizeof(model));
    model.start = 1;
    model.data = STORE_DATA_FIRST;
}

static void entries_must_be(struct world *world, raft_index from, raft_index to, size_t bytes_max) {
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

static void boot_must_be(const struct world *world) {
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

static void world_must_be_model(struct world *world) {
    boot_must_be(world);
    entries_must_be(world, model.start, model.last, SIZE_MAX);
}

/* Appends, or overwrites from `index` on, in this term. */
static void write_entries(struct world *world, raft_index index, size_t count, raft_term term,
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

static void append(struct world *world, size_t count, size_t length) {
    while (count-- > 0)
        write_entries(world, model.last + 1, 1, model.term != 0 ? model.term : 1, length);
}

static void compact(struct world *world, raft_index through) {
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

static void reset(struct world *world, raft_index index, raft_term term) {
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

/* ---- one after the other --------------------------------------------------------------------------------------- */

static void a_log_goes_on_in_the_next_segment_and_is_found_again(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    append(world, 300, 700);
    assert_true(files(world) > 10);
    entries_must_be(world, 1, model.last, SIZE_MAX);
    reopen_small(world);
    world_must_be_model(world);
    append(world, 100, 700);
    reopen_small(world);
    world_must_be_model(world);
}

static void a_death_without_closing_loses_nothing(void **state) {
    struct world *world = *state;
    int status;
    pid_t child;

    model_init();
    for (int life = 0; life < 4; life++) {
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            open_small(world);
            append(world, 150, 500);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        for (int i = 0; i < 150; i++) { /* the model lives through it, too */
            model.term = 1;
            model.terms[++model.last] = 1;
            model.lengths[model.last] = 500;
        }
        open_small(world);
        world_must_be_model(world);
        world_close(world);
    }
    assert_true(files(world) > 10);
}

static void what_is_read_may_lie_in_several_segments(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    for (size_t i = 0; i < 120; i++)
        append(world, 1, i * 37 % 3000);
    for (int again = 0; again < 2; again++) {
        for (raft_index from = 0; from <= 122; from += 3)
            for (raft_index to = from; to <= 125; to += 11)
                for (size_t bytes = 0; bytes < 100000; bytes = 3 * bytes + 1000)
                    entries_must_be(world, from, to, bytes);
        reopen_small(world);
    }
}

/* SQLite's cache holds less, and a page that is written twice has its frames summed up anew. */
static void a_transaction_of_many_entries_comes_back(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    store_log_segments(world->log, 1024 * 1024);
    for (int i = 0; i < 5; i++) {
        write_entries(world, model.last + 1, 1500, (raft_term)i + 1, 1000 + (size_t)i);
        append(world, 3, 100);
    }
    write_entries(world, model.last - 2000, 1800, 9, 1100); /* cuts and puts */
    reopen_small(world);
    world_must_be_model(world);
}

static void the_keepers_thread_gets_them_ready_as_well(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    assert_true(store_log_thread(world->log));
    for (int i = 0; i < 200; i++) {
        append(world, 20, 400);
        if (i % 10 == 9)
            compact(world, model.last - 30);
    }
    assert_in_range(files(world), 3, 60);
    reopen_small(world);
    world_must_be_model(world);
}

/* ---- overwritten ---------------------------------------------------------------------------------------------- */

static void entries_of_older_segments_are_overwritten(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    append(world, 200, 600);
    for (raft_term term = 2; term < 12; term++) {
        write_entries(world, model.last - 60 - 7 * term, 30, term, 650);
        entries_must_be(world, 1, model.last, SIZE_MAX);
        reopen_small(world);
        world_must_be_model(world);
        write_entries(world, model.last - 3, 1, ++term, 10);
        append(world, 60, 300);
        reopen_small(world);
        world_must_be_model(world);
    }
    write_entries(world, 1, 1, model.term + 1, 10); /* all of it */
    reopen_small(world);
    world_must_be_model(world);
}

/* ---- the beginning goes ----------------------------------------------------------------------------------------- */

static void files_are_used_again(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    for (int i = 0; i < 100; i++) {
        append(world, 50, 500);
        compact(world, model.last - 10);
        if (i % 17 == 0) {
            reopen_small(world);
            world_must_be_model(world);
        }
        assert_in_range(files(world), 2, 20);
    }
}

static void a_log_that_was_long_once_gives_its_files_back(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    append(world, 800, 700);
    assert_true(files(world) > 25);
    for (int i = 0; i < 60; i++) {
        append(world, 50, 700);
        compact(world, model.last - 10);
    }
    assert_in_range(files(world), 2, 20);
    assert_true(is_there(world, "raft.db"));
    reopen_small(world);
    world_must_be_model(world);
}

static void each_segment_says_who_it_is_and_where_the_log_stands(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    uint64_t seed = 5;

    model_init();
    open_small(world);
    struct store_job *job = history_identity(twin, &seed);
    struct store_identity expected = *job->identity;
    run_well(world, job);
    write_entries(world, 1, 1, 7, 100);
    reset(world, 40, 7);
    append(world, 100, 600);
    compact(world, model.last - 1);
    world_close(world);
    assert_int_not_equal(newest(world), 0);
    open_small(world);
    world_must_be_model(world);
    identity_must_be(&world->boot.identity, &expected);
    assert_int_equal(world->boot.raft.vote, 1);
    free(twin);
}

static void a_snapshot_takes_the_place_of_several_segments(void **state) {
    struct world *world = *state;

    model_init();
    open_small(world);
    append(world, 200, 600);
    reset(world, 120, 1); /* held: what is behind it stays */
    reopen_small(world);
    world_must_be_model(world);
    write_entries(world, model.last + 1, 1, 3, 10);
    reset(world, 150, 2); /* not held: all goes */
    reopen_small(world);
    world_must_be_model(world);
    append(world, 100, 600);
    reset(world, 5000, 3); /* beyond the end */
    append(world, 100, 600);
    reopen_small(world);
    world_must_be_model(world);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void remove_file(const struct world *world, const char *name) {
    char path[2 * WORLD_PATH_MAX];

    world_path(world, name, path);
    assert_int_equal(unlink(path), 0);
}

static void make_log(struct world *world) {
    model_init();
    world_empty(world);
    open_small(world);
    append(world, 200, 600);
    world_close(world);
}

static void a_segment_that_is_gone_is_missed(void **state) {
    struct world *world = *state;
    char name[STORE_SEGMENT_NAME_MAX + 8];

    make_log(world);
    remove_file(world, "raft-3.db");
    remove_file(world, "raft-3.db-wal");
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    assert_non_null(strstr(world->why, "entries are missing before it"));
    make_log(world);
    remove_file(world, "raft-2.db-wal");
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    make_log(world);
    store_segment_name(newest(world), name);
    strcat(name, "-wal");
    remove_file(world, name);
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    assert_non_null(strstr(world->why, "was acknowledged"));
    make_log(world);
    remove_file(world, "raft.db");
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    assert_non_null(strstr(world->why, "is gone"));
}

static void another_nodes_segment_is_refused(void **state) {
    struct world *world = *state, other;

    make_log(world);
    world_make_in_memory(&other);
    assert_int_equal(store_log_open(other.dir, 1, "abc", &other.log, &other.boot, other.why), STORE_OK);
    store_log_segments(other.log, SMALL);
    model_init();
    append(&other, 100, 600);
    world_close(&other);
    bytes_write(world, "raft-3.db", bytes_read(&other, "raft-3.db"));
    struct bytes wal = bytes_read(&other, "raft-3.db-wal");
    bytes_write(world, "raft-3.db-wal", wal);
    free(wal.at);
    world_remove(&other);
    assert_int_equal(world_open_as(world, 1), STORE_FOREIGN);
    assert_non_null(strstr(world->why, "are not of one node"));
}

static void flips_in_any_segment_are_refused_or_mean_nothing(void **state) {
    struct world *world = *state;
    char name[STORE_SEGMENT_NAME_MAX + 8];
    uint64_t seed = 11;
    int refused = 0;

    model_init();
    open_small(world);
    append(world, 400, 600);
    compact(world, 150);
    append(world, 100, 600);
    world_close(world);
    for (int i = 0; i < tries(200); i++) {
        struct bytes whole, flipped;

        store_segment_name((unsigned)random_below(&seed, 20), name);
        if (random_below(&seed, 4) != 0)
            strcat(name, "-wal");
        whole = bytes_read(world, name);
        if (whole.at == NULL || whole.length == 0) {
            free(whole.at);
            continue;
        }
        flipped = bytes_copy(whole);
        flipped.at[random_below(&seed, whole.length)] ^= (uint8_t)(1 + random_below(&seed, 255));
        bytes_write(world, name, flipped);
        if (world_open_as(world, 1) == STORE_OK) {
            world_must_be_model(world);
            world_close(world);
        } else {
            refused++;
            assert_int_equal(world->result, STORE_DAMAGED);
        }
        bytes_write(world, name, whole);
        free(whole.at);
        free(flipped.at);
    }
    assert_true(refused > tries(60));
}

/* A node's first start leaves its identity and state in raft.db; its WAL is empty. */
static void flips_and_cuts_of_a_new_nodes_file_are_refused_or_mean_nothing(void **state) {
    struct world *world = *state;
    struct bytes whole, changed;
    uint64_t seed = 4;
    int refused = 0, accepted = 0;

    model_init();
    open_small(world);
    world_close(world);
    whole = bytes_read(world, "raft.db");
    for (size_t i = 0; i < 100 + (size_t)tries(200); i++) {
        changed = bytes_copy(whole);
        changed.at[i < 100 ? i : random_below(&seed, whole.length)] ^=
            (uint8_t)(1 + random_below(&seed, 255));
        if (i % 10 == 9)
            changed.length = random_below(&seed, whole.length);
        bytes_write(world, "raft.db", changed);
        if (world_open_as(world, 1) == STORE_OK) {
            world_must_be_model(world);
            world_close(world);
            accepted++;
        } else {
            struct bytes now = bytes_read(world, "raft.db");

            assert_true(bytes_equal(now, changed));
            free(now.at);
            refused++;
        }
        free(changed.at);
    }
    free(whole.at);
    assert_true(refused > 60 && accepted > 5);
}

/* ---- no segment to be had ------------------------------------------------------------------------------------------ */

static void a_segment_that_cannot_be_made_stops_nobody(void **state) {
    struct world *world = *state;
    char path[2 * WORLD_PATH_MAX];

    model_init();
    open_small(world);
    world_path(world, "raft-1.db.tmp", path); /* in the way of its making */
    assert_int_equal(mkdir(path, 0700), 0);
    append(world, 200, 600);
    assert_false(is_there(world, "raft-1.db"));
    assert_int_equal(files(world), 1);
    assert_int_equal(rmdir(path), 0);
    append(world, 200, 600);
    assert_true(files(world) > 3);
    reopen_small(world);
    world_must_be_model(world);
}

/* ---- all of it, at random --------------------------------------------------------------------------------------------- */

static void step(struct world *world, uint64_t *seed) {
    uint64_t chance = random_below(seed, 100);
    raft_index index = model.last + 1;

    if (chance < 70) {
        append(world, 1 + random_below(seed, 4), random_below(seed, 2000));
    } else if (chance < 82) { /* a new term, and an end that is overwritten in it */
        uint64_t held = model.last - model.start + 1;

        index -= held > 0 ? random_below(seed, held < 60 ? held : 60) : 0;
        write_entries(world, index, 1 + random_below(seed, 5), model.term + 1, random_below(seed, 900));
    } else if (chance < 91) {
        compact(world, model.start + random_below(seed, 80));
    } else if (chance < 93) {
        raft_index at = model.start - 1 + random_below(seed, 60);

        reset(world, at,
              model.term > 0 ? model.term - random_below(seed, model.term < 3 ? model.term : 3) : 0);
    } else if (chance < 96) {
        reopen_small(world);
        world_must_be_model(world);
    } else {
        entries_must_be(world, model.start + random_below(seed, 50), model.start + random_below(seed, 200),
                        random_below(seed, 20000));
    }
}

static void whatever_happens_the_log_is_what_it_must_be(void **state) {
    struct world *world = *state;

    for (int round = 1; round <= tries(12); round++) {
        uint64_t seed = (uint64_t)round;
        int most = 0;

        model_init();
        world_empty(world);
        open_small(world);
        write_entries(world, 1, 1, 1, 10);
        for (int i = 0; i < 1500 && model.last < INDEX_MAX - 100; i++) {
            step(world, &seed);
            most = files(world) > most ? files(world) : most;
        }
        reopen_small(world);
        world_must_be_model(world);
        world_close(world);
        assert_true(most > 3);
    }
}

int main(void) {
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        RING_TEST(a_log_goes_on_in_the_next_segment_and_is_found_again),
        RING_TEST(a_death_without_closing_loses_nothing),
        RING_TEST(what_is_read_may_lie_in_several_segments),
        RING_TEST(a_transaction_of_many_entries_comes_back),
        RING_TEST(the_keepers_thread_gets_them_ready_as_well),
        RING_TEST(entries_of_older_segments_are_overwritten),
        RING_TEST(files_are_used_again),
        RING_TEST(a_log_that_was_long_once_gives_its_files_back),
        RING_TEST(each_segment_says_who_it_is_and_where_the_log_stands),
        RING_TEST(a_snapshot_takes_the_place_of_several_segments),
        RING_TEST(a_segment_that_is_gone_is_missed),
        RING_TEST(another_nodes_segment_is_refused),
        RING_TEST(flips_in_any_segment_are_refused_or_mean_nothing),
        RING_TEST(flips_and_cuts_of_a_new_nodes_file_are_refused_or_mean_nothing),
        RING_TEST(a_segment_that_cannot_be_made_stops_nobody),
        RING_TEST(whatever_happens_the_log_is_what_it_must_be),
    };

    return cmocka_run_group_tests_name("store_ring", tests, NULL, NULL);
}
