/* SPDX-License-Identifier: MIT */
/*
 * File locks and a WAL index's shared memory, for several connections in one process and one thread: SQLite's rules
 * (https://www.sqlite.org/lockingv3.html, https://www.sqlite.org/walformat.html) without the operating system. The memory goes with its
 * last user, as it does when a machine stops.
 */
#include "locks.h"

#include <assert.h>
#include <stdlib.h>

int locks_lock(struct locker *locker, int level) {
    struct locks *locks = locker->locks;
    if (locker->level >= level)
        return SQLITE_OK;
    if (locks->exclusive && locks->exclusive != locker)
        return SQLITE_BUSY;
    if (locker->level == SQLITE_LOCK_NONE) {
        locks->readers++;
        locker->level = SQLITE_LOCK_SHARED;
    }
    if (level >= SQLITE_LOCK_RESERVED) {
        if (locks->reserved && locks->reserved != locker)
            return SQLITE_BUSY;
        locks->reserved = locker;
        locker->level = SQLITE_LOCK_RESERVED;
    }
    if (level == SQLITE_LOCK_EXCLUSIVE) {
        if (locks->readers > 1)
            return SQLITE_BUSY;
        locks->exclusive = locker;
        locker->level = SQLITE_LOCK_EXCLUSIVE;
    }
    return SQLITE_OK;
}

int locks_unlock(struct locker *locker, int level) {
    struct locks *locks = locker->locks;
    assert(level <= SQLITE_LOCK_SHARED);
    if (locker->level <= level)
        return SQLITE_OK;
    if (locks->exclusive == locker)
        locks->exclusive = NULL;
    if (locks->reserved == locker)
        locks->reserved = NULL;
    if (level == SQLITE_LOCK_NONE)
        locks->readers--;
    locker->level = level;
    return SQLITE_OK;
}

bool locks_reserved(const struct locker *locker) {
    return locker->locks->reserved != NULL;
}

int locks_map(struct locker *locker, int region, int size, int extend, void volatile **at) {
    struct locks *locks = locker->locks;
    assert(region < LOCKS_REGIONS_MAX);
    if (!locker->mapped)
        locks->mapped++;
    locker->mapped = true;
    if (!locks->regions[region] && extend) {
        locks->regions[region] = calloc(1, (size_t)size);
        if (!locks->regions[region])
            abort();
    }
    *at = locks->regions[region];
    return SQLITE_OK;
}

static bool may_lock(const struct locker *locker, int lock, bool exclusive) {
    const struct locks *locks = locker->locks;
    unsigned own = locker->index_shared >> lock & 1;
    if (locks->index_exclusive[lock] && locks->index_exclusive[lock] != locker)
        return false;
    return !exclusive || locks->index_shared[lock] == own;
}

static void release(struct locker *locker, int lock) {
    struct locks *locks = locker->locks;
    if (locks->index_exclusive[lock] == locker)
        locks->index_exclusive[lock] = NULL;
    if (locker->index_shared >> lock & 1)
        locks->index_shared[lock]--;
    locker->index_shared &= (uint8_t) ~(1u << lock);
}

int locks_index(struct locker *locker, int offset, int count, int flags) {
    bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;
    if (flags & SQLITE_SHM_LOCK)
        for (int lock = offset; lock < offset + count; lock++)
            if (!may_lock(locker, lock, exclusive))
                return SQLITE_BUSY;
    for (int lock = offset; lock < offset + count; lock++) {
        if (flags & SQLITE_SHM_UNLOCK) {
            release(locker, lock);
        } else if (exclusive) {
            locker->locks->index_exclusive[lock] = locker;
        } else if (!(locker->index_shared >> lock & 1)) {
            locker->index_shared |= (uint8_t)(1u << lock);
            locker->locks->index_shared[lock]++;
        }
    }
    return SQLITE_OK;
}

void locks_unmap(struct locker *locker) {
    struct locks *locks = locker->locks;
    if (!locker->mapped)
        return;
    for (int lock = 0; lock < SQLITE_SHM_NLOCK; lock++)
        release(locker, lock);
    locker->mapped = false;
    if (--locks->mapped > 0)
        return;
    for (int i = 0; i < LOCKS_REGIONS_MAX; i++) {
        free(locks->regions[i]);
        locks->regions[i] = NULL;
    }
}

void locks_leave(struct locker *locker) {
    locks_unmap(locker);
    locks_unlock(locker, SQLITE_LOCK_NONE);
}
