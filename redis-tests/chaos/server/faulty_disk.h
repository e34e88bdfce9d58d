/* SPDX-License-Identifier: MIT */
/*
 * A server whose disk can be made to fail while it runs: the product's own objects, with a main before its main that knows one more
 * directive:
 *
 *      --test-disk-faults <file>       mapped; holds a struct disk_faults, which the test writes while the server runs
 *
 * The product knows no such directive and refuses it. All of SQLite's files go through the shim: the log's segments, data-*.db, their WALs; and what
 * the log writes past the system's cache.
 */
#ifndef FAULTY_DISK_H
#define FAULTY_DISK_H

#include <stdatomic.h>
#include <stdint.h>

/* What fails, as bits. */
enum { FAULT_WRITE = 1, FAULT_SYNC = 2, FAULT_TRUNCATE = 4, FAULT_READ = 8 };
/* Where, as bits. */
enum { FAULT_LOG = 1, FAULT_DATA = 2 };

struct disk_faults {
    _Atomic uint32_t what, where; /* 0: nothing fails */
    _Atomic uint32_t full;        /* SQLITE_FULL in place of SQLITE_IOERR */
    _Atomic uint32_t
        after; /* so many of these operations succeed before that; then all fail until `what` is 0 */
    _Atomic uint32_t sync_us;                    /* each sync takes so much longer */
    _Atomic uint64_t operations, failed, slowed; /* so far */
    _Atomic uint64_t straight;                   /* of them: commits that went past the system's cache */
};

#endif
