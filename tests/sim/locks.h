/* SPDX-License-Identifier: MIT */
/* What connections to one file have in common: its locks, and the memory of a WAL's index. See locks.c. */
#ifndef SIM_LOCKS_H
#define SIM_LOCKS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { LOCKS_REGIONS_MAX = 64 };

/* Of a file. All zeros: nobody has it open. */
struct locks {
    unsigned readers;                 /* connections with SHARED or more */
    const void *reserved, *exclusive; /* the connection that holds it */
    unsigned mapped;                  /* connections that map the index */
    void *regions[LOCKS_REGIONS_MAX];
    unsigned index_shared[SQLITE_SHM_NLOCK];
    const void *index_exclusive[SQLITE_SHM_NLOCK];
};

/* Of a connection. */
struct locker {
    struct locks *locks;
    int level; /* SQLITE_LOCK_ */
    bool mapped;
    uint8_t index_shared; /* a bit for each lock */
};

int locks_lock(struct locker *locker, int level);
int locks_unlock(struct locker *locker, int level);
bool locks_reserved(const struct locker *locker);
int locks_map(struct locker *locker, int region, int size, int extend, void volatile **at);
int locks_index(struct locker *locker, int offset, int count, int flags);
void locks_unmap(struct locker *locker);
/* The connection ends, whatever it held. */
void locks_leave(struct locker *locker);

#endif
