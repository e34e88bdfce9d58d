/* SPDX-License-Identifier: MIT */
/* The log's beginning moves: by compaction in steps, by a snapshot at once; what is after it stays to the last byte. */
#include "store_world.h"

#include <signal.h>

static struct store_job *job_compact(raft_index through) {
    struct store_job *job = store_job_new(STORE_COMPACT);

    job->through = through;
    return job;
}

static struct store_job *job_reset(raft_index index, raft_term term, uint64_t data) {
    struct store_job *job = store_job_new(STORE_RESET);

    job->reset.index = index;
    job->reset.term = term;
    job->reset.data = data;
    return job;
}

static void append(struct world *world, struct twin *twin, raft_term term, size_t count, size_t length) {
    struct store_job *job = job_save(term > twin->term ? term : 0, 1);

    for (size_t i = 0; i < count; i++)
        job_add(job, entry_make(twin->count + 1 + i, term, length));
    twin_obey(twin, job);
    run_well(world, job);
}

/* Submits until no more is left; returns in how many steps. */
static int compact(struct world *world, raft_index through) {
    bool more = true;
    int steps;

    for (steps = 0; more; steps++) {
        struct store_job *job = job_compact(through);

        assert_true(steps < 10000);
        run_one(world, job);
        if (job->failed)
            fail_msg("%s", job->why);
        more = job->more;
        store_job_free(job);
    }
    return steps;
}

/* A log that begins after `base` holds what the twin does, after a restart too. */
static void must_begin_after(struct world *world, const struct twin *twin, raft_index base,
                             raft_term base_term) {
    struct store_job *job;
    uint64_t bytes = 0;

    world_reopen(world);
    assert_int_equal(world->boot.base_index, base);
    assert_int_equal(world->boot.base_term, base_term);
    assert_int_equal(world->boot.first_index, twin->count > base ? base + 1 : 0);
    assert_int_equal(world->boot.raft.last_index, twin->count);
    assert_int_equal(world->boot.raft.term_count > 0, twin->count > base);
    for (size_t i = 0; i < world->boot.raft.term_count; i++) {
        const struct raft_term_start *row = &world->boot.raft.terms[i];

        assert_int_equal(row->term, twin->terms[row->first_index]);
        assert_true(i == 0 ? row->first_index == base + 1 : twin->terms[row->first_index - 1] < row->term);
    }
    job = job_read(base + 1, UINT64_MAX, SIZE_MAX);
    run_one(world, job);
    assert_false(job->failed);
    assert_int_equal(job->entries.count, twin->count - base);
    for (size_t i = 0; i < job->entries.count; i++) {
        entry_must_be(&job->entries.at[i], base + 1 + i, twin);
        bytes += job->entries.at[i].data->length;
    }
    assert_int_equal(job->log_bytes, bytes);
    assert_int_equal(world->boot.log_bytes, bytes);
    store_job_free(job);
    job = job_read(1, base, SIZE_MAX);
    run_one(world, job);
    assert_int_equal(job->entries.count, 0);
    store_job_free(job);
}

static void a_new_log_begins_with_the_first_entry(void **state) {
    struct world *world = *state;

    world_open(world);
    assert_int_equal(world->boot.base_index, 0);
    assert_int_equal(world->boot.base_term, 0);
    assert_int_equal(world->boot.data, STORE_DATA_FIRST);
    assert_false(world->boot.leftovers);
}

static void what_is_compacted_goes_and_what_is_after_it_stays(void **state) {
    static const raft_index throughs[] = {1, 2, 9, 10, 11, 25, 29, 30};
    struct world *world = *state;
    struct twin *twin = twin_new();

    world_open(world);
    for (raft_term term = 1; term <= 3; term++)
        append(world, twin, 2 * term, 10, 300);
    for (size_t i = 0; i < sizeof(throughs) / sizeof(throughs[0]); i++) {
        compact(world, throughs[i]);
        must_begin_after(world, twin, throughs[i], twin->terms[throughs[i]]);
        assert_false(world->boot.leftovers);
    }
    append(world, twin, 6, 3, 100); /* of the term of what has gone */
    must_begin_after(world, twin, 30, 6);
    compact(world, 1000); /* not more than is there */
    must_begin_after(world, twin, 33, 6);
    append(world, twin, 9, 3, 100);
    must_begin_after(world, twin, 33, 6);
    free(twin);
}

static void the_end_of_a_compacted_log_can_be_overwritten(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct store_job *job;

    world_open(world);
    append(world, twin, 1, 20, 100);
    compact(world, 10);
    job = job_save(5, 2);
    job_add(job, entry_make(11, 5, 70));
    twin_obey(twin, job);
    run_well(world, job);
    must_begin_after(world, twin, 10, 1);
    free(twin);
}

/* While it goes on, or the log would not shrink; what was saved before its first step, which may be much, makes that no longer. */
static void a_step_deletes_twice_what_was_saved_since_the_last(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct store_job *first = job_compact(3520);

    world_open(world);
    append(world, twin, 1, 3500, 10);
    append(world, twin, 1, 10, 100000);
    assert_int_equal(compact(world, 3500), 7);
    append(world, twin, 1, 10, 100000);
    run_one(world, first);
    assert_true(first->more);
    assert_int_equal(first->base_index, 3503);
    append(world, twin, 1, 10, 100000);
    assert_int_equal(compact(world, 3520), 1);
    must_begin_after(world, twin, 3520, 1);
    store_job_free(first);
    free(twin);
}

static void one_step_is_bounded_by_rows_and_by_bytes(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct store_job *job;

    world_open(world);
    append(world, twin, 1, 3500, 10);
    assert_int_equal(compact(world, 0), 1); /* what was saved before it counts no more */
    job = job_compact(3400);
    run_one(world, job);
    assert_int_equal(job->base_index, STORE_COMPACT_ROWS_MAX);
    assert_true(job->more);
    store_job_free(job);
    assert_int_equal(compact(world, 3400), 6);
    append(world, twin, 1, 10, STORE_COMPACT_BYTES_MAX / 2);
    assert_int_equal(compact(world, 0), 1);
    assert_in_range(compact(world, 3510), 5, 6);
    must_begin_after(world, twin, 3510, 1);

    /* An entry of many rows is passed at once; its rows follow, whoever asks. */
    append(world, twin, 1, 1, 9 * STORE_ROW_BYTES_MAX);
    append(world, twin, 1, 1, 10);
    assert_int_equal(compact(world, 0), 1);
    job = job_compact(3511);
    run_one(world, job);
    assert_int_equal(job->base_index, 3511);
    assert_int_equal(job->log_bytes, 10);
    assert_true(job->more);
    store_job_free(job);
    must_begin_after(world, twin, 3511, 1);
    assert_true(world->boot.leftovers);
    assert_int_equal(compact(world, 0), 8);
    must_begin_after(world, twin, 3511, 1);
    assert_false(world->boot.leftovers);
    free(twin);
}

static void a_reset_keeps_what_follows_the_entry_that_the_log_holds(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct store_job *job;

    world_open(world);
    append(world, twin, 1, 10, 100);
    append(world, twin, 3, 10, 100);
    job = job_reset(14, 3, 2);
    run_one(world, job);
    assert_true(job->kept && job->more && !job->failed);
    assert_int_equal(job->first_index, 15);
    store_job_free(job);
    must_begin_after(world, twin, 14, 3);
    assert_int_equal(world->boot.data, 2);
    assert_true(world->boot.leftovers);
    compact(world, 0);
    must_begin_after(world, twin, 14, 3);

    job = job_reset(14, 3, 3); /* where the log begins */
    run_one(world, job);
    assert_true(job->kept);
    store_job_free(job);
    must_begin_after(world, twin, 14, 3);
    assert_int_equal(world->boot.data, 3);
    job = job_reset(20, 3, 4); /* with its last */
    run_one(world, job);
    assert_true(job->kept);
    assert_int_equal(job->first_index, 0);
    store_job_free(job);
    must_begin_after(world, twin, 20, 3);
    append(world, twin, 3, 2, 50);
    must_begin_after(world, twin, 20, 3);
    free(twin);
}

/* A snapshot ahead of the log, one where the log has an entry of another term, one where it begins after another. */
static void a_reset_drops_a_log_that_does_not_hold_the_entry(void **state) {
    static const struct {
        raft_index compacted, index;
        raft_term term;
    } rows[] = {{0, 50, 4}, {0, 15, 4}, {0, 20, 4}, {12, 12, 4}, {20, 25, 4}, {20, 20, 4}};
    struct world *world = *state;
    struct twin *twin = twin_new();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct store_job *jobs[2] = {job_save(4, 0), job_reset(rows[i].index, rows[i].term, 2)};

        world_empty(world);
        twin_init(twin);
        world_open(world);
        append(world, twin, 1, 10, 100);
        append(world, twin, 3, 10, 100);
        if (rows[i].compacted > 0)
            compact(world, rows[i].compacted);
        run_batch(world, jobs, 2); /* the term first, in one transaction */
        assert_false(jobs[1]->failed || jobs[1]->kept);
        assert_int_equal(jobs[1]->log_bytes, 0);
        store_job_free(jobs[0]);
        store_job_free(jobs[1]);
        twin->count = (size_t)rows[i].index;
        twin->term = 4;
        must_begin_after(world, twin, rows[i].index, 4);
        append(world, twin, 4, 5, 100);
        must_begin_after(world, twin, rows[i].index, 4);
        compact(world, 0);
        must_begin_after(world, twin, rows[i].index, 4);
        world_close(world);
    }
    free(twin);
}

/* In a child that is killed while it appends, compacts and resets: the beginning and the end fit, the bytes are right. */
static void a_death_while_the_beginning_moves_leaves_a_log_that_is_right(void **state) {
    struct world *world = *state;
    uint64_t seed = 5;

    for (int round = 0; round < 40; round++) {
        struct twin *twin = twin_new();
        struct store_job *job;
        pid_t child;

        world_empty(world);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            world_open(world);
            while (twin->count < TWIN_ENTRIES_MAX - 200) {
                append(world, twin, 1 + twin->count / 100, 20, 700);
                run_one(world, job_compact(twin->count - 15));
                if (twin->count % 60 == 0)
                    run_one(world, job_reset(twin->count - 3, twin->terms[twin->count - 3], twin->count));
            }
            _exit(0);
        }
        usleep((useconds_t)(2000 + random_below(&seed, 40000)));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        world_open(world);
        for (raft_index index = 1; index <= world->boot.raft.last_index; index++) {
            twin->terms[index] = 1 + (index - 1) / 20 * 20 / 100;
            twin->lengths[index] = 700;
        }
        twin->count = (size_t)world->boot.raft.last_index;
        assert_true(twin->count - world->boot.base_index <= 20 + 15);
        assert_true(world->boot.data == STORE_DATA_FIRST || world->boot.data % 60 == 0);
        must_begin_after(world, twin, world->boot.base_index, twin->terms[world->boot.base_index]);
        job = job_compact(0);
        run_well(world, job);
        world_close(world);
        free(twin);
    }
}

/* 40 MB go through a log that keeps 2 MB; free pages are used again. */
static void the_file_does_not_grow_when_the_log_is_compacted(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct bytes file;

    world_open(world);
    for (int round = 0; round < 400; round++) {
        append(world, twin, 1, 10, round % 3 == 0 ? 30000 : 3000);
        if (round % 20 == 19)
            compact(world, twin->count - 50);
    }
    world_close(world);
    file = bytes_read(world, "raft.db");
    assert_in_range(file.length, 500000, 8000000);
    free(file.at);
    world_open(world);
    must_begin_after(world, twin, twin->count - 50, 1);
    free(twin);
}

int main(void) {
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_new_log_begins_with_the_first_entry),
        STORE_TEST(what_is_compacted_goes_and_what_is_after_it_stays),
        STORE_TEST(the_end_of_a_compacted_log_can_be_overwritten),
        STORE_TEST(a_step_deletes_twice_what_was_saved_since_the_last),
        STORE_TEST(one_step_is_bounded_by_rows_and_by_bytes),
        STORE_TEST(a_reset_keeps_what_follows_the_entry_that_the_log_holds),
        STORE_TEST(a_reset_drops_a_log_that_does_not_hold_the_entry),
        STORE_TEST(a_death_while_the_beginning_moves_leaves_a_log_that_is_right),
        STORE_TEST(the_file_does_not_grow_when_the_log_is_compacted),
    };

    return cmocka_run_group_tests_name("store_compact", tests, NULL, NULL);
}
