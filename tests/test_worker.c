/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* RUSAGE_THREAD, sched_setaffinity */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ev.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../src/worker.h"

struct job {
    struct worker_job job;
    size_t number;
    size_t batch; /* written by run */
    pthread_t thread;
};

/* What run shares with the test: counters are the worker's until it is stopped. */
struct bench {
    struct ev_loop *loop;
    struct worker *worker;
    size_t batches;
    size_t housekeepings;
    size_t ran;
    sigset_t blocked;
    atomic_size_t begun;  /* batches that have come to the gate */
    pthread_mutex_t gate; /* held by a test that wants a batch to last */
};

static void run(void *context, struct worker_job *batch) {
    struct bench *bench = context;

    if (batch == NULL) {
        bench->housekeepings++;
        return;
    }
    atomic_fetch_add(&bench->begun, 1);
    pthread_mutex_lock(&bench->gate);
    pthread_mutex_unlock(&bench->gate);
    bench->batches++;
    pthread_sigmask(SIG_SETMASK, NULL, &bench->blocked);
    for (; batch != NULL; batch = batch->next) {
        struct job *job = (struct job *)batch;

        job->batch = bench->batches;
        job->thread = pthread_self();
        bench->ran++;
    }
}

static void bench_open(struct bench *bench) {
    memset(bench, 0, sizeof(*bench));
    pthread_mutex_init(&bench->gate, NULL);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(bench->loop);
    bench->worker = worker_new(bench->loop, "test", run, bench);
}

static void bench_close(struct bench *bench) {
    worker_free(bench->worker);
    ev_loop_destroy(bench->loop);
    pthread_mutex_destroy(&bench->gate);
}

static void submit(struct bench *bench, size_t number) {
    struct job *job = calloc(1, sizeof(*job));

    assert_non_null(job);
    job->number = number;
    worker_submit(bench->worker, &job->job);
}

/* Job 0 is submitted, and runs until the gate is opened. */
static void keep_busy(struct bench *bench) {
    pthread_mutex_lock(&bench->gate);
    submit(bench, 0);
    while (atomic_load(&bench->begun) == 0)
        worker_rest(100);
}

/* Runs the loop, which only the worker can wake, until a job is there. */
static struct job *take(struct bench *bench) {
    struct worker_job *job;

    while ((job = worker_take(bench->worker)) == NULL)
        ev_run(bench->loop, EVRUN_ONCE);
    return (struct job *)job;
}

static void jobs_come_back_in_the_order_of_their_submission(void **state) {
    enum { COUNT = 20000 };
    struct bench bench;
    size_t back = 0;

    (void)state;
    bench_open(&bench);
    for (size_t i = 0; i < COUNT; i++) {
        struct worker_job *job;

        submit(&bench, i);
        while (i % 7 == 0 && (job = worker_take(bench.worker)) != NULL) {
            assert_int_equal(((struct job *)job)->number, back++);
            free(job);
        }
    }
    while (back < COUNT) {
        struct job *job = take(&bench);

        assert_int_equal(job->number, back++);
        free(job);
    }
    assert_null(worker_take(bench.worker));
    worker_stop(bench.worker);
    assert_int_equal(bench.ran, COUNT);
    bench_close(&bench);
}

static void what_waits_while_a_batch_runs_shares_the_next_one(void **state) {
    struct bench bench;

    (void)state;
    bench_open(&bench);
    keep_busy(&bench);
    for (size_t i = 1; i < 6; i++)
        submit(&bench, i);
    pthread_mutex_unlock(&bench.gate);
    for (size_t i = 0; i < 6; i++) {
        struct job *job = take(&bench);

        assert_int_equal(job->number, i);
        assert_int_equal(job->batch, i == 0 ? 1 : 2);
        free(job);
    }
    worker_stop(bench.worker);
    assert_int_equal(bench.batches, 2);
    bench_close(&bench);
}

static void taking_does_not_wait_for_a_batch_that_runs(void **state) {
    struct bench bench;

    (void)state;
    bench_open(&bench);
    pthread_mutex_lock(&bench.gate);
    submit(&bench, 0);
    for (int i = 0; i < 1000; i++) /* would stand still for ever if it waited */
        assert_null(worker_take(bench.worker));
    pthread_mutex_unlock(&bench.gate);
    free(take(&bench));
    worker_stop(bench.worker);
    bench_close(&bench);
}

static void stopping_runs_all_that_was_submitted_and_leaves_it_to_be_taken(void **state) {
    struct bench bench;
    struct worker_job *job;
    size_t count = 0;

    (void)state;
    bench_open(&bench);
    for (size_t i = 0; i < 100; i++)
        submit(&bench, i);
    worker_stop(bench.worker);
    for (; (job = worker_take(bench.worker)) != NULL; count++) {
        assert_int_equal(((struct job *)job)->number, count);
        assert_int_not_equal(((struct job *)job)->batch, 0);
        free(job);
    }
    assert_int_equal(count, 100);
    bench_close(&bench);
}

static void housekeeping_follows_every_batch(void **state) {
    struct bench bench;

    (void)state;
    bench_open(&bench);
    for (size_t i = 0; i < 5; i++) {
        submit(&bench, i);
        free(take(&bench));
    }
    worker_stop(bench.worker);
    assert_int_equal(bench.housekeepings, bench.batches);
    assert_true(bench.batches > 0);
    bench_close(&bench);
}

static void jobs_run_on_a_thread_of_their_own_that_takes_no_signals(void **state) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    struct bench bench;
    struct job *job;
    sigset_t mine;

    (void)state;
    bench_open(&bench);
    submit(&bench, 0);
    job = take(&bench);
    assert_false(pthread_equal(job->thread, pthread_self()));
    free(job);
    worker_stop(bench.worker);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        assert_true(sigismember(&bench.blocked, signals[i]));
        assert_false(sigismember(&mine, signals[i]));
    }
    bench_close(&bench);
}

static void two_workers_of_one_loop_do_not_wait_for_each_other(void **state) {
    struct bench slow, fast;

    (void)state;
    bench_open(&slow);
    bench_open(&fast);
    pthread_mutex_lock(&slow.gate);
    submit(&slow, 1);
    submit(&fast, 2);
    free(take(&fast));
    assert_null(worker_take(slow.worker));
    pthread_mutex_unlock(&slow.gate);
    free(take(&slow));
    worker_stop(slow.worker);
    worker_stop(fast.worker);
    bench_close(&slow);
    bench_close(&fast);
}

static void run_a_job(struct worker *worker) {
    struct worker_job *job = calloc(1, sizeof *job), *done = NULL;

    assert_non_null(job);
    worker_submit(worker, job);
    while ((done = worker_take(worker)) == NULL)
        worker_rest(100);
    free(done);
}

static void note_sleeps(void *context, struct worker_job *batch) {
    struct rusage usage;

    if (batch == NULL)
        return;
    getrusage(RUSAGE_THREAD, &usage);
    *(long *)context = usage.ru_nvcsw;
}

/* How often its thread went to sleep between jobs that came one after the other. */
static long sleeps_between_jobs(unsigned busy_poll_us, unsigned count) {
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    long sleeps = 0, first = 0;
    struct worker *worker = worker_new(loop, "test", note_sleeps, &sleeps);

    worker_busy_poll(worker, busy_poll_us);
    for (unsigned i = 0; i < count; i++) {
        run_a_job(worker);
        if (i == 0)
            first = sleeps;
    }
    worker_stop(worker);
    worker_free(worker);
    ev_loop_destroy(loop);
    return sleeps - first;
}

static void where_jobs_come_soon_its_thread_waits_awake(void **state) {
    enum { COUNT = 200 };

    (void)state;
    assert_true(2 * sleeps_between_jobs(1000000, COUNT) < sleeps_between_jobs(0, COUNT));
}

static void note_niceness(void *context, struct worker_job *batch) {
    if (batch != NULL)
        *(int *)context = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

static int niceness_of_a_job(struct worker *worker, const int *niceness) {
    run_a_job(worker);
    return *niceness;
}

static void in_the_background_its_thread_steps_back_and_no_other(void **state) {
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    int niceness = -100, mine = getpriority(PRIO_PROCESS, 0);
    struct worker *worker = worker_new(loop, "test", note_niceness, &niceness);

    (void)state;
    assert_int_equal(niceness_of_a_job(worker, &niceness), mine);
    worker_background(worker);
    assert_true(niceness_of_a_job(worker, &niceness) > mine || mine == 19);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), mine);
    worker_stop(worker);
    worker_free(worker);
    ev_loop_destroy(loop);
}

static void pin_to_one_cpu(cpu_set_t *before) {
    cpu_set_t one;

    assert_int_equal(sched_getaffinity(0, sizeof *before, before), 0);
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

enum { TIMES = 100 };

/* How often of TIMES the thread of a job has begun when its caller goes on, both on one CPU. */
static unsigned begun_before_its_caller_goes_on(bool goes_first) {
    struct bench bench;
    unsigned begun = 0;
    cpu_set_t before;

    pin_to_one_cpu(&before);
    bench_open(&bench);
    for (unsigned i = 0; i < TIMES; i++) {
        worker_rest(1000); /* until it sleeps again */
        submit(&bench, i);
        if (goes_first)
            worker_goes_first(bench.worker);
        begun += atomic_load(&bench.begun) == i + 1;
        free(take(&bench));
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    worker_stop(bench.worker);
    bench_close(&bench);
    return begun;
}

/* Now and then it cuts in by itself. */
static void its_thread_goes_first_where_the_caller_lets_it(void **state) {
    unsigned by_itself = begun_before_its_caller_goes_on(false);

    (void)state;
    assert_true(2 * (TIMES - begun_before_its_caller_goes_on(true)) <= TIMES - by_itself);
}

static atomic_uint yields;

/* In place of the C library's. */
int sched_yield(void) {
    atomic_fetch_add(&yields, 1);
    return (int)syscall(SYS_sched_yield);
}

static void a_thread_that_is_busy_is_not_waited_for(void **state) {
    struct bench bench;
    unsigned before;

    (void)state;
    bench_open(&bench);
    keep_busy(&bench);
    submit(&bench, 1);
    before = atomic_load(&yields);
    worker_goes_first(bench.worker);
    assert_int_equal(atomic_load(&yields), before);
    pthread_mutex_unlock(&bench.gate);
    free(take(&bench));
    free(take(&bench));
    worker_stop(bench.worker);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_come_back_in_the_order_of_their_submission),
        cmocka_unit_test(what_waits_while_a_batch_runs_shares_the_next_one),
        cmocka_unit_test(taking_does_not_wait_for_a_batch_that_runs),
        cmocka_unit_test(stopping_runs_all_that_was_submitted_and_leaves_it_to_be_taken),
        cmocka_unit_test(housekeeping_follows_every_batch),
        cmocka_unit_test(jobs_run_on_a_thread_of_their_own_that_takes_no_signals),
        cmocka_unit_test(two_workers_of_one_loop_do_not_wait_for_each_other),
        cmocka_unit_test(where_jobs_come_soon_its_thread_waits_awake),
        cmocka_unit_test(its_thread_goes_first_where_the_caller_lets_it),
        cmocka_unit_test(a_thread_that_is_busy_is_not_waited_for),
        cmocka_unit_test(in_the_background_its_thread_steps_back_and_no_other),
    };

    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
