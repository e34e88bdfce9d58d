/* SPDX-License-Identifier: MIT */
/*
 * Moves the WAL's pages into raft.db before SQLite does, on a thread of its own.
 *
 * SQLite moves a WAL as a whole, on the thread that asks for it, and syncs the file at the end: for 512 KB 1.3 to 1.8 ms in the middle and 4
 * to 20 at times, while the next batch waits. A second connection would do it beside the commits, and never get to the end of a WAL that
 * is written to all the time. So most of it is done here, and SQLite is left with the short rest:
 *
 *      frames of the WAL   0            moved         asked      committed
 *                          |-- in the --|-- here now --|-- later ---|
 *                          |    file    |
 *
 * A frame that is durable in the WAL may be in the file at any moment: readers take the page from the WAL, and so does who opens it after a
 * crash. That is what SQLite's own moving leaves when it is interrupted. When little is left the log's thread asks SQLite to move
 * everything; gather.c drops the pages that no frame behind `moved` holds, for they are in the file, synced. What SQLite then writes is
 * the rest, and the WAL begins again.
 *
 * The frames are read where gather.c holds them. They stay as they are until the WAL begins again, and before that
 * the log's thread waits for this one.
 *
 * The first failure is the last thing that is written, as in log.c. Without a thread (the simulator, tools) the work is done by who asks.
 */
#define _GNU_SOURCE /* pthread_setname_np */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = STORE_STRAIGHT_BYTES }; /* of the system's cache: written one by one, as gather.c says */

/* A frame that is to be moved. */
struct move {
    uint32_t page;
    uint32_t frame;
};

struct store_mover {
    struct store_file file;
    struct move *moves; /* the thread's, as is what follows */
    size_t moves_max;
    uint8_t *together; /* pages of one block of the file */

    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct store_frames asked; /* under lock, as is what follows */
    uint32_t moved;            /* frames, from the WAL's first on */
    bool busy;                 /* `asked` is being moved */
    bool stopping;
    int result; /* the first failure */
    int error;  /* ... and its errno */
};

/* ---- moving ------------------------------------------------------------------------------------------------ */

static int by_page(const void *one, const void *other) {
    const struct move *a = one, *b = other;

    if (a->page != b->page)
        return a->page < b->page ? -1 : 1;
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/* The newest frame of each page, in the order of the file. Their number. */
static size_t sort(struct store_mover *mover, const struct store_frames *frames) {
    size_t count = frames->end - frames->begin, kept = 0;

    if (count > mover->moves_max) {
        mover->moves_max = count;
        mover->moves = realloc(mover->moves, count * sizeof(*mover->moves));
        if (mover->moves == NULL)
            abort();
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t frame = frames->begin + (uint32_t)i;

        mover->moves[i] = (struct move){store_frame_page(frames, frame), frame};
    }
    qsort(mover->moves, count, sizeof(*mover->moves), by_page);
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || mover->moves[i + 1].page != mover->moves[i].page)
            mover->moves[kept++] = mover->moves[i];
    return kept;
}

static int move_frames(struct store_mover *mover, const struct store_frames *frames) {
    size_t count = sort(mover, frames), page_bytes = frames->page_bytes, length = 0;
    int64_t at = 0;
    int result = SQLITE_OK;

    assert(BLOCK % page_bytes == 0);
    for (size_t i = 0; i < count && result == SQLITE_OK; i++) {
        const struct move *move = &mover->moves[i];

        if (length == 0)
            at = (int64_t)(move->page - 1) * (int64_t)page_bytes;
        memcpy(mover->together + length, store_frame_bytes(frames, move->frame), page_bytes);
        length += page_bytes;
        if (i + 1 == count || move[1].page != move->page + 1 || (at + (int64_t)length) % BLOCK == 0) {
            result = store_file_write(&mover->file, mover->together, length, at);
            length = 0;
        }
    }
    return result == SQLITE_OK ? store_file_sync(&mover->file) : result;
}

/* Under lock, which is given up meanwhile. */
static void move_asked(struct store_mover *mover) {
    struct store_frames frames = mover->asked;
    int result, error;

    pthread_mutex_unlock(&mover->lock);
    result = move_frames(mover, &frames);
    error = errno;
    pthread_mutex_lock(&mover->lock);
    if (result == SQLITE_OK) {
        mover->moved = frames.end;
    } else {
        mover->result = result;
        mover->error = error;
    }
    mover->busy = false;
    pthread_cond_broadcast(&mover->changed);
}

static void *thread_main(void *context) {
    struct store_mover *mover = context;

    pthread_setname_np(pthread_self(), "mover");
    pthread_mutex_lock(&mover->lock);
    for (;;) {
        while (!mover->busy && !mover->stopping)
            pthread_cond_wait(&mover->changed, &mover->lock);
        if (!mover->busy)
            break;
        move_asked(mover);
    }
    pthread_mutex_unlock(&mover->lock);
    return NULL;
}

/* ---- the log's thread -------------------------------------------------------------------------------------- */

int store_mover_open(const char *path, struct store_mover **opened) {
    struct store_mover *mover = calloc(1, sizeof(*mover));
    int result;

    *opened = NULL;
    if (mover == NULL)
        abort();
    result = store_file_open(&mover->file, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB);
    if (result != SQLITE_OK) {
        free(mover);
        return result;
    }
    mover->together = malloc(BLOCK);
    if (mover->together == NULL)
        abort();
    pthread_mutex_init(&mover->lock, NULL);
    pthread_cond_init(&mover->changed, NULL);
    *opened = mover;
    return SQLITE_OK;
}

/* It gets no signals: they belong to the loop's thread. */
bool store_mover_thread(struct store_mover *mover) {
    sigset_t all, before;

    assert(!mover->threaded && !mover->busy);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    mover->threaded = pthread_create(&mover->thread, NULL, thread_main, mover) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return mover->threaded;
}

void store_mover_ask(struct store_mover *mover, const struct store_frames *frames) {
    pthread_mutex_lock(&mover->lock);
    assert(!mover->busy && frames->begin == mover->moved && frames->end > frames->begin);
    if (mover->result == SQLITE_OK) {
        mover->asked = *frames;
        mover->busy = true;
        if (mover->threaded)
            pthread_cond_signal(&mover->changed);
        else
            move_asked(mover);
    }
    pthread_mutex_unlock(&mover->lock);
}

bool store_mover_state(struct store_mover *mover, bool wait, struct store_moved *moved) {
    pthread_mutex_lock(&mover->lock);
    while (wait && mover->busy)
        pthread_cond_wait(&mover->changed, &mover->lock);
    *moved = (struct store_moved){.frames = mover->moved, .result = mover->result};
    if (mover->result != SQLITE_OK)
        errno = mover->error;
    bool idle = !mover->busy;
    pthread_mutex_unlock(&mover->lock);
    return idle;
}

void store_mover_restart(struct store_mover *mover) {
    pthread_mutex_lock(&mover->lock);
    assert(!mover->busy);
    mover->moved = 0;
    pthread_mutex_unlock(&mover->lock);
}

void store_mover_stop(struct store_mover *mover) {
    if (mover == NULL || !mover->threaded)
        return;
    pthread_mutex_lock(&mover->lock);
    mover->stopping = true;
    pthread_cond_broadcast(&mover->changed);
    pthread_mutex_unlock(&mover->lock);
    pthread_join(mover->thread, NULL);
    mover->threaded = false;
}

void store_mover_close(struct store_mover *mover) {
    if (mover == NULL)
        return;
    assert(!mover->threaded);
    store_file_close(&mover->file);
    pthread_mutex_destroy(&mover->lock);
    pthread_cond_destroy(&mover->changed);
    free(mover->moves);
    free(mover->together);
    free(mover);
}
