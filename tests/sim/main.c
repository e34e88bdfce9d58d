/* SPDX-License-Identifier: MIT */
/*
 * The simulator: whole nodes (raft, node, commands, keyspace, the store on real SQLite) in one process, on one thread,
 * one seed for everything; with a network, disks and clocks that fail in every way that they may.
 *
 * What goes wrong
 *
 *      processes    killed at any step, in the middle of a disk job too; stalled while the world goes on; stopped in order
 *      machines     lose power: alone, all at once; what was not synced is lost, torn by sectors, or there
 *      disks        slow; full for a while, one or all; failing for good at some operation, a failed sync's pages dropped in silence
 *      network      partitions: in two, one node alone, one way, a ring; connections that fall, with what they carry or
 *                   without; that stay half open; slow links; an old connection's bytes that arrive after a new one's
 *      addresses    members that come back at another one, while the others' files have the old one
 *      clocks       skewed, drifting by as much as leases allow for, jumping by a millisecond or a year, back and forth
 *      versions     nodes that are upgraded one by one: what they offer differs, and the feature level rises under way
 *      load         clients that follow MOVED, with pipelines, that give up and leave; that read on followers, and on leases; transactions,
 *                   scripts, waits for elements; where maxmemory is small, values that are evicted, and transactions on watched keys,
 *                   often by way of a follower that is a proxy
 *      members      removed and taken in, by two operators at once; disks that are replaced by empty ones; ids used again;
 *                   leaderships handed over
 *
 * What must hold
 *
 *      at every step    one leader a term; one vote a term, over crashes; log matching; a leader has all that is committed;
 *                       every node applies the same entry at the same index, in order, once; the same keyspace at the
 *                       same index; a node starts after whatever crash; committed is what lies on a majority of disks,
 *                       whoever leads has a majority's votes, no two lists of members could elect two leaders; nobody holds
 *                       more than maxmemory and what may be on its way
 *      at the end       after the faults a write is acknowledged within a bound, and all nodes agree; each key's history is
 *                       linearizable; what was acknowledged is in the committed log once, what was definitely
 *                       refused is not; replies came in their order; keys don't outlive their deadlines
 *
 * Without arguments it is a test program: seeds that must pass, rare things that must have happened, planted bugs that must
 * be found. With arguments (`make sim`, `make sim-plants`):
 *
 *      --seeds N --first N --steps N --jobs N     so many, each in a process of its own; a failing one is told, with its last steps
 *      --seed N                                   one, again; what happens is written out
 *      --plant NAME                               with a bug (plants.c)
 *      --plants                                   each of the bugs: which seed finds it?
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim.h"

enum {
    SUITE_SEEDS = 100,
    SUITE_SEEDS_SLOW = 25, /* of these, under a sanitizer */
    RARE_SEEDS = 400,      /* so many at most for what those did not show */
    SUITE_STEPS = 20000,
    SUITE_JOBS = 2,
    TWICE_SEEDS = 3,
    PLANT_SEEDS = 400,
    JOBS_MAX = 64,
    PROGRESS_EVERY = 100,
    LAST_LINES = 40,
    STUCK_S = 20, /* a run that takes more of a processor for every 10,000 steps hangs */
    UNDECIDED_PERMILLE_MAX = 2,
    ANSWERED_PERCENT_MIN = 98,
    ANSWERED_OF_ALL_PERCENT_MIN = 90, /* with those that came in a snapshot: it names no writes */
    LATE_ANSWERS_MIN = 40,            /* or the percentage says little */
};

/* What to run. */
struct wish {
    uint64_t first, seeds, steps;
    size_t jobs;
    enum plant plant;
    bool verbose;
};

/* What a run's process tells its parent. */
struct told {
    uint64_t covers[COVER_COUNT];
    uint64_t trace; /* of all that happened: the same for the same seed */
    char verdict[SIM_VERDICT_MAX];
};

static struct slot { /* of a process */
    pid_t child;     /* 0: free */
    uint64_t seed;
    struct told *told;
} slots[JOBS_MAX];

static uint64_t covers[COVER_COUNT]; /* the sum over all that has run */

static void open_slots(void) {
    const size_t size = JOBS_MAX * sizeof(struct told);
    struct told *told = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        abort();
    for (size_t i = 0; i < JOBS_MAX; i++)
        slots[i].told = &told[i];
}

/* ---- one run: a process, so that an assert that fails ends only this one --------------------------------------------- */

static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static void begin(struct slot *slot, const struct wish *wish, uint64_t seed) {
    memset(slot->told, 0, sizeof *slot->told);
    fflush(NULL);
    slot->seed = seed;
    slot->child = fork();
    if (slot->child < 0)
        abort();
    if (slot->child > 0)
        return;
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL); /* the test program would call it a failure of its own */
    const rlim_t seconds = STUCK_S * (1 + wish->steps / 10000);
    setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, RLIM_INFINITY});
    if (wish->plant != PLANT_NONE && !wish->verbose && !freopen("/dev/null", "w", stderr))
        abort();
    slot->told->trace =
        world_run(seed, wish->steps, wish->plant, wish->verbose, slot->told->covers, slot->told->verdict);
    exit(0); /* not _exit: leaks are looked for */
}

/* True when it has passed; otherwise there is a verdict. */
static bool judge(struct slot *slot, int status) {
    struct told *told = slot->told;
    slot->child = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        snprintf(told->verdict, sizeof told->verdict, "it hangs");
    else if (WIFSIGNALED(status))
        snprintf(told->verdict, sizeof told->verdict, "an assertion failed, or worse: signal %d",
                 WTERMSIG(status));
    else if (told->verdict[0] == 0)
        snprintf(told->verdict, sizeof told->verdict, "exit code %d", WEXITSTATUS(status));
    return false;
}

static struct slot *slot_of(pid_t child) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (slots[i].child == child)
            return &slots[i];
    abort();
}

static bool run(const struct wish *wish, uint64_t seed) {
    int status;
    begin(&slots[0], wish, seed);
    if (waitpid(slots[0].child, &status, 0) < 0)
        abort();
    return judge(&slots[0], status);
}

/* ---- what a failure shows ---------------------------------------------------------------------------------------------- */

static void print_last_lines(FILE *file) {
    static char lines[LAST_LINES][240];
    size_t count = 0;
    rewind(file);
    while (fgets(lines[count % LAST_LINES], sizeof lines[0], file))
        count++;
    for (size_t i = count > LAST_LINES ? count - LAST_LINES : 0; i < count; i++)
        printf("    | %s", lines[i % LAST_LINES]);
}

/* The seed once more, with its trace. */
static void show_failure(const struct wish *wish, uint64_t seed, const char *verdict) {
    struct wish again = *wish;
    FILE *file = tmpfile();
    printf("seed %llu: %s\n", (unsigned long long)seed, verdict);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    if (!file || kept < 0 || dup2(fileno(file), STDOUT_FILENO) < 0)
        abort();
    again.verbose = true;
    run(&again, seed);
    if (dup2(kept, STDOUT_FILENO) < 0)
        abort();
    close(kept);
    print_last_lines(file);
    fclose(file);
    printf("    again: make sim SEED=%llu STEPS=%llu%s%s\n", (unsigned long long)seed,
           (unsigned long long)wish->steps, wish->plant == PLANT_NONE ? "" : " PLANT=",
           wish->plant == PLANT_NONE ? "" : plant_rows[wish->plant].name);
    fflush(stdout);
}

/* ---- many runs ---------------------------------------------------------------------------------------------------------- */

enum { FAILURES_MAX = 10 }; /* are shown */
struct failures {
    size_t count;
    uint64_t seed[FAILURES_MAX];
    char verdict[FAILURES_MAX][SIM_VERDICT_MAX];
};

static void note_failure(struct failures *failures, const struct slot *slot) {
    if (failures->count < FAILURES_MAX) {
        failures->seed[failures->count] = slot->seed;
        memcpy(failures->verdict[failures->count], slot->told->verdict, SIM_VERDICT_MAX);
    }
    failures->count++;
}

static void tell_progress(uint64_t done, size_t failed) {
    printf("%8llu seeds %12llu steps %10llu writes %6llu crashes %6llu leaders  %zu failed\n",
           (unsigned long long)done, (unsigned long long)covers[COVER_STEPS],
           (unsigned long long)covers[COVER_WRITES], (unsigned long long)covers[COVER_CRASHES],
           (unsigned long long)covers[COVER_LEADER_CHANGES], failed);
    fflush(stdout);
}

static void run_all(const struct wish *wish, struct failures *failures) {
    uint64_t next = wish->first, end = wish->first + wish->seeds, done = 0;
    size_t running = 0;
    failures->count = 0;
    while (next < end || running > 0) {
        for (; next < end && running < wish->jobs; running++)
            begin(slot_of(0), wish, next++);
        int status;
        pid_t child = wait(&status);
        if (child < 0)
            abort();
        struct slot *slot = slot_of(child);
        running--;
        for (size_t i = 0; i < COVER_COUNT; i++)
            covers[i] += slot->told->covers[i];
        if (!judge(slot, status))
            note_failure(failures, slot);
        if (++done % PROGRESS_EVERY == 0)
            tell_progress(done, failures->count);
    }
    for (size_t i = 0; i < failures->count && i < FAILURES_MAX; i++)
        show_failure(wish, failures->seed[i], failures->verdict[i]);
}

static void tell_coverage(void) {
    for (size_t i = 0; i < COVER_COUNT; i++)
        printf("%12llu  %s\n", (unsigned long long)covers[i], coverage_names[i]);
    fflush(stdout);
}

/* ---- the suite ---------------------------------------------------------------------------------------------------------- */

static bool sanitized(void) {
    const char *sanitize = getenv("SANITIZE");
    return sanitize && sanitize[0];
}

static void no_seed_fails(void **state) {
    (void)state;
    struct failures failures;
    struct wish wish = {.first = 1, .seeds = SUITE_SEEDS, .steps = SUITE_STEPS, .jobs = SUITE_JOBS};
    if (sanitized())
        wish.seeds = SUITE_SEEDS_SLOW;
    run_all(&wish, &failures);
    tell_coverage();
    assert_int_equal(failures.count, 0);
    assert_int_equal(covers[COVER_RUNS], wish.seeds);
}

static bool may_never_happen(enum coverage what) {
    return what == COVER_UNDECIDED || what == COVER_DOUBTED_IN_PEACE || what == COVER_DOUBTED_HEALED ||
           what == COVER_DONE_ELSEWHERE || what == COVER_TOLD_MOVED; /* most say it themselves */
}

/* What must happen, and has not; NULL: all has. */
static const char *never_happened(void) {
    for (size_t i = 0; i < COVER_COUNT; i++)
        if (!may_never_happen((enum coverage)i) && covers[i] == 0)
            return coverage_names[i];
    return NULL;
}

/* Some happen once in a hundred seeds: where those of the suite had none, what comes after them is looked at, for what the product does
 * has changed since. */
static void rare_things_have_happened(void **state) {
    (void)state;
    struct failures failures = {0};
    struct wish more = {
        .first = 1 + SUITE_SEEDS, .seeds = SUITE_SEEDS / 2, .steps = SUITE_STEPS, .jobs = SUITE_JOBS};
    if (sanitized())
        skip(); /* too few seeds */
    for (; never_happened() && more.first < RARE_SEEDS && failures.count == 0; more.first += more.seeds)
        run_all(&more, &failures);
    assert_int_equal(failures.count, 0);
    if (never_happened())
        fail_msg("never happened: %s", never_happened());
    assert_true(covers[COVER_UNDECIDED] * 1000 <= covers[COVER_HISTORIES] * UNDECIDED_PERMILLE_MAX);
}

/* Of those whose write was applied after the leader that had taken it stepped down, and has followed another for a while. */
static void a_leader_that_stepped_down_knows_what_became_of_its_writes(void **state) {
    (void)state;
    uint64_t answered = covers[COVER_LATE_ANSWERS], doubted = covers[COVER_DOUBTED_HEALED],
             all = answered + doubted + covers[COVER_DONE_ELSEWHERE];
    if (sanitized())
        skip();
    printf("%llu of %llu writes were answered by a leader that had stepped down\n",
           (unsigned long long)answered, (unsigned long long)all);
    assert_true(answered >= LATE_ANSWERS_MIN);
    assert_true(answered * 100 >= (answered + doubted) * ANSWERED_PERCENT_MIN);
    assert_true(answered * 100 >= all * ANSWERED_OF_ALL_PERCENT_MIN);
}

static void the_same_seed_gives_the_same_run(void **state) {
    (void)state;
    const struct wish wish = {.steps = SUITE_STEPS};
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= TWICE_SEEDS; seed++) {
        assert_true(run(&wish, seed));
        uint64_t trace = slots[0].told->trace;
        assert_true(run(&wish, seed));
        assert_int_equal(slots[0].told->trace, trace);
        assert_int_not_equal(trace, last);
        last = trace;
    }
}

/* A bug that no seed finds is one that the simulator would not find in the product either. */
static bool is_found(const struct wish *wish) {
    const struct plant_row *row = &plant_rows[wish->plant];
    uint64_t seed = wish->first, end = wish->first + wish->seeds;
    while (seed < end && run(wish, seed))
        seed++;
    printf("%-17s %-5s %s: %s %llu%s%s\n", row->name, row->where, row->what,
           seed < end ? "found by seed" : "NOT FOUND, seeds up to", (unsigned long long)seed,
           seed < end ? ": " : "", seed < end ? slots[0].told->verdict : "");
    fflush(stdout);
    return seed < end;
}

/* First by the seed that has found it last time: what the product does may have changed since, and which seed finds it with that. */
static void planted_bugs_are_found(void **state) {
    (void)state;
    size_t missed = 0, outside_raft = 0;
    for (enum plant plant = PLANT_NONE + 1; plant < PLANT_COUNT; plant++) {
        outside_raft += strcmp(plant_rows[plant].where, "raft") != 0;
        const struct wish again = {.steps = SUITE_STEPS, .plant = plant};
        const struct wish anew = {.first = 1, .seeds = PLANT_SEEDS, .steps = SUITE_STEPS, .plant = plant};
        missed += run(&again, plant_rows[plant].seed) && !is_found(&anew);
    }
    assert_int_equal(missed, 0);
    assert_true(2 * outside_raft >= PLANT_COUNT - 1);
}

static int suite(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_seed_fails),
        cmocka_unit_test(rare_things_have_happened),
        cmocka_unit_test(a_leader_that_stepped_down_knows_what_became_of_its_writes),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(planted_bugs_are_found),
    };
    return cmocka_run_group_tests_name("whole nodes in a world that fails", tests, NULL, NULL);
}

/* ---- by hand ------------------------------------------------------------------------------------------------------------ */

static int many(const struct wish *wish) {
    struct failures failures;
    run_all(wish, &failures);
    tell_coverage();
    printf("%llu seeds of %llu steps, %zu failed\n", (unsigned long long)wish->seeds,
           (unsigned long long)wish->steps, failures.count);
    return failures.count > 0;
}

static int one(const struct wish *wish) {
    bool passed = run(wish, wish->first);
    printf("seed %llu: %s\n", (unsigned long long)wish->first, passed ? "passed" : slots[0].told->verdict);
    return !passed;
}

static int plants(const struct wish *wish) {
    struct wish with = *wish;
    size_t missed = 0;
    for (with.plant = PLANT_NONE + 1; with.plant < PLANT_COUNT; with.plant++)
        missed += !is_found(&with);
    printf("%d planted bugs, %zu not found\n", PLANT_COUNT - 1, missed);
    return missed > 0;
}

static enum plant plant_named(const char *name) {
    enum plant plant = PLANT_NONE;
    while (plant < PLANT_COUNT && strcmp(plant_rows[plant].name, name) != 0)
        plant++;
    return plant;
}

enum mode { MANY, ONE, PLANTS, WRONG };

static enum mode read_wish(int argc, char **argv, struct wish *wish) {
    enum mode mode = MANY;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--plants") == 0) {
            mode = PLANTS;
            continue;
        }
        if (i + 1 == argc)
            return WRONG;
        const char *name = argv[i], *value = argv[++i];
        if (strcmp(name, "--seeds") == 0)
            wish->seeds = strtoull(value, NULL, 10);
        else if (strcmp(name, "--first") == 0)
            wish->first = strtoull(value, NULL, 10);
        else if (strcmp(name, "--seed") == 0)
            wish->first = strtoull(value, NULL, 10), wish->verbose = true, mode = ONE;
        else if (strcmp(name, "--steps") == 0)
            wish->steps = strtoull(value, NULL, 10);
        else if (strcmp(name, "--jobs") == 0)
            wish->jobs = strtoull(value, NULL, 10);
        else if (strcmp(name, "--plant") == 0)
            wish->plant = plant_named(value);
        else
            return WRONG;
    }
    return wish->plant == PLANT_COUNT || wish->jobs == 0 || wish->jobs > JOBS_MAX ? WRONG : mode;
}

int main(int argc, char **argv) {
    struct wish wish = {.first = 1, .seeds = PLANT_SEEDS, .steps = SUITE_STEPS, .jobs = 1};
    open_slots();
    if (argc == 1)
        return suite();
    switch (read_wish(argc, argv, &wish)) {
    case MANY:
        return many(&wish);
    case ONE:
        return one(&wish);
    case PLANTS:
        return plants(&wish);
    default:
        fprintf(
            stderr,
            "usage: %s [--seeds N] [--first N] [--steps N] [--jobs N] [--seed N] [--plant NAME] [--plants]\n",
            argv[0]);
        return 2;
    }
}
