/* SPDX-License-Identifier: MIT */
/* Segments that are gone, damaged, older than they were or another node's: refused, or of no consequence. */
#include "ring_world.h"

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
    assert_non_null(strstr(world->why, "says that there were"));
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

static void save_range(struct world *world, raft_term term, raft_index from, raft_index to, raft_term of) {
    struct store_job *job = job_save(term, 1);

    for (raft_index index = from; index <= to; index++)
        job_add(job, entry_make(index, of, 300));
    run_well(world, job);
}

/* Its rows are as many as they were: what was overwritten stands there again. */
static void an_older_segment_that_loses_its_last_commit_is_refused(void **state) {
    enum { BYTES = 65536, FRAME = 24 + STORE_LOG_PAGE_BYTES };
    struct world *world = *state;
    char path[2 * WORLD_PATH_MAX], why[STORE_WHY_MAX];
    struct store_wal wal = {0};
    struct bytes bytes;
    raft_term term;
    size_t length;

    world_open(world);
    store_log_segments(world->log, BYTES);
    world_path(world, "raft.db-wal", path);
    for (term = 1; wal.frames * FRAME < BYTES; term++) {
        save_range(world, term, term == 1 ? 1 : 6, 10, term);
        store_wal_close(&wal);
        assert_int_equal(store_wal_walk(path, true, &wal, why), STORE_OK);
    }
    for (raft_index index = 11; index < 14; index++)
        save_range(world, 0, index, index, term - 1);
    world_reopen(world);
    assert_int_equal(world->boot.raft.last_index, 13);
    world_close(world);
    length = (size_t)store_wal_length(&wal);
    store_wal_close(&wal);
    bytes = bytes_read(world, "raft.db-wal");
    bytes.at[length - FRAME + 500] ^= 1;
    bytes_write(world, "raft.db-wal", bytes);
    free(bytes.at);
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
}

/* All pages of a segment's file are in its -wal; SQLite removes a -wal beside a file of no bytes. */
static void a_main_file_of_no_bytes_is_refused_and_its_wal_stays(void **state) {
    struct world *world = *state;
    struct bytes before, after;
    struct twin *twin = twin_new();
    uint64_t seed = 1;

    world_open(world);
    run_well(world, history_identity(twin, &seed)); /* members: every page is in the -wal */
    free(twin);
    store_log_segments(world->log, 8192);
    for (raft_index index = 1; index <= 40; index++)
        save_range(world, index == 1 ? 1 : 0, index, index, 1);
    world_close(world);
    before = bytes_read(world, "raft-1.db-wal");
    assert_true(before.length > 8192);
    bytes_write(world, "raft-1.db", (struct bytes){(uint8_t *)world->why, 0});
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    after = bytes_read(world, "raft-1.db-wal");
    assert_true(bytes_equal(before, after));
    free(before.at);
    free(after.at);
}

/* The log's last entries stand in raft-1.db, and the newest segment has a vote only. */
static void end_with_a_vote(struct world *world) {
    char path[2 * WORLD_PATH_MAX];
    struct stat status = {0};

    model_init();
    open_small(world);
    world_path(world, "raft-1.db-wal", path);
    while (status.st_size < SMALL) {
        append(world, 1, 600);
        if (stat(path, &status) != 0)
            status.st_size = 0;
    }
    write_entries(world, model.last + 1, 0, 9, 0);
    compact(world, model.last - 3);
    world_close(world);
    assert_int_equal(newest(world), 2);
}

/* Of the log's end no row is left, but the newest segment, which has none, says how far it went. */
static void an_end_that_is_gone_with_its_segment_is_missed(void **state) {
    struct world *world = *state;

    end_with_a_vote(world);
    remove_file(world, "raft-1.db");
    remove_file(world, "raft-1.db-wal");
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    assert_non_null(strstr(world->why, "says that there were"));
}

/* The same where no other segment says anything: a raft.db that was made anew after an upgrade is empty. */
static void an_end_that_is_gone_is_missed_by_the_only_one_left(void **state) {
    struct world *world = *state;
    struct bytes empty;

    end_with_a_vote(world);
    empty = bytes_read(world, "raft-1.db");
    bytes_write(world, "raft.db", empty);
    free(empty.at);
    remove_file(world, "raft.db-wal");
    open_small(world);
    world_must_be_model(world);
    world_close(world);
    remove_file(world, "raft-1.db");
    remove_file(world, "raft-1.db-wal");
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    assert_non_null(strstr(world->why, "the log ends with entry"));
}

/* As a write of 32 bytes that failed half way leaves it. */
static void half_a_header_is_none(void **state) {
    struct world *world = *state;
    struct bytes wal;

    make_log(world);
    open_small(world);
    compact(world, model.last - 2);
    world_close(world);
    for (int half = 0; half < 2; half++) {
        wal = bytes_read(world, "raft-2.db-wal"); /* free by now */
        memset(wal.at + (half ? 0 : 16), 0, 16);
        bytes_write(world, "raft-2.db-wal", wal);
        free(wal.at);
        open_small(world);
        world_must_be_model(world);
        world_close(world);
    }
}

/* No entry of it counts, but what it was is not known: it is refused by its name, and is not touched. */
static void a_free_segment_that_is_damaged_is_refused_or_means_nothing(void **state) {
    struct world *world = *state;
    struct bytes file, whole, damaged, now;
    uint64_t seed = 8;
    int refused = 0;

    make_log(world);
    whole = bytes_read(world, "raft-2.db-wal"); /* as when a node ends between freeing and emptying it */
    open_small(world);
    compact(world, model.last - 2);
    world_close(world);
    assert_int_not_equal(newest(world), 2);
    file = bytes_read(world, "raft-2.db");
    assert_true(whole.length > SMALL);
    for (int i = 0; i < tries(60); i++) {
        damaged = bytes_copy(whole);
        damaged.at[random_below(&seed, whole.length)] ^= (uint8_t)(1 + random_below(&seed, 255));
        if (i % 3 == 0)
            damaged.length = random_below(&seed, whole.length);
        bytes_write(world, "raft-2.db", file); /* a start that goes well may remove both */
        bytes_write(world, "raft-2.db-wal", damaged);
        if (world_open_as(world, 1) == STORE_OK) {
            world_must_be_model(world);
            world_close(world);
        } else {
            refused++;
            assert_int_equal(world->result, STORE_DAMAGED);
            assert_non_null(strstr(world->why, "raft-2.db"));
            now = bytes_read(world, "raft-2.db-wal");
            assert_true(bytes_equal(now, damaged));
            free(now.at);
        }
        free(damaged.at);
    }
    free(file.at);
    free(whole.at);
    assert_true(refused > tries(20));
}

/* Its pages lay under the WAL's, where nobody has looked at them; what is written next stands on them. */
static void a_file_that_was_damaged_is_not_used_again(void **state) {
    struct world *world = *state;
    uint64_t seed = 3;
    int anew = 0;

    for (int i = 0; i < tries(40); i++) {
        struct bytes whole, damaged, now;
        size_t at;

        make_log(world);
        open_small(world);
        compact(world, model.last - 2); /* raft-2.db is free */
        whole = bytes_read(world, "raft-2.db");
        damaged = bytes_copy(whole);
        do
            at = random_below(&seed, whole.length);
        while (whole.at[at] == 0); /* most of it is empty pages */
        damaged.at[at] ^= (uint8_t)(1 + random_below(&seed, 255));
        if (i % 5 == 0)
            damaged.length = random_below(&seed, whole.length);
        bytes_write(world, "raft-2.db", damaged);
        append(world, 400, 600);
        now = bytes_read(world, "raft-2.db");
        anew += bytes_equal(now, whole);
        world_close(world);
        open_small(world);
        world_must_be_model(world);
        world_close(world);
        world_empty(world);
        free(whole.at);
        free(damaged.at);
        free(now.at);
    }
    assert_true(anew > tries(40) / 4);
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
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "raft-3.db" : "raft-3.db-wal";
        struct bytes file = bytes_read(&other, name);

        bytes_write(world, name, file);
        free(file.at);
    }
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

int main(void) {
#define DAMAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        DAMAGE_TEST(a_segment_that_is_gone_is_missed),
        DAMAGE_TEST(an_older_segment_that_loses_its_last_commit_is_refused),
        DAMAGE_TEST(a_main_file_of_no_bytes_is_refused_and_its_wal_stays),
        DAMAGE_TEST(an_end_that_is_gone_with_its_segment_is_missed),
        DAMAGE_TEST(an_end_that_is_gone_is_missed_by_the_only_one_left),
        DAMAGE_TEST(half_a_header_is_none),
        DAMAGE_TEST(a_free_segment_that_is_damaged_is_refused_or_means_nothing),
        DAMAGE_TEST(a_file_that_was_damaged_is_not_used_again),
        DAMAGE_TEST(another_nodes_segment_is_refused),
        DAMAGE_TEST(flips_in_any_segment_are_refused_or_mean_nothing),
        DAMAGE_TEST(flips_and_cuts_of_a_new_nodes_file_are_refused_or_mean_nothing),
    };

    return cmocka_run_group_tests_name("store_ring_damage", tests, NULL, NULL);
}
