/* SPDX-License-Identifier: MIT */
/*
 * Files beside SQLite: read through its file layer, so that a simulated disk is seen as SQLite sees it; and what that layer
 * cannot do (directories, rename, a lock that lasts).
 *
 * The lock is flock() on the directory itself: no file to leave behind, gone with its holder, and it also keeps two stores of one
 * process apart. It is taken before anything is read, so the checks never see a file that moves.
 */
#define _GNU_SOURCE /* asprintf */
#include "internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { PART_BYTES = 64 * 1024, CUT_BYTES = 1024 * 1024 };

static char *join(const char *dir, const char *name) {
    char *path = NULL;

    if (asprintf(&path, "%s/%s", dir, name) < 0)
        abort();
    return path;
}

void store_paths_init(struct store_paths *paths, const char *dir) {
    paths->dir = strdup(dir);
    if (paths->dir == NULL)
        abort();
    paths->db = join(dir, "raft.db");
    paths->wal = join(dir, "raft.db-wal");
    paths->journal = join(dir, "raft.db-journal");
    paths->mark = join(dir, "raft.db-acked");
    paths->fresh = join(dir, "raft.db.new");
}

void store_paths_close(struct store_paths *paths) {
    free(paths->dir);
    free(paths->db);
    free(paths->wal);
    free(paths->journal);
    free(paths->mark);
    free(paths->fresh);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

int store_file_open(struct store_file *file, const char *path, int flags) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(STORE_VFS_UNLOCKED);
    int result;

    *file = (struct store_file){0};
    if (vfs == NULL)
        return SQLITE_NOTFOUND;
    file->name = sqlite3_create_filename(path, "", "", 0, NULL);
    file->file = calloc(1, (size_t)vfs->szOsFile);
    if (file->name == NULL || file->file == NULL)
        abort();
    errno = 0;
    result = vfs->xOpen(vfs, file->name, file->file, flags, NULL);
    if (result != SQLITE_OK)
        store_file_close(file);
    return result;
}

void store_file_close(struct store_file *file) {
    if (file->file == NULL)
        return;
    if (file->file->pMethods != NULL)
        file->file->pMethods->xClose(file->file);
    free(file->file);
    sqlite3_free_filename(file->name);
    *file = (struct store_file){0};
}

int64_t store_file_size(struct store_file *file) {
    sqlite3_int64 size;

    return file->file->pMethods->xFileSize(file->file, &size) == SQLITE_OK ? size : -1;
}

/* SQLite's layer takes lengths below 128 KB only: of a longer one it writes the remainder and says that the disk is full. */
static size_t part_of(size_t length) {
    return length < PART_BYTES ? length : PART_BYTES;
}

bool store_file_read(struct store_file *file, void *bytes, size_t length, int64_t offset) {
    int result = SQLITE_OK;

    for (size_t at = 0; at < length && result == SQLITE_OK; at += PART_BYTES)
        result = file->file->pMethods->xRead(file->file, (uint8_t *)bytes + at, (int)part_of(length - at),
                                             offset + (int64_t)at);
    return result == SQLITE_OK;
}

int store_file_write(struct store_file *file, const void *bytes, size_t length, int64_t offset) {
    int result = SQLITE_OK;

    errno = 0;
    for (size_t at = 0; at < length && result == SQLITE_OK; at += PART_BYTES)
        result = file->file->pMethods->xWrite(file->file, (const uint8_t *)bytes + at,
                                              (int)part_of(length - at), offset + (int64_t)at);
    return result;
}

/*
 * A file system that tells the disk at once what it does not need any more (mounted with `discard`) does so for all that one call gives back,
 * and the disk does nothing else meanwhile. On an ext4 on a virtual machine's disk, the longest that a synced write of 12 KB waited while a
 * file was removed whole, and when it was cut a megabyte at a time:
 *
 *      16 MB      3.2 ms, 0.5
 *      128 MB    23   ms, 0.6
 */
int store_cut(sqlite3_file *file, int64_t size) {
    sqlite3_int64 at;
    int result = file->pMethods->xFileSize(file, &at);

    errno = 0;
    while (result == SQLITE_OK && at > size + CUT_BYTES) {
        at -= CUT_BYTES;
        result = file->pMethods->xTruncate(file, at);
    }
    return result == SQLITE_OK ? file->pMethods->xTruncate(file, size) : result;
}

int store_file_cut(struct store_file *file, int64_t size) {
    return store_cut(file->file, size);
}

int store_file_sync(struct store_file *file) {
    errno = 0;
    return file->file->pMethods->xSync(file->file, SQLITE_SYNC_NORMAL);
}

bool store_file_exists(const char *path) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(STORE_VFS_UNLOCKED);
    struct store_file file;
    int there = 0;

    if (vfs == NULL)
        return false;
    if (vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &there) == SQLITE_OK && there)
        return true;
    /* SQLite's layer says that an empty file is not there. */
    if (store_file_open(&file, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_SUPER_JOURNAL) != SQLITE_OK)
        return false;
    store_file_close(&file);
    return true;
}

int store_file_remove(const char *path) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(STORE_VFS_UNLOCKED);
    int result = vfs != NULL ? vfs->xDelete(vfs, path, 1) : SQLITE_NOTFOUND;

    return result == SQLITE_IOERR_DELETE_NOENT ? SQLITE_OK : result;
}

int store_file_cut_and_remove(const char *path) {
    struct store_file file;

    if (!store_file_exists(path))
        return SQLITE_OK;
    if (store_file_open(&file, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_SUPER_JOURNAL) == SQLITE_OK) {
        (void)store_file_cut(&file, 0); /* or it goes at once */
        store_file_close(&file);
    }
    return store_file_remove(path);
}

int store_file_rename(const char *dir, const char *from, const char *to) {
    return rename(from, to) == 0 ? store_dir_sync(dir) : errno;
}

bool store_disk_free(const char *dir, uint64_t *free_bytes, uint64_t *total_bytes) {
    struct statvfs status;

    if (statvfs(dir, &status) != 0)
        return false;
    *free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    *total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    return true;
}

/* ---- directories ----------------------------------------------------------------------------------------- */

int store_dir_sync(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error;

    if (fd < 0)
        return errno;
    error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return error;
}

char **store_dir_names(const char *dir) {
    size_t count = 0, room = 16;
    char **names = malloc(room * sizeof *names);
    DIR *open = opendir(dir);
    struct dirent *entry;

    if (names == NULL)
        abort();
    if (open == NULL) {
        free(names);
        return NULL;
    }
    while ((entry = readdir(open)) != NULL) {
        if (count + 1 == room && (names = realloc(names, (room *= 2) * sizeof *names)) == NULL)
            abort();
        if ((names[count++] = strdup(entry->d_name)) == NULL)
            abort();
    }
    names[count] = NULL;
    closedir(open);
    return names;
}

void store_names_free(char **names) {
    for (size_t i = 0; names[i] != NULL; i++)
        free(names[i]);
    free(names);
}

/* Makes one directory, the path's first `length` bytes, and makes its name durable in its parent. */
static int make_one(char *path, size_t length) {
    char after = path[length];
    char *slash;
    int error;

    path[length] = '\0';
    error = mkdir(path, 0700) == 0 ? 0 : errno;
    if (error == 0) {
        slash = strrchr(path, '/');
        if (slash == NULL) {
            error = store_dir_sync(".");
        } else if (slash == path) {
            error = store_dir_sync("/");
        } else {
            *slash = '\0';
            error = store_dir_sync(path);
            *slash = '/';
        }
    }
    path[length] = after;
    return error == EEXIST ? 0 : error;
}

int store_dir_make(const char *dir) {
    char *path = strdup(dir);
    size_t length, end;
    int error = 0;

    if (path == NULL)
        abort();
    for (length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
        path[length - 1] = '\0';
    for (end = 1; end <= length && error == 0; end++)
        if ((path[end] == '/' && path[end - 1] != '/') || path[end] == '\0')
            error = make_one(path, end);
    free(path);
    return error;
}

void store_file_reserve(const char *path, int64_t bytes) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes);
    close(fd);
}

/* ---- the lock -------------------------------------------------------------------------------------------- */

/* The process that holds the lock, from /proc/locks; 0 when it cannot be told. */
static int lock_holder(int fd) {
    struct stat status;
    char line[256];
    int pid = 0;
    FILE *locks;

    if (fstat(fd, &status) != 0 || (locks = fopen("/proc/locks", "re")) == NULL)
        return 0;
    while (fgets(line, sizeof(line), locks) != NULL) {
        unsigned device_major, device_minor;
        uintmax_t inode;
        int holder;

        if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%ju", &holder, &device_major, &device_minor, &inode) ==
                4 &&
            inode == status.st_ino && device_major == major(status.st_dev) &&
            device_minor == minor(status.st_dev))
            pid = holder;
    }
    fclose(locks);
    return pid;
}

static void name_holder(int fd, char *who, size_t size) {
    int pid = lock_holder(fd);
    char path[64], command[64] = "";
    FILE *file;

    if (pid <= 0) {
        snprintf(who, size, "another process");
        return;
    }
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(command, sizeof(command), file) != NULL)
            command[strcspn(command, "\n")] = '\0';
        fclose(file);
    }
    snprintf(who, size, "process %d%s%s%s", pid, command[0] ? " (" : "", command, command[0] ? ")" : "");
}

int store_dir_lock(const char *dir, char why[STORE_WHY_MAX]) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char who[128];

    if (fd < 0) {
        snprintf(why, STORE_WHY_MAX, "%s: cannot open the directory: %s", dir, strerror(errno));
        return -1;
    }
    /* A file system that cannot lock directories leaves it to SQLite's own lock. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return fd;
    name_holder(fd, who, sizeof(who));
    snprintf(why, STORE_WHY_MAX, "%s: in use by %s; stop it first, or give this node another directory", dir,
             who);
    close(fd);
    return -1;
}

void store_dir_unlock(int lock) {
    if (lock >= 0)
        close(lock);
}
