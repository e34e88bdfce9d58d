/* SPDX-License-Identifier: MIT */
/*
 * worker.h without threads: a queue whose batches take simulated time.
 *
 *      submit --> waiting --begins--> batch --ends--> finished --> take
 *                            |           |
 *                            +-- run() --+   at either end, by chance: a crash in between finds it all done on the disk and
 *                                            nobody told, or not yet begun
 *
 * As in the real one, all that waits is one batch, and housekeeping follows once the batch has been handed back.
 */
#include "../../src/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { BEGIN_US_MAX = 60, FSYNC_US_MIN = 100, FSYNC_US_MAX = 4000 };

struct queue {
    struct worker_job *first, *last;
};

enum phase { IDLE, BEGINNING, RUNNING, TIDYING };

struct worker {
    struct worker *next; /* of all */
    struct sim_node *node;
    worker_run *run;
    void *context;
    struct queue waiting, batch, finished;
    enum phase phase;
    uint64_t due;
    bool has_run, stopped;
};

static struct worker *workers;
static uint64_t rested_us; /* of the run under way */

static void push_all(struct queue *to, struct queue *from) {
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    *from = (struct queue){0};
}

struct worker *worker_new(struct ev_loop *loop, const char *name, worker_run *run, void *context) {
    struct worker *worker = calloc(1, sizeof *worker);
    (void)loop, (void)name;
    if (!worker)
        abort();
    worker->node = sim->current;
    worker->run = run;
    worker->context = context;
    struct worker **end = &workers;
    while (*end)
        end = &(*end)->next;
    *end = worker;
    return worker;
}

static void begin(struct worker *worker) {
    if (worker->phase != IDLE || !worker->waiting.first)
        return;
    worker->phase = BEGINNING;
    worker->due = sim->now + sim_below(BEGIN_US_MAX);
}

static void run_batch(struct worker *worker, struct worker_job *batch) {
    struct sim_node *before = sim->current;
    sim->current = worker->node;
    rested_us = 0;
    worker->run(worker->context, batch);
    sim->current = before;
    worker->due += rested_us;
    worker->has_run = true;
}

static void run(struct worker *worker) {
    run_batch(worker, worker->batch.first);
    if (worker->batch.first->next)
        sim_cover(COVER_SHARED_BATCHES, 1);
}

static void advance(struct worker *worker) {
    switch (worker->phase) {
    case BEGINNING:
        push_all(&worker->batch, &worker->waiting);
        worker->phase = RUNNING;
        worker->has_run = false;
        worker->due = sim->now + sim_between(FSYNC_US_MIN, FSYNC_US_MAX) * worker->node->fsync_slow;
        if (sim_chance(50))
            run(worker);
        break;
    case RUNNING:
        if (!worker->has_run)
            run(worker);
        if (disk_stopped(worker->node->disk) || worker->due > sim->now)
            return; /* it dies here: world.c sees to it; or it has rested */
        push_all(&worker->finished, &worker->batch);
        world_poke(worker->node->host);
        worker->phase = TIDYING;
        worker->has_run = false;
        worker->due = sim->now + sim_below(BEGIN_US_MAX);
        break;
    case TIDYING:
        if (!worker->has_run) {
            worker->due = sim->now;
            run_batch(worker, NULL);
        }
        if (worker->due > sim->now)
            return;
        worker->phase = IDLE;
        begin(worker);
        break;
    case IDLE:
        break;
    }
}

/* All have a CPU of their own. */
void worker_background(struct worker *worker) {
    (void)worker;
}

void worker_busy_poll(struct worker *worker, unsigned us) {
    (void)worker, (void)us;
}

void worker_goes_first(struct worker *worker) {
    (void)worker;
}

void worker_rest(unsigned us) {
    rested_us += us;
}

void worker_submit(struct worker *worker, struct worker_job *job) {
    struct queue one = {job, job};
    assert(!worker->stopped);
    job->next = NULL;
    push_all(&worker->waiting, &one);
    begin(worker);
}

struct worker_job *worker_take(struct worker *worker) {
    struct worker_job *job = worker->finished.first;
    if (!job)
        return NULL;
    worker->finished.first = job->next;
    if (!job->next)
        worker->finished.last = NULL;
    job->next = NULL;
    return job;
}

static bool works(const struct worker *worker) {
    return worker->phase != IDLE && !disk_stopped(worker->node->disk);
}

/* After a crash nothing more is run. */
void worker_stop(struct worker *worker) {
    while (!sim->crashing && works(worker)) {
        worker->due = 0;
        advance(worker);
    }
    push_all(&worker->finished, &worker->batch);
    push_all(&worker->finished, &worker->waiting);
    worker->stopped = true;
}

void worker_free(struct worker *worker) {
    struct worker **at = &workers;
    assert(worker->stopped && !worker->finished.first);
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    free(worker);
}

uint64_t worker_next(void) {
    uint64_t next = UINT64_MAX;
    for (const struct worker *worker = workers; worker; worker = worker->next)
        if (works(worker) && worker->due < next)
            next = worker->due;
    return next;
}

void worker_work(void) {
    for (struct worker *worker = workers; worker; worker = worker->next)
        if (works(worker) && worker->due <= sim->now)
            advance(worker);
}
