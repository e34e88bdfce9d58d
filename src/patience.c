/* SPDX-License-Identifier: MIT */
#include "patience.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LENGTH_MAX = 640 };

#define REFUSE(...) (snprintf(why, PATIENCE_WHY_MAX, __VA_ARGS__), false)

/* A file that is there and says nothing was torn by a crash before it said anything: it is written aside and renamed, so
 * this is damage. */
static bool read_promise(const char *path, uint32_t *promised_ms, char why[PATIENCE_WHY_MAX]) {
    FILE *file = fopen(path, "re");
    *promised_ms = 0;
    if (!file)
        return errno == ENOENT ? true : REFUSE("%s: %s", path, strerror(errno));
    bool understood = fscanf(file, "%u\n", promised_ms) == 1;
    fclose(file);
    return understood ||
           REFUSE(
               "%s is damaged: it must hold a number of milliseconds. If every member has been down for an "
               "election timeout, remove it",
               path);
}

static bool write_all(int fd, const char *text) {
    size_t length = strlen(text);
    return write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
}

static bool sync_directory(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return synced;
}

static bool write_promise(const char *dir, const char *path, uint32_t promised_ms,
                          char why[PATIENCE_WHY_MAX]) {
    char aside[PATH_LENGTH_MAX], text[32];
    snprintf(aside, sizeof aside, "%.600s/patience.new", dir);
    snprintf(text, sizeof text, "%u\n", promised_ms);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool written = fd >= 0 && write_all(fd, text);
    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (written && rename(aside, path) == 0 && sync_directory(dir))
        return true;
    return REFUSE("%s: %s", path, strerror(errno));
}

bool patience_open(const char *dir, uint32_t wanted_ms, uint32_t *promised_ms, char why[PATIENCE_WHY_MAX]) {
    char path[PATH_LENGTH_MAX];
    snprintf(path, sizeof path, "%.600s/patience", dir);
    if (!read_promise(path, promised_ms, why))
        return false;
    return wanted_ms <= *promised_ms || write_promise(dir, path, wanted_ms, why);
}
