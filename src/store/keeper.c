/* SPDX-License-Identifier: MIT */
/*
 * Gets the next segment ready while the log is written to the present one, empties those that are free, and removes those that are too many: on a
 * thread of its own, for it opens a connection, syncs, and writes a new segment's zeros.
 *
 *      idle -- ask --> busy -- done --> idle, `ready` or not
 *
 * Nothing waits for it: until a segment is ready the log goes on in the one it has. So a failure here, a full disk above all, is no failure
 * of the log's: it is told, and asked again later. Without a thread (the simulator, tools) the work is done by who asks, and no zeros are written.
 */
#define _GNU_SOURCE /* pthread_setname_np */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct store_keeper {
    char *dir;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct store_keeping asked; /* under lock, as is what follows */
    bool busy;
    bool stopping;
    struct store_segment *ready; /* NULL: none is, or not yet, */
    char why[STORE_WHY_MAX];     /* ... and this is why none is */
};

static bool fill(const struct store_segment *segment, int64_t bytes, char why[STORE_WHY_MAX]) {
    int result = store_segment_fill(segment, bytes);

    if (result != SQLITE_OK)
        store_sql_why(why, segment->paths.wal, "write its zeros", NULL, result);
    return result == SQLITE_OK;
}

static bool open_it(struct store_segment *segment, char why[STORE_WHY_MAX]) {
    int result = store_segment_open(segment);

    if (result != SQLITE_OK)
        store_sql_why(why, segment->paths.db, "open", segment->db, result);
    return result == SQLITE_OK;
}

static struct store_segment *make_ready(const struct store_keeper *keeper, const struct store_keeping *asked,
                                        char why[STORE_WHY_MAX]) {
    struct store_segment *segment = store_segment_new(keeper->dir, asked->slots[0]);

    errno = 0;
    if (store_segment_renew(segment, why) == SQLITE_OK &&
        (!keeper->threaded || fill(segment, asked->bytes, why)) && open_it(segment, why))
        return segment;
    store_segment_close(segment);
    return NULL;
}

static void empty_all(const struct store_keeper *keeper, const struct store_keeping *asked) {
    for (size_t i = 0; i < asked->count; i++) {
        struct store_segment *segment = store_segment_new(keeper->dir, asked->slots[i]);

        (void)store_segment_empty(segment); /* who gets it ready does so again */
        store_segment_close(segment);
    }
}

static void remove_one(const struct store_keeper *keeper, unsigned slot) {
    struct store_segment *segment = store_segment_new(keeper->dir, slot);

    (void)store_segment_remove(segment); /* what stays is used or removed after the next start */
    store_segment_close(segment);
}

/* Under lock, which is given up meanwhile. */
static void do_asked(struct store_keeper *keeper) {
    struct store_keeping asked = keeper->asked;
    struct store_segment *ready = NULL;
    char why[STORE_WHY_MAX] = "";

    pthread_mutex_unlock(&keeper->lock);
    if (asked.what == STORE_KEEP_READY)
        ready = make_ready(keeper, &asked, why);
    else if (asked.what == STORE_KEEP_EMPTY)
        empty_all(keeper, &asked);
    else
        remove_one(keeper, asked.slots[0]);
    pthread_mutex_lock(&keeper->lock);
    memcpy(keeper->why, why, sizeof(why));
    keeper->ready = ready;
    keeper->busy = false;
    pthread_cond_broadcast(&keeper->changed);
}

static void *thread_main(void *context) {
    struct store_keeper *keeper = context;

    pthread_setname_np(pthread_self(), "keeper");
    pthread_mutex_lock(&keeper->lock);
    for (;;) {
        while (!keeper->busy && !keeper->stopping)
            pthread_cond_wait(&keeper->changed, &keeper->lock);
        if (!keeper->busy)
            break;
        do_asked(keeper);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

struct store_keeper *store_keeper_new(const char *dir) {
    struct store_keeper *keeper = calloc(1, sizeof(*keeper));

    if (keeper == NULL || (keeper->dir = strdup(dir)) == NULL)
        abort();
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->changed, NULL);
    return keeper;
}

/* It gets no signals: they belong to the loop's thread. */
bool store_keeper_thread(struct store_keeper *keeper) {
    sigset_t all, before;

    assert(!keeper->threaded && !keeper->busy);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    keeper->threaded = true; /* before the thread looks */
    if (pthread_create(&keeper->thread, NULL, thread_main, keeper) != 0)
        keeper->threaded = false;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return keeper->threaded;
}

void store_keeper_ask(struct store_keeper *keeper, const struct store_keeping *keeping) {
    pthread_mutex_lock(&keeper->lock);
    assert(!keeper->busy && keeper->ready == NULL);
    keeper->asked = *keeping;
    keeper->busy = true;
    if (keeper->threaded)
        pthread_cond_signal(&keeper->changed);
    else
        do_asked(keeper);
    pthread_mutex_unlock(&keeper->lock);
}

bool store_keeper_take(struct store_keeper *keeper, struct store_segment **ready, char why[STORE_WHY_MAX]) {
    bool idle;

    *ready = NULL;
    pthread_mutex_lock(&keeper->lock);
    idle = !keeper->busy;
    if (idle) {
        *ready = keeper->ready;
        keeper->ready = NULL;
        if (keeper->why[0] != '\0')
            memcpy(why, keeper->why, sizeof(keeper->why));
        keeper->why[0] = '\0';
    }
    pthread_mutex_unlock(&keeper->lock);
    return idle;
}

void store_keeper_free(struct store_keeper *keeper) {
    if (keeper == NULL)
        return;
    if (keeper->threaded) {
        pthread_mutex_lock(&keeper->lock);
        keeper->stopping = true;
        pthread_cond_broadcast(&keeper->changed);
        pthread_mutex_unlock(&keeper->lock);
        pthread_join(keeper->thread, NULL);
    }
    store_segment_close(keeper->ready);
    pthread_mutex_destroy(&keeper->lock);
    pthread_cond_destroy(&keeper->changed);
    free(keeper->dir);
    free(keeper);
}
