/* SPDX-License-Identifier: MIT */
/*
 * The shim: SQLite's own VFS does the work, unless the test has said that it fails. A write that fails has written its first
 * half, as a disk does that breaks in the middle. What the log writes past the system's cache does not come through SQLite; the linker
 * puts a wrapper there.
 *
 *      struct shim_file  [ base: the shim's methods ][ where ][ the real VFS's file ... szOsFile bytes ]
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faulty_disk.h"

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
struct store_straight;
int __real_store_straight_write(struct store_straight *straight, const uint8_t *bytes, size_t length,
                                int64_t at);
int __wrap_store_straight_write(struct store_straight *straight, const uint8_t *bytes, size_t length,
                                int64_t at);

struct shim_file {
    sqlite3_file base; /* first */
    uint32_t where;    /* FAULT_LOG, FAULT_DATA; 0: neither */
    uint64_t real[];   /* aligned as SQLite aligns a file */
};

static struct disk_faults *faults;
static sqlite3_vfs *real_vfs;

static sqlite3_file *real_of(sqlite3_file *file) {
    struct shim_file *shim = (struct shim_file *)(void *)file;
    return (sqlite3_file *)(void *)shim->real;
}

/* What it costs, and whether it fails. */
static bool fails_at(uint32_t where, uint32_t what) {
    atomic_fetch_add(&faults->operations, 1);
    uint32_t slow_us = what == FAULT_SYNC ? atomic_load(&faults->sync_us) : 0;
    if (slow_us > 0) {
        atomic_fetch_add(&faults->slowed, 1);
        usleep(slow_us);
    }
    if (!(atomic_load(&faults->what) & what) || !(atomic_load(&faults->where) & where))
        return false;
    uint32_t left = atomic_load(&faults->after);
    while (left > 0)
        if (atomic_compare_exchange_weak(&faults->after, &left, left - 1))
            return false;
    atomic_fetch_add(&faults->failed, 1);
    return true;
}

static bool fails(sqlite3_file *file, uint32_t what) {
    return fails_at(((struct shim_file *)(void *)file)->where, what);
}

static int write_error(void) {
    return atomic_load(&faults->full) ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

/* ---- a file ---------------------------------------------------------------------------------------------------- */

static int on_close(sqlite3_file *file) {
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int on_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 at) {
    if (fails(file, FAULT_READ))
        return SQLITE_IOERR_READ;
    return real_of(file)->pMethods->xRead(real_of(file), bytes, count, at);
}

static int on_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at) {
    if (!fails(file, FAULT_WRITE))
        return real_of(file)->pMethods->xWrite(real_of(file), bytes, count, at);
    real_of(file)->pMethods->xWrite(real_of(file), bytes, count / 2, at);
    return write_error();
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size) {
    if (fails(file, FAULT_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int on_sync(sqlite3_file *file, int flags) {
    if (fails(file, FAULT_SYNC))
        return SQLITE_IOERR_FSYNC;
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int on_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int on_lock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int on_unlock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int on_check_lock(sqlite3_file *file, int *reserved) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int on_control(sqlite3_file *file, int what, void *argument) {
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int on_sector_size(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int on_traits(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at) {
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, at);
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void on_shm_barrier(sqlite3_file *file) {
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int on_shm_unmap(sqlite3_file *file, int delete) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* without xFetch: nothing is read around the shim */
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_traits,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

/* ---- a commit past the system's cache: it writes and syncs ------------------------------------------------------ */

enum { BLOCK = 4096 };

int __wrap_store_straight_write(struct store_straight *straight, const uint8_t *bytes, size_t length,
                                int64_t at) {
    size_t half = length / 2 / BLOCK * BLOCK;
    int result;
    if (!faults)
        return __real_store_straight_write(straight, bytes, length, at);
    if (fails_at(FAULT_LOG, FAULT_WRITE)) {
        __real_store_straight_write(straight, bytes, half, at);
        return write_error();
    }
    result = __real_store_straight_write(straight, bytes, length, at);
    atomic_fetch_add(&faults->straight, result == SQLITE_OK);
    return result == SQLITE_OK && fails_at(FAULT_LOG, FAULT_SYNC) ? SQLITE_IOERR_FSYNC : result;
}

/* ---- the file system ---------------------------------------------------------------------------------------------- */

static uint32_t where_is(const char *path) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : "";
    return strncmp(name, "raft", 4) == 0 ? FAULT_LOG : strncmp(name, "data-", 5) == 0 ? FAULT_DATA : 0;
}

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags) {
    struct shim_file *shim = (struct shim_file *)(void *)file;
    (void)vfs;
    int result = real_vfs->xOpen(real_vfs, path, real_of(file), flags, out_flags);
    shim->where = where_is(path);
    shim->base.pMethods = result == SQLITE_OK ? &methods : NULL;
    return result;
}

/* The rest of the real one's functions get the real one, whose data they look at. */
static int on_delete(sqlite3_vfs *vfs, const char *path, int sync) {
    (void)vfs;
    return real_vfs->xDelete(real_vfs, path, sync);
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *there) {
    (void)vfs;
    return real_vfs->xAccess(real_vfs, path, flags, there);
}

static int on_full_path(sqlite3_vfs *vfs, const char *path, int size, char *full) {
    (void)vfs;
    return real_vfs->xFullPathname(real_vfs, path, size, full);
}

static int register_shim(void) {
    static sqlite3_vfs shim;
    real_vfs = sqlite3_vfs_find(NULL);
    if (!real_vfs)
        return SQLITE_ERROR;
    shim = *real_vfs;
    shim.zName = "unix-faulty"; /* "unix": the log writes past the cache as it does above SQLite's own */
    shim.pNext = NULL;
    shim.szOsFile = (int)sizeof(struct shim_file) + real_vfs->szOsFile;
    shim.xOpen = on_open;
    shim.xDelete = on_delete;
    shim.xAccess = on_access;
    shim.xFullPathname = on_full_path;
    return sqlite3_vfs_register(&shim, 1);
}

/* ---- the directive ------------------------------------------------------------------------------------------------- */

static struct disk_faults *map(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED
                      : mmap(NULL, sizeof(struct disk_faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return at == MAP_FAILED ? NULL : at;
}

/* Takes the directive out of the arguments. */
int __wrap_main(int argc, char **argv) {
    const char *path = NULL;
    int kept = 0;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--test-disk-faults") == 0 && i + 1 < argc)
            path = argv[++i];
        else
            argv[kept++] = argv[i];
    argv[kept] = NULL;
    if (path && (!(faults = map(path)) || register_shim() != SQLITE_OK)) {
        perror(path);
        return 1;
    }
    return __real_main(kept, argv);
}
