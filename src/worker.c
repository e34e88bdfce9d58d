/* SPDX-License-Identifier: MIT */
/*
 * A worker: two queues under one lock, a thread between them.
 *
 *      loop                                thread
 *      worker_submit --> waiting --take all--> run(batch) --put all--> finished --> worker_take
 *                                                              `-- ev_async wakes the loop
 *
 * The lock is held for a few pointer moves only, never while a batch runs, so neither side waits for the other's work. Once a batch has
 * been handed back, the thread runs housekeeping that nobody waits for (run with no batch).
 *
 * A thread whose jobs come soon one after the other waits for them awake, without the lock (busy_poll.h, slice.h).
 *
 * A worker in the background is nice and SCHED_BATCH, so that the loop and the log's thread get the CPU first and are not interrupted
 * when it wakes; and of a disk whose scheduler knows priorities it has the lowest of the usual class. Not the idle class of either:
 * while the loop waits for the worker, others would keep both waiting.
 */
#define _GNU_SOURCE /* pthread_setname_np, SCHED_BATCH */
#include "worker.h"

#include <assert.h>
#include <ev.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "busy_poll.h"
#include "instant.h"
#include "slice.h"

enum { BACKGROUND_NICER = 10, IO_PRIORITY_LOWEST = 7, YIELDS_MAX = 4 };

struct queue {
    struct worker_job *first;
    struct worker_job *last; /* NULL exactly when first is */
};

struct worker {
    struct ev_loop *loop;
    ev_async wake;
    pthread_t thread;
    worker_run *run;
    void *context;
    char name[16]; /* as long as the system allows */
    bool stopped;  /* worker_stop has returned; the loop's */

    atomic_uint busy_poll_us;
    atomic_bool called; /* something waits, or stopping: for a thread that waits awake, without the lock */
    atomic_bool free;   /* the thread waits for jobs or stands in line for the CPU to take them */

    pthread_mutex_t lock;
    pthread_cond_t more;   /* something waits, or stopping */
    struct queue waiting;  /* under lock */
    struct queue finished; /* under lock */
    bool stopping;         /* under lock */
    bool background;       /* under lock: wanted */
};

/* Moves all of `from` behind `to`. */
static void queue_move(struct queue *to, struct queue *from) {
    assert((to->first == NULL) == (to->last == NULL));
    if (from->first == NULL)
        return;
    if (to->last != NULL)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    assert(to->last->next == NULL);
    *from = (struct queue){0};
}

/* Of the calling thread. Where a system forbids or lacks one of these, it goes on without. */
static void step_back(void) {
    static const struct sched_param none = {0};
    pid_t thread = (pid_t)syscall(SYS_gettid);

    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    (void)setpriority(PRIO_PROCESS, (id_t)thread, getpriority(PRIO_PROCESS, (id_t)thread) + BACKGROUND_NICER);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, thread,
                  IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IO_PRIORITY_LOWEST));
}

/* Waits for jobs and takes them all; empty when the worker is to stop and nothing waits. */
static struct queue next_batch(struct worker *worker, struct busy_poll *poll, bool *background) {
    struct queue batch = {0};
    unsigned awake_us = atomic_load(&worker->busy_poll_us);

    atomic_store(&worker->free, true);
    slice_short(awake_us > 0);
    busy_poll_begin(poll, BUSY_POLL_ANY, instant_mono_us(), awake_us);
    while (!atomic_load(&worker->called) && busy_poll_pays(poll, instant_mono_us()))
        sched_yield();
    pthread_mutex_lock(&worker->lock);
    while (worker->waiting.first == NULL && !worker->stopping)
        pthread_cond_wait(&worker->more, &worker->lock);
    busy_poll_end(poll, instant_mono_us());
    queue_move(&batch, &worker->waiting);
    atomic_store(&worker->called, worker->stopping);
    atomic_store(&worker->free, false);
    *background = worker->background;
    pthread_mutex_unlock(&worker->lock);
    return batch;
}

static void hand_back(struct worker *worker, struct queue *batch) {
    pthread_mutex_lock(&worker->lock);
    queue_move(&worker->finished, batch);
    pthread_mutex_unlock(&worker->lock);
    ev_async_send(worker->loop, &worker->wake);
}

static void *thread_main(void *context) {
    struct worker *worker = context;
    bool background, stepped_back = false;
    struct busy_poll poll = {0};
    struct queue batch;

    pthread_setname_np(pthread_self(), worker->name);
    while ((batch = next_batch(worker, &poll, &background)).first != NULL) {
        if (background && !stepped_back)
            step_back();
        stepped_back = background;
        worker->run(worker->context, batch.first);
        hand_back(worker, &batch);
        worker->run(worker->context, NULL);
    }
    return NULL;
}

static void woken(struct ev_loop *loop, ev_async *watcher, int events) {
    (void)loop;
    (void)watcher;
    (void)events;
}

/* The thread gets no signals: they belong to the loop's. */
static void start_thread(struct worker *worker) {
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&worker->thread, NULL, thread_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        fprintf(stderr, "redraft: cannot start the thread \"%s\": %s\n", worker->name, strerror(error));
        exit(EXIT_FAILURE);
    }
}

struct worker *worker_new(struct ev_loop *loop, const char *name, worker_run *run, void *context) {
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        abort();
    worker->loop = loop;
    worker->run = run;
    worker->context = context;
    snprintf(worker->name, sizeof(worker->name), "%s", name);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->more, NULL);
    ev_async_init(&worker->wake, woken);
    ev_async_start(loop, &worker->wake);
    start_thread(worker);
    return worker;
}

void worker_background(struct worker *worker) {
    pthread_mutex_lock(&worker->lock);
    worker->background = true;
    pthread_mutex_unlock(&worker->lock);
}

void worker_busy_poll(struct worker *worker, unsigned us) {
    atomic_store(&worker->busy_poll_us, us);
}

void worker_rest(unsigned us) {
    struct timespec rest = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

    nanosleep(&rest, NULL);
}

void worker_stop(struct worker *worker) {
    assert(!worker->stopped);
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    atomic_store(&worker->called, true);
    pthread_cond_signal(&worker->more);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    ev_async_stop(worker->loop, &worker->wake);
    worker->stopped = true;
    assert(worker->waiting.first == NULL);
}

void worker_free(struct worker *worker) {
    assert(worker->stopped);
    assert(worker->finished.first == NULL);
    pthread_cond_destroy(&worker->more);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

void worker_submit(struct worker *worker, struct worker_job *job) {
    struct queue one = {job, job};

    assert(!worker->stopped);
    job->next = NULL;
    pthread_mutex_lock(&worker->lock);
    queue_move(&worker->waiting, &one);
    atomic_store(&worker->called, true);
    pthread_mutex_unlock(&worker->lock);
    pthread_cond_signal(&worker->more); /* not before: a thread that wakes at once would wait for the lock */
}

/* More than one, for another who waits awake may be on that CPU; few, for each may take as long as others have work there. */
void worker_goes_first(struct worker *worker) {
    for (int i = 0; i < YIELDS_MAX && atomic_load(&worker->called) && atomic_load(&worker->free); i++)
        sched_yield();
}

struct worker_job *worker_take(struct worker *worker) {
    struct worker_job *job;

    pthread_mutex_lock(&worker->lock);
    job = worker->finished.first;
    if (job != NULL) {
        worker->finished.first = job->next;
        if (job->next == NULL)
            worker->finished.last = NULL;
        job->next = NULL;
    }
    pthread_mutex_unlock(&worker->lock);
    return job;
}
