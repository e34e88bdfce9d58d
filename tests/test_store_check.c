/* SPDX-License-Identifier: MIT */
/*
 * Damage. A node dies without closing; then bytes of its files are flipped, cut off, exchanged. Whatever was done, one of two
 * things must come of it: all that was acknowledged comes back exactly, or the start is refused and every file stands
 * as it did, bit for bit. Never less than was acknowledged, in silence.
 */
#include "store_world.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>

#include "../src/store/internal.h"

enum { FRAME_BYTES = 24 + STORE_LOG_PAGE_BYTES, WAL_HEADER_BYTES = 32, STEPS = 275, SEED = 10 };

/* What a death has left, and what must come back of it. */
struct fixture {
    struct world world;
    struct image image;
    struct twin twin;
    size_t live_frames; /* committed; the frames behind them are of the WAL's round before */
    size_t all_frames;
    size_t ends[2048]; /* number of the last frame of each live transaction */
    size_t transactions;
    int refused, accepted;
};

static struct fixture fixture;

static uint32_t big(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void find_transactions(struct fixture *f) {
    const struct bytes *file = &f->image.files[FILE_WAL];

    f->all_frames = (file->length - WAL_HEADER_BYTES) / FRAME_BYTES;
    for (size_t frame = 1; frame <= f->live_frames; frame++)
        if (big(file->at + WAL_HEADER_BYTES + (frame - 1) * FRAME_BYTES + 4) != 0) {
            assert_true(f->transactions < sizeof(f->ends) / sizeof(f->ends[0]));
            f->ends[f->transactions++] = frame;
        }
    assert_true(f->transactions > 10);
    assert_int_equal(f->ends[f->transactions - 1], f->live_frames);
}

/* As where a segment is used again: behind what counts stands what another life wrote, with other salts. */
static void add_an_earlier_round(struct fixture *f) {
    struct bytes *wal = &f->image.files[FILE_WAL], earlier;
    struct world other;

    world_make_in_memory(&other);
    history_die(&other, SEED + 1, 2 * STEPS);
    earlier = bytes_read(&other, "raft.db-wal");
    assert_true(earlier.length > wal->length + 20 * FRAME_BYTES);
    memcpy(earlier.at, wal->at, wal->length);
    free(wal->at);
    *wal = earlier;
    world_remove(&other);
}

static int make_fixture(void **state) {
    struct fixture *f = &fixture;
    struct store_wal wal;
    char path[2 * WORLD_PATH_MAX], why[STORE_WHY_MAX];

    (void)state;
    world_make_in_memory(&f->world);
    history_die(&f->world, SEED, STEPS);
    history_live(NULL, &f->twin, SEED, STEPS);
    f->image = image_read(&f->world);
    world_path(&f->world, "raft.db-wal", path);
    assert_int_equal(store_wal_walk(path, false, &wal, why), STORE_OK);
    f->live_frames = (size_t)wal.frames;
    store_wal_close(&wal);
    add_an_earlier_round(f);
    find_transactions(f);
    assert_true(f->all_frames > f->live_frames + 20);
    assert_true(f->live_frames >
                f->ends[f->transactions - 2] + 5); /* the last one can be torn in many ways */
    return 0;
}

static int free_fixture(void **state) {
    (void)state;
    image_free(&fixture.image);
    world_remove(&fixture.world);
    return 0;
}

static int reset_counts(void **state) {
    (void)state;
    fixture.refused = fixture.accepted = 0;
    return 0;
}

/* The start is refused with this result and words that hold `words`, and nothing is changed. */
static void must_refuse(const struct image *image, enum store_result result, const char *words) {
    struct world *world = &fixture.world;

    image_write(world, image);
    assert_int_equal(world_open_as(world, 1), result);
    assert_null(world->log);
    if (strstr(world->why, words) == NULL || strstr(world->why, world->dir) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world->why, words);
    image_must_stand(world, image);
}

/* One of the two. True when it was refused. */
static bool start(const struct image *image) {
    struct world *world = &fixture.world;

    image_write(world, image);
    if (world_open_as(world, 1) == STORE_OK) {
        world_must_be(world, &fixture.twin);
        world_close(world);
        fixture.accepted++;
        return false;
    }
    assert_non_null(strstr(world->why, "raft.db"));
    assert_non_null(strstr(world->why, "nothing was changed"));
    image_must_stand(world, image);
    fixture.refused++;
    return true;
}

static bool start_with_flip(int file, size_t offset, uint8_t flip) {
    struct image image = fixture.image;
    bool refused;

    assert_true(offset < image.files[file].length && flip != 0);
    image.files[file] = bytes_copy(image.files[file]);
    image.files[file].at[offset] ^= flip;
    refused = start(&image);
    free(image.files[file].at);
    return refused;
}

static bool start_with_cut(int file, size_t length) {
    struct image image = fixture.image;

    assert_true(length < image.files[file].length);
    image.files[file].length = length;
    return start(&image);
}

static uint8_t any_flip(uint64_t *seed) {
    return random_below(seed, 2) ? (uint8_t)(1u << random_below(seed, 8))
                                 : (uint8_t)(1 + random_below(seed, 255));
}

/* ---- what a death leaves --------------------------------------------------------------------------------- */

static void an_unclean_death_loses_nothing(void **state) {
    (void)state;
    assert_false(start(&fixture.image));
}

static void a_start_that_is_killed_anywhere_is_simply_begun_again(void **state) {
    struct world *world = &fixture.world;
    uint64_t seed = 3;

    (void)state;
    for (int round = 0; round < 60; round++) {
        pid_t child;

        if (round % 20 == 0)
            world_empty(world);
        if (round % 20 == 10)
            image_write(world, &fixture.image);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            world_open_as(world, 1);
            _exit(0);
        }
        usleep((useconds_t)random_below(&seed, 6000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (round % 20 == 19) {
            world_open(world);
            world_must_be(world, &fixture.twin);
            world_close(world);
        }
    }
    for (int round = 0; round < 30; round++) {
        pid_t child;

        world_empty(world);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            world_open_as(world, 1);
            _exit(0);
        }
        usleep((useconds_t)random_below(&seed, 6000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        world_open(world);
        assert_int_equal(world->boot.raft.last_index, 0);
        world_close(world);
    }
}

/* ---- flips ----------------------------------------------------------------------------------------------- */

static void a_flip_in_a_committed_frame_is_always_refused(void **state) {
    uint64_t seed = 1;

    (void)state;
    for (size_t offset = 0; offset < WAL_HEADER_BYTES; offset++)
        assert_true(start_with_flip(FILE_WAL, offset, any_flip(&seed)));
    for (size_t offset = 0; offset < 24; offset++) { /* a frame's header */
        size_t frame = random_below(&seed, fixture.live_frames);

        assert_true(
            start_with_flip(FILE_WAL, WAL_HEADER_BYTES + frame * FRAME_BYTES + offset, any_flip(&seed)));
    }
    for (int i = 0; i < tries(40); i++) {
        size_t offset = random_below(&seed, WAL_HEADER_BYTES + fixture.live_frames * FRAME_BYTES);

        assert_true(start_with_flip(FILE_WAL, offset, any_flip(&seed)));
    }
    for (size_t frame = fixture.live_frames - 6; frame < fixture.live_frames; frame++) /* the last ones */
        assert_true(start_with_flip(FILE_WAL, WAL_HEADER_BYTES + frame * FRAME_BYTES + 100, any_flip(&seed)));
}

static void a_flip_in_a_frame_of_an_earlier_round_means_nothing(void **state) {
    size_t live = WAL_HEADER_BYTES + fixture.live_frames * FRAME_BYTES;
    uint64_t seed = 2;

    (void)state;
    for (int i = 0; i < tries(15); i++) {
        size_t offset = live + random_below(&seed, fixture.image.files[FILE_WAL].length - live);

        assert_false(start_with_flip(FILE_WAL, offset, any_flip(&seed)));
    }
}

static void a_flip_in_the_main_file_is_refused_or_means_nothing(void **state) {
    size_t length = fixture.image.files[FILE_DB].length;
    uint64_t seed = 3;

    (void)state;
    for (size_t offset = 0; offset < 100; offset++)
        start_with_flip(FILE_DB, offset, any_flip(&seed));
    for (size_t page = 0; page < length / STORE_LOG_PAGE_BYTES;
         page++) /* each tree page's first bytes matter most */
        start_with_flip(FILE_DB, page * STORE_LOG_PAGE_BYTES + random_below(&seed, 16), any_flip(&seed));
    for (int i = 0; i < tries(60); i++)
        start_with_flip(FILE_DB, random_below(&seed, length), any_flip(&seed));
    print_message("main file, one byte flipped: %d refused, %d harmless\n", fixture.refused,
                  fixture.accepted);
    assert_true(fixture.accepted > 5);
}

/* No row shows it, and the next write would stumble over it. */
static void a_wrong_list_of_free_pages_is_refused(void **state) {
    struct world *world = &fixture.world;
    struct image image;

    (void)state;
    world_empty(world);
    world_open(world);
    world_close(world);
    image = image_read(world);
    image.files[FILE_DB].at[39] ^= 1; /* how many there are */
    must_refuse(&image, STORE_DAMAGED, "reelist");
    image_free(&image);
}

static void a_damaged_mark_stops_nobody(void **state) {
    uint64_t seed = 5;

    (void)state;
    for (size_t offset = 0; offset < fixture.image.files[FILE_MARK].length; offset++)
        assert_false(start_with_flip(FILE_MARK, offset, any_flip(&seed)));
    for (size_t length = 0; length < fixture.image.files[FILE_MARK].length; length += 7)
        assert_false(start_with_cut(FILE_MARK, length));
}

/* ---- cuts ------------------------------------------------------------------------------------------------ */

static void a_wal_that_is_cut_is_refused_wherever_it_loses_a_commit(void **state) {
    size_t live = WAL_HEADER_BYTES + fixture.live_frames * FRAME_BYTES;
    uint64_t seed = 6;

    (void)state;
    for (size_t i = 0; i < fixture.transactions; i += 5) /* cut between two commits nothing looks wrong */
        assert_true(start_with_cut(FILE_WAL, WAL_HEADER_BYTES + (fixture.ends[i] - 1) * FRAME_BYTES));
    for (int i = 0; i < tries(15); i++)
        assert_true(start_with_cut(FILE_WAL, random_below(&seed, live)));
    for (size_t length = 0; length <= WAL_HEADER_BYTES; length += 4)
        assert_true(start_with_cut(FILE_WAL, length));
    for (int i = 0; i < 20; i++)
        assert_false(start_with_cut(FILE_WAL,
                                    live + random_below(&seed, fixture.image.files[FILE_WAL].length - live)));
}

static void a_main_file_that_is_cut_is_refused_wherever_it_loses_a_page(void **state) {
    size_t length = fixture.image.files[FILE_DB].length;
    uint64_t seed = 7;

    (void)state;
    for (int i = 0; i < tries(15); i++)
        start_with_cut(FILE_DB, random_below(&seed, length));
    for (int i = 0; i < tries(15); i++)
        assert_true(start_with_cut(FILE_DB, random_below(&seed, STORE_LOG_PAGE_BYTES)));
    for (size_t cut = 1; cut <= length / STORE_LOG_PAGE_BYTES; cut += 5)
        start_with_cut(FILE_DB, length - cut * STORE_LOG_PAGE_BYTES);
    assert_true(start_with_cut(FILE_DB, 0));
    assert_true(start_with_cut(FILE_DB, 50));
    print_message("main file cut: %d refused, %d harmless\n", fixture.refused, fixture.accepted);
}

static void a_file_that_is_gone_is_refused(void **state) {
    struct image image = fixture.image;

    (void)state;
    image.files[FILE_WAL].at = NULL;
    must_refuse(&image, STORE_DAMAGED, "was acknowledged");
    image = fixture.image;
    image.files[FILE_DB].at = NULL;
    must_refuse(&image, STORE_DAMAGED, "is gone");
    image.files[FILE_WAL].at = NULL;
    must_refuse(&image, STORE_DAMAGED, "is gone");
    image.files[FILE_WAL] = fixture.image.files[FILE_WAL];
    image.files[FILE_MARK].at = NULL;
    must_refuse(&image, STORE_DAMAGED, "is gone");
}

/* ---- the machine stops ----------------------------------------------------------------------------------- */

/* The last transaction was under way: any of its blocks may be missing. The mark may be of any time before. */
static void a_commit_torn_by_a_power_failure_is_an_ordinary_crash(void **state) {
    struct world *world = &fixture.world;
    struct twin *before = twin_new();
    size_t first = fixture.ends[fixture.transactions - 2];
    uint64_t seed = 8;
    int torn = 0;

    (void)state;
    history_live(NULL, before, SEED, STEPS - 1);
    for (int round = 0; round < tries(40); round++) {
        struct image image = fixture.image;
        struct bytes *wal = &image.files[FILE_WAL];
        size_t from = WAL_HEADER_BYTES + first * FRAME_BYTES;
        size_t to = WAL_HEADER_BYTES + fixture.live_frames * FRAME_BYTES;
        size_t size = round % 2 ? 512 : 4096; /* of the disk's blocks */

        *wal = bytes_copy(*wal);
        image.files[FILE_MARK].at = NULL;
        for (size_t block = from / size * size; block < to; block += size)
            if (random_below(&seed, 2) == 0)
                for (size_t at = block < from ? from : block; at < block + size && at < to; at++)
                    wal->at[at] = 0;
        image_write(world, &image);
        world_open(world);
        torn += world->boot.raft.last_index == before->count && boot_is(&world->boot, before);
        world_must_be(world, boot_is(&world->boot, before) ? before : &fixture.twin);
        world_close(world);
        free(wal->at);
    }
    assert_true(torn > tries(40) / 2);
    free(before);
}

/* Frames of the last commit of which the first eight bytes are still those of a commit frame of an earlier round: a disk can leave that where
 * they lie in another sector than the rest of the header. */
static void a_header_torn_between_two_sectors_is_an_ordinary_crash(void **state) {
    static const uint8_t size[] = {0, 0, 0, 17};
    struct world *world = &fixture.world;
    char path[2 * WORLD_PATH_MAX], why[STORE_WHY_MAX];
    int torn = 0, damaged = 0;

    (void)state;
    world_path(world, "raft.db-wal", path);
    for (size_t i = 1; i < fixture.transactions; i++)
        for (size_t frame = fixture.ends[i - 1] + 1; frame < fixture.ends[i]; frame++) {
            struct image image = fixture.image;
            struct bytes *wal = &image.files[FILE_WAL];
            struct store_wal found;
            size_t at = WAL_HEADER_BYTES + (frame - 1) * FRAME_BYTES;
            bool tears = at % 512 == 504;

            if (!tears && frame % 16 != 0)
                continue;
            *wal = bytes_copy(*wal);
            wal->length = WAL_HEADER_BYTES + fixture.ends[i] * FRAME_BYTES;
            memcpy(wal->at + at + 4, size, sizeof(size));
            image_write(world, &image);
            free(wal->at);
            assert_int_equal(store_wal_walk(path, false, &found, why), tears ? STORE_OK : STORE_DAMAGED);
            if (tears)
                assert_int_equal(found.frames, fixture.ends[i - 1]);
            torn += tears;
            damaged += !tears;
            store_wal_close(&found);
        }
    assert_true(torn > 0 && damaged > 0);
}

/* The mark was not yet on the disk, and the WAL is damaged: its own frames tell. */
static void without_a_mark_damage_before_the_last_commits_is_still_seen(void **state) {
    struct image whole = fixture.image;
    size_t before_last = WAL_HEADER_BYTES + fixture.ends[fixture.transactions - 3] * FRAME_BYTES;
    uint64_t seed = 9;

    (void)state;
    fixture.image.files[FILE_MARK].at = NULL;
    for (int i = 0; i < tries(40); i++) {
        assert_true(start_with_flip(FILE_WAL, random_below(&seed, before_last), any_flip(&seed)));
        assert_non_null(strstr(fixture.world.why, "raft.db-wal: "));
    }
    fixture.image = whole;
}

/* ---- what does not belong here ---------------------------------------------------------------------------- */

/* The WAL of a node that was made at another time, under the same number. */
static struct bytes make_other_wal(struct world *world) {
    struct store_job *job = job_save(1, 1);

    world_empty(world);
    assert_int_equal(store_log_open(world->dir, 1, "ab", &world->log, &world->boot, world->why), STORE_OK);
    job_add(job, entry_make(1, 1, 100));
    run_well(world, job);
    world_close(world);
    return bytes_read(world, "raft.db-wal");
}

static void older_and_other_copies_are_refused(void **state) {
    struct world *world = &fixture.world;
    struct image older, mixed;
    struct bytes other;

    (void)state;
    world_empty(world);
    history_die(world, SEED, STEPS - 1);
    older = image_read(world);
    other = make_other_wal(world);

    mixed = older; /* put back, but the mark has moved on */
    mixed.files[FILE_MARK] = fixture.image.files[FILE_MARK];
    must_refuse(&mixed, STORE_DAMAGED, "put back from an older copy");
    mixed = fixture.image; /* another one's -wal */
    mixed.files[FILE_WAL] = other;
    mixed.files[FILE_MARK].at = NULL;
    must_refuse(&mixed, STORE_DAMAGED, "term and vote: checksum differs");
    image_free(&older);
    free(other.at);
}

static void another_nodes_file_is_refused_by_name(void **state) {
    struct world *world = &fixture.world;

    (void)state;
    image_write(world, &fixture.image);
    assert_int_equal(world_open_as(world, 2), STORE_FOREIGN);
    assert_non_null(strstr(world->why, "belongs to node 1, this node is 2"));
    image_must_stand(world, &fixture.image);
}

static void a_newer_format_is_refused_by_name(void **state) {
    struct world *world = &fixture.world;
    struct image image;

    (void)state;
    world_empty(world);
    world_open(world);
    world_close(world);
    image = image_read(world);
    image.files[FILE_DB].at[63] = STORE_FORMAT + 1;
    must_refuse(&image, STORE_FOREIGN, "a newer redraft");
    image_free(&image);
}

static struct bytes make_other_database(const char *sql) {
    struct world *world = &fixture.world;
    char path[2 * WORLD_PATH_MAX];
    sqlite3 *db;

    world_empty(world);
    world_path(world, "raft.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    return bytes_read(world, "raft.db");
}

static void other_programs_files_are_refused(void **state) {
    static char text[] =
        "# notes\nThis is where I keep what I must not forget, which is more than a hundred bytes, "
        "and none of them is a database's.\n";
    struct image image = {{{(uint8_t *)text, sizeof(text) - 1}}};

    (void)state;
    must_refuse(&image, STORE_FOREIGN, "not a database of redraft");
    image.files[FILE_DB].length = 20;
    must_refuse(&image, STORE_DAMAGED, "cut short");

    image.files[FILE_DB] = make_other_database("CREATE TABLE notes (text)");
    must_refuse(&image, STORE_FOREIGN, "another program");
    free(image.files[FILE_DB].at);
    image.files[FILE_DB] = make_other_database("PRAGMA journal_mode = WAL; PRAGMA application_id = 77;"
                                               "CREATE TABLE notes (text)");
    must_refuse(&image, STORE_FOREIGN, "another program");
    free(image.files[FILE_DB].at);
}

static void a_rollback_journal_beside_it_is_refused(void **state) {
    struct world *world = &fixture.world;
    struct bytes journal = {(uint8_t *)strdup("journal"), 7};
    char path[2 * WORLD_PATH_MAX];

    (void)state;
    image_write(world, &fixture.image);
    bytes_write(world, "raft.db-journal", journal);
    assert_int_equal(world_open_as(world, 1), STORE_FOREIGN);
    assert_non_null(strstr(world->why, "raft.db-journal"));
    world_path(world, "raft.db-journal", path);
    assert_int_equal(unlink(path), 0);
    image_must_stand(world, &fixture.image);
    free(journal.at);
}

/* ---- who has it open ------------------------------------------------------------------------------------- */

static void a_directory_in_use_is_refused_and_its_holder_named(void **state) {
    struct world *world = &fixture.world;
    struct world second;
    char expected[64];

    (void)state;
    image_write(world, &fixture.image);
    world_open(world);
    second = *world;
    snprintf(expected, sizeof(expected), "in use by process %d (", (int)getpid());
    assert_int_equal(world_open_as(&second, 1), STORE_IO);
    assert_non_null(strstr(second.why, expected));

    run_well(world, job_save(fixture.twin.term + 1, 1)); /* which does the first no harm */
    world_reopen(world);
    assert_int_equal(world->boot.raft.term, fixture.twin.term + 1);
    world_close(world);
}

static void a_database_that_another_program_reads_is_refused(void **state) {
    struct world *world = &fixture.world;
    char path[2 * WORLD_PATH_MAX];
    int ready[2], finish[2], status;
    char byte;
    pid_t child;

    (void)state;
    image_write(world, &fixture.image);
    world_open(world);
    world_close(world);
    world_path(world, "raft.db", path);
    assert_true(pipe(ready) == 0 && pipe(finish) == 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *db;

        close(finish[1]);
        if (sqlite3_open(path, &db) != SQLITE_OK ||
            sqlite3_exec(db, "BEGIN; SELECT count(*) FROM log", NULL, NULL, NULL) != SQLITE_OK ||
            write(ready[1], "", 1) != 1 || read(finish[0], &byte, 1) < 0)
            _exit(1);
        sqlite3_close(db);
        _exit(0);
    }
    close(finish[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(world_open_as(world, 1), STORE_IO);
    assert_non_null(strstr(world->why, "another program has it open"));
    close(finish[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
    world_open(world);
    world_must_be(world, &fixture.twin);
    world_close(world);
}

/* ---- a sound database that says something wrong ------------------------------------------------------------ */

static void lower_the_term(sqlite3 *db) {
    struct store_state state;
    sqlite3_stmt *put;

    assert_int_equal(store_state_get(db, WORLD_INCARNATION, &state), SQLITE_OK);
    state.term = 1;
    assert_int_equal(sqlite3_prepare_v2(db, STORE_SQL_STATE_PUT, -1, &put, NULL), SQLITE_OK);
    assert_int_equal(store_state_put(put, &state, WORLD_INCARNATION), SQLITE_OK);
    sqlite3_finalize(put);
}

static void what_sqlite_calls_sound_is_checked_too(void **state) {
    static const struct {
        const char *sql;
        void (*change)(sqlite3 *db);
        const char *words;
    } rows[] = {
        {"DELETE FROM log WHERE id / 1024 = 20", NULL, "entries are missing before it"},
        {"DELETE FROM log WHERE id / 1024 = 1", NULL, "entries are missing before it"},
        {"DELETE FROM log WHERE id = (SELECT max(id) FROM log)", NULL, "its last rows are missing"},
        {"DELETE FROM log WHERE id / 1024 = (SELECT max(id) / 1024 FROM log)", NULL, "was acknowledged"},
        {"UPDATE log SET term = term + 1 WHERE id / 1024 = 20", NULL,
         "row 20480 of the log (entry 20, term "},
        {"UPDATE log SET type = 1 WHERE id / 1024 = 20", NULL, "checksum differs"},
        {"UPDATE log SET data = zeroblob(length(data)) WHERE id / 1024 = 20", NULL, "checksum differs"},
        {"UPDATE log SET data = CAST(data AS TEXT) WHERE id / 1024 = 20", NULL, "checksum differs"},
        {"UPDATE log SET id = id + 1 WHERE id / 1024 = 20", NULL, "checksum differs"},
        {"UPDATE log SET save = save + 1 WHERE id / 1024 = 20", NULL, "checksum differs"},
        {"UPDATE state SET term = term + 1", NULL, "term and vote: checksum differs"},
        {"UPDATE state SET vote = vote + 1", NULL, "term and vote: checksum differs"},
        {"UPDATE state SET old_end = old_end + 1", NULL, "term and vote: checksum differs"},
        {"DELETE FROM state", NULL, "term and vote: checksum differs"},
        {"", lower_the_term, "its term does not fit"},
        {"UPDATE identity SET node = 2", NULL, "the identity: checksum differs"},
        {"UPDATE identity SET cluster = 'x'", NULL, "the identity: checksum differs"},
        {"UPDATE members SET address = '10.0.0.9:1'", NULL, "the identity: checksum differs"},
        {"DELETE FROM members WHERE id = 2", NULL, "the identity: checksum differs"},
        {"DELETE FROM identity", NULL, "the identity: checksum differs"},
        {"CREATE TABLE notes (text)", NULL, "the tables are not those"},
        {"DROP TABLE members", NULL, "the tables are not those"},
    };
    struct world *world = &fixture.world;
    struct image sound;
    char path[2 * WORLD_PATH_MAX];
    struct store_job *job;

    (void)state;
    image_write(world, &fixture.image);
    world_open(world);
    job = job_save(0, 0); /* an entry of several rows at the end */
    job_add(job, entry_make(fixture.twin.count + 1, fixture.twin.term, 3 * STORE_ROW_BYTES_MAX));
    run_well(world, job);
    world_close(world);
    sound = image_read(world);
    world_path(world, "raft.db", path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct image changed;
        sqlite3 *db;

        image_write(world, &sound);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, rows[i].sql, NULL, NULL, NULL), SQLITE_OK);
        if (rows[i].change != NULL)
            rows[i].change(db);
        sqlite3_close(db);
        changed = image_read(world);
        must_refuse(&changed, STORE_DAMAGED, rows[i].words);
        assert_non_null(strstr(world->why, "remove node 1 from the cluster and add it again"));
        image_free(&changed);
    }
    image_free(&sound);
}

int main(void) {
#define CHECK_TEST(name) cmocka_unit_test_setup(name, reset_counts)
    const struct CMUnitTest tests[] = {
        CHECK_TEST(an_unclean_death_loses_nothing),
        CHECK_TEST(a_start_that_is_killed_anywhere_is_simply_begun_again),
        CHECK_TEST(a_flip_in_a_committed_frame_is_always_refused),
        CHECK_TEST(a_flip_in_a_frame_of_an_earlier_round_means_nothing),
        CHECK_TEST(a_flip_in_the_main_file_is_refused_or_means_nothing),
        CHECK_TEST(a_wrong_list_of_free_pages_is_refused),
        CHECK_TEST(a_damaged_mark_stops_nobody),
        CHECK_TEST(a_wal_that_is_cut_is_refused_wherever_it_loses_a_commit),
        CHECK_TEST(a_main_file_that_is_cut_is_refused_wherever_it_loses_a_page),
        CHECK_TEST(a_file_that_is_gone_is_refused),
        CHECK_TEST(a_commit_torn_by_a_power_failure_is_an_ordinary_crash),
        CHECK_TEST(a_header_torn_between_two_sectors_is_an_ordinary_crash),
        CHECK_TEST(without_a_mark_damage_before_the_last_commits_is_still_seen),
        CHECK_TEST(older_and_other_copies_are_refused),
        CHECK_TEST(another_nodes_file_is_refused_by_name),
        CHECK_TEST(a_newer_format_is_refused_by_name),
        CHECK_TEST(other_programs_files_are_refused),
        CHECK_TEST(a_rollback_journal_beside_it_is_refused),
        CHECK_TEST(a_directory_in_use_is_refused_and_its_holder_named),
        CHECK_TEST(a_database_that_another_program_reads_is_refused),
        CHECK_TEST(what_sqlite_calls_sound_is_checked_too),
    };

    return cmocka_run_group_tests_name("store_check", tests, make_fixture, free_fixture);
}
