/* SPDX-License-Identifier: MIT */
/*
 * The log's segments, at random: batches of every kind of job on tiny segments, beside a model. A copy of the directory, taken between any two
 * calls, is what a death leaves, and must hold what the model does; so must one in which segments that were free or removed are
 * what they were before. Then deaths and failures at any operation of the disk, one life after the other in the same directory.
 */
#include "data_world.h"
#include "ring_world.h"

#include <sys/mman.h>

/* ---- batches ------------------------------------------------------------------------------------------------ */

enum { BATCH_MAX = 4, READ_MAX = 150, SLOTS = 200, READ_BYTES = 65536 };

static uint64_t now_seed;

/* That it all happens. */
static struct { int files, put_back, cut_short, untold; } seen;

/* Beside the model. */
static raft_id vote;
static struct store_identity identity;

struct wanted {
    raft_index from;
    size_t count;
    raft_term terms[READ_MAX];
    size_t lengths[READ_MAX];
};

static struct {
    size_t count;
    struct store_job *jobs[BATCH_MAX];
    struct wanted wanted[BATCH_MAX]; /* of reads */
} batch;

static void life_init(void) {
    model_init();
    vote = 0;
    identity = (struct store_identity){.node = 1};
    strcpy(identity.incarnation, WORLD_INCARNATION);
}

static uint64_t held(void) {
    return model.last + 1 - model.start;
}

static struct store_job *make_save(uint64_t *seed, bool overwrite) {
    bool elected = overwrite || model.term == 0;
    struct store_job *job;
    raft_index index = model.last + 1;
    size_t count = 1 + random_below(seed, 6);

    if (overwrite && held() > 0)
        index -= random_below(seed, 8) == 0 ? held() : random_below(seed, held() < 70 ? held() : 70);
    if (elected) {
        model.term++;
        vote = 1 + random_below(seed, 3);
    }
    job = job_save(elected ? model.term : 0, vote);
    for (size_t i = 0; i < count; i++, index++) {
        uint64_t kind = random_below(seed, 100);
        size_t length = random_below(seed, kind == 0 ? 30000 : kind < 15 ? 5000 : 300);

        job_add(job, entry_make(index, model.term, length));
        model.terms[index] = model.term;
        model.lengths[index] = length;
        model.last = index;
    }
    assert_true(model.last <= INDEX_MAX);
    return job;
}

static struct store_job *make_vote(uint64_t *seed) {
    model.term += random_below(seed, 2);
    vote = random_below(seed, 4);
    return job_save(model.term != 0 ? model.term : ++model.term, vote);
}

static struct store_job *make_identity(uint64_t *seed) {
    struct store_job *job = store_job_new(STORE_IDENTITY);

    snprintf(identity.cluster, sizeof(identity.cluster), "%040llx", (unsigned long long)random_next(seed));
    identity.member_count = random_below(seed, 5);
    for (size_t i = 0; i < identity.member_count; i++) {
        identity.members[i] = (struct store_member){.id = i + 1};
        snprintf(identity.members[i].address, STORE_ADDRESS_MAX, "host:%llu",
                 (unsigned long long)random_below(seed, 60000));
    }
    job->identity = malloc(sizeof(identity));
    assert_non_null(job->identity);
    *job->identity = identity;
    return job;
}

static struct store_job *make_compact(uint64_t *seed) {
    struct store_job *job = store_job_new(STORE_COMPACT);
    raft_index through = model.start + random_below(seed, held() + 4);

    job->through = through - (random_below(seed, 10) == 0);
    through = job->through < model.last ? job->through : model.last;
    if (through >= model.start) {
        model.base_term = model.terms[through];
        model.start = through + 1;
    }
    return job;
}

static struct store_job *make_reset(uint64_t *seed) {
    struct store_job *job = store_job_new(STORE_RESET);
    raft_index index = model.start - 1 + random_below(seed, held() + 20);
    bool in_log = index >= model.start && index <= model.last;
    raft_term term = model.term > 0 ? model.term - random_below(seed, model.term < 3 ? model.term : 3) : 0;

    if (in_log && random_below(seed, 2) == 0)
        term = model.terms[index];
    job->reset.index = index;
    job->reset.term = term;
    job->reset.data = ++model.data;
    if (index > model.last || (in_log ? model.terms[index] : model.base_term) != term)
        model.last = index;
    model.start = index + 1;
    model.base_term = term;
    return job;
}

static struct store_job *make_read(uint64_t *seed, struct wanted *wanted) {
    raft_index from = model.start + random_below(seed, held() + 2), to = from + random_below(seed, READ_MAX);
    size_t bytes_max = random_below(seed, 20000), bytes = 0;

    wanted->from = from;
    wanted->count = 0;
    for (raft_index at = from; at <= to && at <= model.last; at++) {
        bytes += model.lengths[at];
        if (wanted->count > 0 && bytes > bytes_max)
            break;
        wanted->terms[wanted->count] = model.terms[at];
        wanted->lengths[wanted->count++] = model.lengths[at];
    }
    return job_read(from, to, bytes_max);
}

/* A function of the seed and the model, which has lived through it afterwards. */
static void make_batch(uint64_t *seed) {
    batch.count = random_below(seed, 3) == 0 ? 1 + random_below(seed, BATCH_MAX) : 1;
    for (size_t i = 0; i < batch.count; i++) {
        uint64_t chance = random_below(seed, 100);

        batch.jobs[i] = chance < 60   ? make_save(seed, false)
                        : chance < 70 ? make_save(seed, true)
                        : chance < 78 ? make_vote(seed)
                        : chance < 80 ? make_identity(seed)
                        : chance < 87 ? make_compact(seed)
                        : chance < 90 ? make_reset(seed)
                                      : make_read(seed, &batch.wanted[i]);
    }
}

static void run(struct world *world) {
    for (size_t i = 0; i < batch.count; i++)
        batch.jobs[i]->job.next = i + 1 < batch.count ? &batch.jobs[i + 1]->job : NULL;
    store_log_run(world->log, &batch.jobs[0]->job);
}

static void free_batch(void) {
    for (size_t i = 0; i < batch.count; i++)
        store_job_free(batch.jobs[i]);
    batch.count = 0;
}

static void read_must_be(const struct store_job *job, const struct wanted *wanted) {
    assert_int_equal(job->entries.count, wanted->count);
    for (size_t i = 0; i < wanted->count; i++) {
        const struct raft_entry *entry = &job->entries.at[i];
        struct raft_entry expected = entry_make(wanted->from + i, wanted->terms[i], wanted->lengths[i]);

        assert_int_equal(entry->index, expected.index);
        assert_int_equal(entry->term, expected.term);
        assert_int_equal(entry->data->length, expected.data->length);
        assert_memory_equal(entry->data->bytes, expected.data->bytes, expected.data->length);
        raft_blob_unref(expected.data);
    }
}

static void run_and_look(struct world *world) {
    run(world);
    for (size_t i = 0; i < batch.count; i++) {
        struct store_job *job = batch.jobs[i];

        if (job->failed)
            fail_msg("%s", job->why);
        if (job->type == STORE_READ)
            read_must_be(job, &batch.wanted[i]);
        assert_int_equal(job->log_bytes, model_bytes());
        assert_int_equal(job->base_index, model.start - 1);
    }
    free_batch();
}

static void all_must_be(struct world *world) {
    world_must_be_model(world);
    assert_int_equal(world->boot.raft.vote, vote);
    identity_must_be(&world->boot.identity, &identity);
}

/* ---- copies of the directory ---------------------------------------------------------------------------------- */

/* Segments as they were in an earlier copy. */
static struct { struct bytes db, wal; } before[SLOTS];

static void forget_before(void) {
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        free(before[slot].db.at);
        free(before[slot].wal.at);
        before[slot].db.at = before[slot].wal.at = NULL;
    }
}

/* As far as it can be read: the keeper's thread may be at it. */
static struct bytes read_now(const struct world *world, const char *name) {
    struct bytes bytes = {0};
    char path[2 * WORLD_PATH_MAX];
    FILE *file;

    world_path(world, name, path);
    file = fopen(path, "rb");
    if (file == NULL)
        return bytes;
    for (size_t read = 1; read > 0; bytes.length += read) {
        bytes.at = realloc(bytes.at, bytes.length + READ_BYTES);
        assert_non_null(bytes.at);
        read = fread(bytes.at + bytes.length, 1, READ_BYTES, file);
    }
    fclose(file);
    return bytes;
}

static void copy_files(const struct world *from, const struct world *to) {
    DIR *dir = opendir(from->dir);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        struct bytes bytes = entry->d_name[0] != '.' ? read_now(from, entry->d_name) : (struct bytes){0};

        bytes_write(to, entry->d_name, bytes);
        free(bytes.at);
    }
    closedir(dir);
}

static void slot_names(unsigned slot, char db[STORE_SEGMENT_NAME_MAX], char wal[STORE_SEGMENT_NAME_MAX + 4]) {
    store_segment_name(slot, db);
    snprintf(wal, STORE_SEGMENT_NAME_MAX + 4, "%s-wal", db);
}

/* Those of which entries do, or that are the newest. */
static void which_count(const struct world *copy, bool counts[SLOTS]) {
    struct store_paths paths;
    struct store_found found;
    char why[STORE_WHY_MAX];

    memset(counts, 0, SLOTS * sizeof(*counts));
    store_paths_init(&paths, copy->dir);
    if (store_check_log(&paths, 1, &found, why) != STORE_OK)
        fail_msg("%s", why);
    for (size_t i = 0; i < found.segment_count; i++) {
        const struct store_segment *segment = found.segments[i].segment;

        assert_true(segment->slot < SLOTS);
        counts[segment->slot] = i + 1 == found.segment_count || segment->first < segment->end;
    }
    store_found_close(&found);
    store_paths_close(&paths);
}

/* Those that are free, or gone, are what they once were. */
static void put_back(const struct world *copy, uint64_t *seed) {
    bool counts[SLOTS];
    char db[STORE_SEGMENT_NAME_MAX], wal[STORE_SEGMENT_NAME_MAX + 4];

    which_count(copy, counts);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (counts[slot] || before[slot].wal.at == NULL || random_below(seed, 3) == 0)
            continue;
        slot_names(slot, db, wal);
        bytes_write(copy, db, before[slot].db);
        bytes_write(copy, wal, before[slot].wal);
        seen.put_back++;
    }
}

static void remember(const struct world *copy, uint64_t *seed) {
    char db[STORE_SEGMENT_NAME_MAX], wal[STORE_SEGMENT_NAME_MAX + 4];

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        slot_names(slot, db, wal);
        if (random_below(seed, 2) == 0 || !is_there(copy, db) || !is_there(copy, wal))
            continue;
        free(before[slot].db.at);
        free(before[slot].wal.at);
        before[slot].db = bytes_read(copy, db);
        before[slot].wal = bytes_read(copy, wal);
    }
}

static void what_a_death_leaves_must_be_right(const struct world *world, uint64_t *seed, bool back) {
    struct world copy;

    world_make_in_memory(&copy);
    copy_files(world, &copy);
    if (back)
        put_back(&copy, seed);
    else
        remember(&copy, seed);
    world_open(&copy);
    all_must_be(&copy);
    world_reopen(&copy);
    all_must_be(&copy);
    world_close(&copy);
    world_remove(&copy);
}

static void open_somehow(struct world *world, uint64_t *seed, bool thread) {
    world_open(world);
    store_log_segments(world->log, 8192 << random_below(seed, 4));
    if (thread)
        assert_true(store_log_thread(world->log));
}

static void live(struct world *world, uint64_t seed, bool thread) {
    life_init();
    world_empty(world);
    open_somehow(world, &seed, thread);
    for (int i = 0; i < 700 && model.last < INDEX_MAX - 200; i++) {
        uint64_t chance = random_below(&seed, 100);

        make_batch(&seed);
        run_and_look(world);
        if (chance < 3)
            what_a_death_leaves_must_be_right(world, &seed, chance == 0);
        if (random_below(&seed, 10) != 0) /* a worker that is busy has no time for it */
            store_log_run(world->log, NULL);
        if (chance >= 3 && chance < 9)
            what_a_death_leaves_must_be_right(world, &seed, chance < 6);
        seen.files = files(world) > seen.files ? files(world) : seen.files;
        if (chance >= 97) {
            world_close(world);
            open_somehow(world, &seed, thread);
            all_must_be(world);
        }
    }
    world_reopen(world);
    all_must_be(world);
    world_close(world);
    forget_before();
}

/* REDRAFT_SEED: the first one. */
static uint64_t first_seed(void) {
    const char *seed = getenv("REDRAFT_SEED");

    return seed != NULL ? strtoull(seed, NULL, 10) : 1;
}

static void a_death_between_any_two_calls_leaves_what_was_acknowledged(void **state) {
    for (uint64_t seed = first_seed(), end = seed + (uint64_t)tries(8); seed < end; seed++) {
        now_seed = seed;
        live(*state, seed, false);
    }
    now_seed = 0;
    assert_true(seen.files > 8 && seen.put_back > tries(50));
}

static void so_does_one_beside_the_keepers_thread(void **state) {
    memset(&seen, 0, sizeof(seen));
    for (uint64_t seed = first_seed(), end = seed + (uint64_t)tries(4); seed < end; seed++) {
        now_seed = seed;
        live(*state, seed, true);
    }
    now_seed = 0;
    assert_true(seen.files > 5 && seen.put_back > tries(20));
}

/* ---- deaths and failures at any operation ------------------------------------------------------------------------ */

static struct {
    int acknowledged; /* batches */
    bool ended;       /* by the fault, or after all batches */
} * told;             /* by the child */

enum { BATCHES = 80 };

static void child(struct world *world, uint64_t seed) {
    bool stays = random_below(&seed, 2) == 0;

    disk_watch();
    disk_set((enum disk_fault[]){DISK_DEATH, DISK_EIO, DISK_FULL}[random_below(&seed, 3)],
             1 + (long)random_below(&seed, 300), stays);
    told->ended = true;
    if (world_open_as(world, 1) != STORE_OK)
        _exit(0);
    store_log_segments(world->log, 8192);
    for (int i = 0; i < BATCHES; i++) {
        make_batch(&seed);
        run(world);
        if (batch.jobs[0]->failed)
            break;
        told->acknowledged++;
        free_batch();
        store_log_run(world->log, NULL);
    }
    if (random_below(&seed, 2) == 0)
        store_log_close(world->log);
    _exit(0);
}

static bool is_model(const struct store_boot *boot) {
    return boot->raft.term == model.term && boot->raft.vote == vote && boot->raft.last_index == model.last &&
           boot->base_index == model.start - 1 && boot->data == model.data &&
           strcmp(boot->identity.cluster, identity.cluster) == 0;
}

/* The model lives through what the child did; the seed of the next batch. */
static uint64_t live_after(uint64_t seed, int batches) {
    for (int i = 0; i < 3; i++) /* of what happens to it */
        (void)random_next(&seed);
    while (batches-- > 0) {
        make_batch(&seed);
        free_batch();
    }
    return seed;
}

static void one_life(struct world *world, uint64_t seed) {
    int status;
    pid_t pid;

    told->acknowledged = 0;
    told->ended = false;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(world, seed);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(told->ended);
    world_open(world);
    seed = live_after(seed, told->acknowledged);
    seen.cut_short += told->acknowledged < BATCHES;
    if (!is_model(&world->boot)) { /* the one that nobody was told of */
        seen.untold++;
        make_batch(&seed);
        free_batch();
    }
    all_must_be(world);
    world_close(world);
}

static void an_operation_that_fails_or_is_the_last_loses_nothing(void **state) {
    struct world *world = *state;

    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(told, MAP_FAILED);
    for (uint64_t round = first_seed(), end = round + (uint64_t)tries(30); round < end; round++) {
        uint64_t seed = round;

        now_seed = round;
        life_init();
        world_empty(world);
        world_open(world); /* a node that has started once */
        world_close(world);
        for (int i = 0; i < 10 && model.last < INDEX_MAX - 2000; i++)
            one_life(world, random_next(&seed));
    }
    now_seed = 0;
    assert_true(seen.cut_short > tries(60) && seen.untold > tries(3));
    munmap(told, sizeof(*told));
}

static int teardown(void **state) {
    if (now_seed != 0) /* it failed */
        print_message("with seed %llu\n", (unsigned long long)now_seed);
    now_seed = 0;
    return world_teardown(state);
}

int main(void) {
#define RANDOM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        RANDOM_TEST(a_death_between_any_two_calls_leaves_what_was_acknowledged),
        RANDOM_TEST(so_does_one_beside_the_keepers_thread),
        RANDOM_TEST(an_operation_that_fails_or_is_the_last_loses_nothing),
    };

    return cmocka_run_group_tests_name("store_ring_random", tests, NULL, NULL);
}
