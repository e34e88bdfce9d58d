/* SPDX-License-Identifier: MIT */
/*
 * The seam to threads: submit a job, take it back when it is done.
 *
 * A worker runs jobs in the order of their submission, on a thread of its own. It takes everything that is queued
 * at once and runs it as one batch, so that what came in while the last batch was on its way to the disk shares
 * one transaction and one fsync. Nobody above this header knows that there are threads; the simulator puts a seeded
 * queue in the place of worker.c.
 */
#ifndef WORKER_H
#define WORKER_H

#include <stddef.h>

struct ev_loop;
struct worker;

/* Embed it as the first field of a job. Belongs to the worker from submit until take. */
struct worker_job {
    struct worker_job *next;
};

/* Runs on the worker's thread: a batch, oldest first, linked through next; must leave the links alone. Once the batch has been
 * handed back it is called with NULL: housekeeping that nobody waits for. */
typedef void worker_run(void *context, struct worker_job *batch);

/* Starts a worker. Each finished batch wakes `loop` (an ev_async with an empty callback): take it in the loop's turn.
 * Ends the process when no thread can be had. */
struct worker *worker_new(struct ev_loop *loop, const char *name, worker_run *run, void *context);
/* Its thread waits awake for up to `us` where jobs come so soon (busy_poll.h); 0, as at the beginning: it sleeps. */
void worker_busy_poll(struct worker *worker, unsigned us);
/* From its next batch on, its thread takes the CPU and the disk behind others: for work that nobody waits for. */
void worker_background(struct worker *worker);
/* Waits until all that was submitted has run, then ends the thread. Finished jobs not taken are returned by worker_take before this. */
void worker_stop(struct worker *worker);
/* After worker_stop and after every job was taken. */
void worker_free(struct worker *worker);

void worker_submit(struct worker *worker, struct worker_job *job);
/* Before the caller does what takes long: lets the thread begin with what was submitted, unless it is busy. One that is woken stands
 * behind its waker where both are on one CPU, and would wait for all of that even while another CPU is idle. */
void worker_goes_first(struct worker *worker);
/* For run functions: the thread does nothing for so long, so that others have the disk. */
void worker_rest(unsigned us);
/* The oldest finished job not yet taken; NULL when there is none. Never blocks. */
struct worker_job *worker_take(struct worker *worker);

#endif
