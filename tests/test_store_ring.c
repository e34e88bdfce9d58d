/* SPDX-License-Identifier: MIT */
/*
 * The log's segments: one follows another, entries are read and overwritten across them, the log's beginning goes, and with it those of which
 * nothing counts; their files are used again, and nothing of what they held comes back. Segments are small here.
 */
#include "ring_world.h"

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

static int descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Of one that is only read nothing is open but its two files. */
static void a_segment_that_is_full_gives_back_what_its_writing_took(void **state) {
    struct world *world = *state;
    int before = descriptors();

    model_init();
    open_small(world);
    append(world, 400, 700);
    assert_true(files(world) > 12);
    assert_in_range(descriptors() - before, 2 * files(world) - 4, 2 * files(world) + 6);
}

/* A start reads all of each of them. */
static void nor_do_many_that_were_full_at_the_start(void **state) {
    enum { SEGMENT = 1024 * 1024, ENTRY = 100 * 1000, ENTRIES = 200, EACH_MAX = 200 * 1000 };
    struct world *world = *state;
    sqlite3_int64 before;

    model_init();
    world_open(world);
    store_log_segments(world->log, SEGMENT);
    append(world, ENTRIES, ENTRY);
    assert_true(files(world) > 12);
    world_close(world);
    before = sqlite3_memory_used();
    world_open(world);
    assert_in_range(sqlite3_memory_used() - before, 1, files(world) * EACH_MAX);
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

/* Of how many the WAL is there and has a header. */
static int files_that_hold_something(const struct world *world) {
    static const uint8_t zeros[STORE_WAL_HEADER_BYTES];
    char name[STORE_SEGMENT_NAME_MAX + 4];
    int count = 0;

    for (unsigned slot = 0; slot < 500; slot++) {
        struct bytes wal;

        store_segment_name(slot, name);
        wal = bytes_read(world, strcat(name, "-wal"));
        count += wal.length >= sizeof(zeros) && memcmp(wal.at, zeros, sizeof(zeros)) != 0;
        free(wal.at);
    }
    return count;
}

/* A start would read all of them. */
static void what_does_not_count_any_more_is_emptied_at_once(void **state) {
    struct world *world = *state;

    for (int threaded = 0; threaded < 2; threaded++) {
        model_init();
        open_small(world);
        if (threaded)
            assert_true(store_log_thread(world->log));
        append(world, threaded ? 2000 : 400, 700); /* a thread gets fewer of them ready meanwhile */
        assert_true(files_that_hold_something(world) > 5);
        compact(world, model.last - 10);
        world_close(world); /* once the keeper has done what it was asked */
        assert_in_range(files_that_hold_something(world), 1, 3);
        assert_true(files(world) > 5);
        for (int again = 0; again < 2; again++) { /* what a start finds empty is used as well */
            open_small(world);
            world_must_be_model(world);
            append(world, 200, 700);
            world_close(world);
        }
        open_small(world);
        world_must_be_model(world);
        world_close(world);
        world_empty(world);
    }
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
    assert_non_null(strstr(world->told, "raft-1.db"));
    assert_non_null(strstr(world->told, "Is a directory"));
    assert_int_equal(rmdir(path), 0);
    append(world, 1, 600);
    world->told[0] = '\0';
    append(world, 199, 600);
    assert_true(files(world) > 3);
    assert_string_equal(world->told, "");
    reopen_small(world);
    world_must_be_model(world);
}

/* The log goes on in the segment it has; the next start tells what is in the way. */
static void a_directory_in_a_segments_place_stops_nobody_who_writes(void **state) {
    struct world *world = *state;
    char path[2 * WORLD_PATH_MAX];

    for (int threaded = 0; threaded < 2; threaded++) {
        model_init();
        open_small(world);
        if (threaded)
            assert_true(store_log_thread(world->log));
        world_path(world, "raft-1.db", path);
        assert_int_equal(mkdir(path, 0700), 0);
        append(world, 200, 600);
        entries_must_be(world, 1, model.last, SIZE_MAX);
        assert_non_null(strstr(world->told, "raft-1.db"));
        world_close(world);
        assert_int_not_equal(world_open_as(world, 1), STORE_OK);
        assert_non_null(strstr(world->why, "raft-1.db"));
        assert_int_equal(rmdir(path), 0);
        open_small(world);
        world_must_be_model(world);
        append(world, 100, 600);
        assert_true(is_there(world, "raft-1.db"));
        reopen_small(world);
        world_must_be_model(world);
        world_close(world);
        world_empty(world);
    }
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
        RING_TEST(a_segment_that_is_full_gives_back_what_its_writing_took),
        RING_TEST(nor_do_many_that_were_full_at_the_start),
        RING_TEST(entries_of_older_segments_are_overwritten),
        RING_TEST(files_are_used_again),
        RING_TEST(a_log_that_was_long_once_gives_its_files_back),
        RING_TEST(what_does_not_count_any_more_is_emptied_at_once),
        RING_TEST(each_segment_says_who_it_is_and_where_the_log_stands),
        RING_TEST(a_snapshot_takes_the_place_of_several_segments),
        RING_TEST(a_segment_that_cannot_be_made_stops_nobody),
        RING_TEST(a_directory_in_a_segments_place_stops_nobody_who_writes),
        RING_TEST(whatever_happens_the_log_is_what_it_must_be),
    };

    return cmocka_run_group_tests_name("store_ring", tests, NULL, NULL);
}
