/* SPDX-License-Identifier: MIT */
/*
 * A disk for each node, as SQLite's default file layer.
 *
 * What a file's bytes are after a crash: inode.c. Names are journalled: a crash leaves the first so many changes since the last
 * sync of the directory.
 */
#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/store/internal.h"
#include "inode.h"
#include "sim.h"

enum { PATH_MAX_BYTES = 128, FILES_MAX = 512 };

struct name {
    char path[PATH_MAX_BYTES];
    struct inode *inode;
};

struct names {
    struct name at[FILES_MAX];
    size_t count;
};

struct disk {
    int host;
    struct names now, durable;
    struct names journal[32]; /* the table after each change since the last sync of the directory */
    size_t journal_count;
    uint64_t stops_in; /* operations; 0: not decided */
    bool fails;        /* ... and then fails, instead of stopping with the process */
    bool stopped, broken;
    uint64_t room; /* bytes that its files may take; 0: no bound */
};

struct sim_file {
    sqlite3_file base;
    struct disk *disk;
    struct inode *inode;
    struct locker locker;
    bool read_only;
    bool sync_names; /* a journal or WAL, perhaps new: its first sync makes its name durable too */
};

/* ---- names ------------------------------------------------------------------------------------------------ */

static struct name *names_find(struct names *names, const char *path) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i].path, path) == 0)
            return &names->at[i];
    return NULL;
}

static void names_ref(const struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        inode_ref(names->at[i].inode);
}

static void names_unref(const struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        inode_unref(names->at[i].inode);
}

static void names_set(struct names *to, const struct names *from) {
    names_ref(from);
    names_unref(to);
    *to = *from;
}

static void names_add(struct names *names, const char *path, struct inode *inode) {
    assert(names->count < FILES_MAX && strlen(path) < PATH_MAX_BYTES);
    struct name *name = &names->at[names->count++];
    snprintf(name->path, sizeof name->path, "%s", path);
    name->inode = inode_ref(inode);
}

static void names_remove(struct names *names, struct name *name) {
    struct inode *inode = name->inode;
    *name = names->at[--names->count];
    inode_unref(inode);
}

static void journal_drop(struct disk *disk) {
    for (size_t i = 0; i < disk->journal_count; i++)
        names_unref(&disk->journal[i]);
    disk->journal_count = 0;
}

static void names_changed(struct disk *disk) {
    if (disk->journal_count == sizeof disk->journal / sizeof *disk->journal) {
        names_set(&disk->durable, &disk->now);
        journal_drop(disk);
    }
    disk->journal[disk->journal_count++] = disk->now;
    names_ref(&disk->now);
}

static void names_sync(struct disk *disk) {
    names_set(&disk->durable, &disk->now);
    journal_drop(disk);
}

/* ---- the disk --------------------------------------------------------------------------------------------- */

struct disk *disk_new(int host) {
    struct disk *disk = calloc(1, sizeof *disk);
    if (!disk)
        abort();
    disk->host = host;
    return disk;
}

void disk_free(struct disk *disk) {
    notes_forget(disk);
    journal_drop(disk);
    names_unref(&disk->now);
    names_unref(&disk->durable);
    free(disk);
}

void disk_arm(struct disk *disk, uint64_t operations, bool fails) {
    disk->stops_in = operations;
    disk->fails = fails;
}

bool disk_stopped(const struct disk *disk) {
    return disk->stopped;
}

void disk_stop(struct disk *disk) {
    disk->stopped = true;
}

bool disk_broken(const struct disk *disk) {
    return disk->broken;
}

void disk_mend(struct disk *disk) {
    disk->stopped = disk->broken = false;
    disk->stops_in = 0;
}

static uint64_t used(const struct disk *disk) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < disk->now.count; i++)
        bytes += (uint64_t)inode_size(disk->now.at[i].inode);
    return bytes;
}

void disk_fill(struct disk *disk, uint64_t spare) {
    disk->room = 1 + used(disk) + spare;
    sim_trace("disk %d has room for %llu bytes more", disk->host + 1, (unsigned long long)spare);
}

void disk_clear(struct disk *disk) {
    if (disk->room)
        sim_trace("disk %d has room again", disk->host + 1);
    disk->room = 0;
}

bool disk_bounded(const struct disk *disk) {
    return disk->room > 0;
}

bool disk_has_room(const struct disk *disk, uint64_t growth) {
    if (!disk->room || growth == 0 || used(disk) + growth <= disk->room)
        return true;
    sim_trace("disk %d is full", disk->host + 1);
    sim_cover(COVER_FULL, 1);
    return false;
}

/* Whether an operation that changes something goes through. */
bool disk_goes(struct disk *disk) {
    if (disk->stops_in > 0 && --disk->stops_in == 0) {
        if (disk->fails)
            disk->broken = true;
        else
            disk->stopped = true;
        sim_trace("disk %d %s", disk->host + 1, disk->fails ? "fails from here on" : "stops here");
    }
    return !disk->stopped && !disk->broken;
}

static const char *disk_name(const struct disk *disk, const struct inode *inode) {
    for (size_t i = 0; i < disk->now.count; i++)
        if (disk->now.at[i].inode == inode)
            return disk->now.at[i].path;
    return "(removed)";
}

static void lose_names(struct disk *disk) {
    size_t kept = (size_t)sim_below(disk->journal_count + 1);
    if (kept > 0)
        names_set(&disk->durable, &disk->journal[kept - 1]);
    names_set(&disk->now, &disk->durable);
    journal_drop(disk);
}

void disk_crash(struct disk *disk, bool power) {
    disk_mend(disk);
    if (!power)
        return;
    lose_names(disk);
    for (size_t i = 0; i < disk->now.count; i++)
        inode_crash(disk->now.at[i].inode, disk->now.at[i].path);
}

/* ---- SQLite's files --------------------------------------------------------------------------------------- */

static int file_close(sqlite3_file *base) {
    locks_leave(&((struct sim_file *)base)->locker);
    inode_unref(((struct sim_file *)base)->inode);
    base->pMethods = NULL;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *bytes, int length, sqlite3_int64 at) {
    size_t have = inode_read(((struct sim_file *)base)->inode, at, bytes, (size_t)length);
    return have == (size_t)length ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int length, sqlite3_int64 at) {
    struct sim_file *file = (struct sim_file *)base;
    if (file->read_only)
        sim_fail("%s is written through a descriptor that may only read", disk_name(file->disk, file->inode));
    sim_trace("%s: %d bytes at %lld", disk_name(file->disk, file->inode), length, at);
    if (!disk_goes(file->disk))
        return sim_chance(50) ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    int64_t growth = at + length - inode_size(file->inode);
    if (!disk_has_room(file->disk, growth > 0 ? (uint64_t)growth : 0))
        return SQLITE_FULL;
    inode_write(file->inode, at, bytes, (size_t)length, length < 100);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    struct sim_file *file = (struct sim_file *)base;
    sim_trace("%s: cut to %lld", disk_name(file->disk, file->inode), size);
    if (!disk_goes(file->disk))
        return SQLITE_IOERR_TRUNCATE;
    inode_cut(file->inode, size);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags) {
    struct sim_file *file = (struct sim_file *)base;
    (void)flags;
    sim_trace("%s: sync", disk_name(file->disk, file->inode));
    if (!disk_goes(file->disk)) {
        if (file->disk->broken) {
            inode_settle(file->inode, false); /* the system calls them clean */
            sim_cover(COVER_SYNC_ERRORS, 1);
        }
        return SQLITE_IOERR_FSYNC;
    }
    inode_settle(file->inode, true);
    if (file->sync_names)
        names_sync(file->disk);
    file->sync_names = false;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
    *size = inode_size(((struct sim_file *)base)->inode);
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int lock) {
    return locks_lock(&((struct sim_file *)base)->locker, lock);
}

static int file_unlock(sqlite3_file *base, int lock) {
    return locks_unlock(&((struct sim_file *)base)->locker, lock);
}

static int file_check_lock(sqlite3_file *base, int *reserved) {
    *reserved = locks_reserved(&((struct sim_file *)base)->locker);
    return SQLITE_OK;
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **at) {
    return locks_map(&((struct sim_file *)base)->locker, region, size, extend, at);
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    return locks_index(&((struct sim_file *)base)->locker, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *base) {
    (void)base;
}

static int file_shm_unmap(sqlite3_file *base, int remove) {
    (void)remove;
    locks_unmap(&((struct sim_file *)base)->locker);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int what, void *argument) {
    (void)base, (void)what, (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base) {
    (void)base;
    return 4096;
}

static int file_characteristics(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- SQLite's file layer ---------------------------------------------------------------------------------- */

/* Directories are named /sim/1, /sim/2 ... */
static struct disk *disk_of(const char *path) {
    int number = 0;
    if (!path || sscanf(path, "/sim/%d/", &number) != 1 || number < 1 || number > (int)sim->node_count)
        sim_fail("a file outside the nodes' directories was touched: %s", path ? path : "(temporary)");
    return sim->nodes[number - 1].disk;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags) {
    struct sim_file *file = (struct sim_file *)base;
    struct disk *disk = disk_of(path);
    struct name *name = names_find(&disk->now, path);
    (void)vfs;
    *file = (struct sim_file){.disk = disk, .read_only = flags & SQLITE_OPEN_READONLY};
    if (!name && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    if (!name) {
        if (!disk_goes(disk))
            return SQLITE_CANTOPEN;
        names_add(&disk->now, path, inode_new());
        names_changed(disk);
        name = names_find(&disk->now, path);
    }
    if (flags & SQLITE_OPEN_CREATE)
        file->sync_names = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL);
    file->inode = inode_ref(name->inode);
    file->locker.locks = inode_locks(file->inode);
    file->base.pMethods = &file_methods;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync) {
    struct disk *disk = disk_of(path);
    struct name *name = names_find(&disk->now, path);
    (void)vfs;
    if (!name)
        return SQLITE_IOERR_DELETE_NOENT;
    if (!disk_goes(disk))
        return SQLITE_IOERR_DELETE;
    names_remove(&disk->now, name);
    names_changed(disk);
    if (sync)
        names_sync(disk);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *there) {
    struct name *name = names_find(&disk_of(path)->now, path);
    (void)vfs;
    *there = name && (flags != SQLITE_ACCESS_EXISTS || inode_size(name->inode) > 0);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out) {
    (void)vfs;
    snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int length, char *bytes) {
    (void)vfs;
    for (int i = 0; i < length; i++)
        bytes[i] = (char)sim_random();
    return length;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
    (void)vfs;
    return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, double *julian) {
    (void)vfs;
    *julian = 2460000.5;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int length, char *text) {
    return (void)vfs, (void)length, (void)text, 0;
}

void vfs_register(void) {
    static sqlite3_vfs layers[2];
    static const char *const names[2] = {"sim", STORE_VFS_UNLOCKED};
    for (size_t i = 0; i < 2; i++) {
        layers[i] = (sqlite3_vfs){
            .iVersion = 1,
            .szOsFile = sizeof(struct sim_file),
            .mxPathname = PATH_MAX_BYTES,
            .zName = names[i],
            .xOpen = vfs_open,
            .xDelete = vfs_delete,
            .xAccess = vfs_access,
            .xFullPathname = vfs_full_path,
            .xRandomness = vfs_randomness,
            .xSleep = vfs_sleep,
            .xCurrentTime = vfs_time,
            .xGetLastError = vfs_last_error,
        };
        sqlite3_vfs_register(&layers[i], i == 0);
    }
    assert(sqlite3_vfs_find(NULL) == &layers[0] && sqlite3_vfs_find(STORE_VFS_UNLOCKED) == &layers[1]);
    sqlite3_randomness(0, NULL); /* SQLite's own generator is seeded anew, from here */
}

/* ---- what store/file.c does beside that layer --------------------------------------------------------------- */

int __wrap_store_dir_make(const char *dir) {
    (void)dir;
    return 0;
}

int __wrap_store_dir_sync(const char *dir) {
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/", dir);
    struct disk *disk = disk_of(path);
    if (!disk_goes(disk))
        return 5; /* EIO */
    names_sync(disk);
    return 0;
}

int __wrap_store_dir_lock(const char *dir, char why[STORE_WHY_MAX]) {
    (void)dir, (void)why;
    return 0;
}

/* The simulated disk has no pieces. */
void __wrap_store_file_reserve(const char *path, int64_t bytes) {
    (void)path, (void)bytes;
}

bool __wrap_store_disk_free(const char *dir, uint64_t *free_bytes, uint64_t *total_bytes) {
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/", dir);
    const struct disk *disk = disk_of(path);
    uint64_t taken = used(disk);
    *total_bytes = disk->room ? disk->room : (uint64_t)1 << 40;
    *free_bytes = *total_bytes > taken ? *total_bytes - taken : 0;
    return true;
}

char **__wrap_store_dir_names(const char *dir);
char **__wrap_store_dir_names(const char *dir) {
    char path[PATH_MAX_BYTES];
    int length = snprintf(path, sizeof path, "%s/", dir);
    const struct names *now = &disk_of(path)->now;
    char **names = calloc(now->count + 1, sizeof *names);
    if (!names)
        abort();
    for (size_t i = 0; i < now->count; i++)
        if (!(names[i] = strdup(now->at[i].path + length)))
            abort();
    return names;
}

void __wrap_store_dir_unlock(int lock) {
    (void)lock;
}

int __wrap_store_file_rename(const char *dir, const char *from, const char *to) {
    struct disk *disk = disk_of(from);
    struct name *name = names_find(&disk->now, from), *old;
    assert(name);
    if (!disk_goes(disk))
        return 5;
    if ((old = names_find(&disk->now, to)) != NULL) {
        names_remove(&disk->now, old);
        name = names_find(&disk->now, from);
    }
    snprintf(name->path, sizeof name->path, "%s", to);
    names_changed(disk);
    return __wrap_store_dir_sync(dir);
}

/* ---- what store/straight.c does past the cache ------------------------------------------------------------------- */

struct store_straight {
    struct disk *disk;
    struct inode *inode;
    bool asked, refused;
};

/* Some systems have no such way. */
struct store_straight *__wrap_store_straight_open(const char *path) {
    struct disk *disk = disk_of(path);
    const struct name *name = names_find(&disk->now, path);
    struct store_straight *straight;
    if (!name || sim_chance(25))
        return NULL;
    straight = calloc(1, sizeof *straight);
    if (!straight)
        abort();
    straight->disk = disk;
    straight->inode = inode_ref(name->inode);
    return straight;
}

/* Some take the descriptor, and refuse the first write. */
static bool refuses(struct store_straight *straight) {
    if (!straight->asked)
        straight->refused = sim_chance(10);
    straight->asked = true;
    return straight->refused;
}

/* SQLITE_OK: the disk takes it, all of it. Else what the caller is told, and a part may have come. */
static int ask_straight(struct store_straight *straight, const uint8_t *bytes, size_t length, int64_t at) {
    struct inode *inode = straight->inode;
    if (refuses(straight))
        return SQLITE_NOTFOUND;
    sim_trace("%s: %zu bytes at %lld, past the cache", disk_name(straight->disk, inode), length,
              (long long)at);
    if (at + (int64_t)length > inode_size(inode))
        sim_fail("%s would grow by a write past the cache", disk_name(straight->disk, inode));
    if (disk_goes(straight->disk))
        return SQLITE_OK;
    if (sim_chance(50)) {
        inode_tear_through(inode, at, bytes, length);
        sim_cover(COVER_TORN_STRAIGHT, 1);
    }
    return sim_chance(50) ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int __wrap_store_straight_write(struct store_straight *straight, const uint8_t *bytes, size_t length,
                                int64_t at) {
    int result = ask_straight(straight, bytes, length, at);
    if (result == SQLITE_OK) {
        plants_write_through(straight->inode, at, bytes, length);
        sim_cover(COVER_STRAIGHT, 1);
    }
    return result;
}

/* The disk has it, and may forget it. */
int __wrap_store_straight_put(struct store_straight *straight, const uint8_t *bytes, size_t length,
                              int64_t at) {
    int result = ask_straight(straight, bytes, length, at);
    if (result == SQLITE_OK) {
        inode_write(straight->inode, at, bytes, length, false);
        sim_cover(COVER_STRAIGHT_PARTS, 1);
    }
    return result;
}

void __wrap_store_straight_close(struct store_straight *straight) {
    if (!straight)
        return;
    inode_unref(straight->inode);
    free(straight);
}
