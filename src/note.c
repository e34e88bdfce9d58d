/* SPDX-License-Identifier: MIT */
#include "note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LENGTH_MAX = 640, LINE_LENGTH_MAX = 1024 };

static void path_of(const char *dir, const char *name, const char *suffix, char path[PATH_LENGTH_MAX]) {
    snprintf(path, PATH_LENGTH_MAX, "%.560s/%.60s%s", dir, name, suffix);
}

static bool sync_directory(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return synced;
}

enum note_result note_read(const char *dir, const char *name, char *text, size_t size) {
    char path[PATH_LENGTH_MAX];
    path_of(dir, name, "", path);
    text[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? NOTE_NONE : NOTE_FAILED;
    errno = 0;
    bool read = fgets(text, (int)size, file) != NULL || !ferror(file);
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
    return read ? NOTE_READ : NOTE_FAILED;
}

static bool write_aside(const char *path, const char *text) {
    char line[LINE_LENGTH_MAX];
    size_t length = (size_t)snprintf(line, sizeof line, "%.1000s\n", text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool written = fd >= 0 && write(fd, line, length) == (ssize_t)length && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        written = false;
    return written;
}

bool note_write(const char *dir, const char *name, const char *text) {
    char path[PATH_LENGTH_MAX], aside[PATH_LENGTH_MAX];
    path_of(dir, name, "", path);
    path_of(dir, name, ".new", aside);
    return write_aside(aside, text) && rename(aside, path) == 0 && sync_directory(dir);
}

bool note_remove(const char *dir, const char *name) {
    char path[PATH_LENGTH_MAX];
    path_of(dir, name, "", path);
    return (unlink(path) == 0 || errno == ENOENT) && sync_directory(dir);
}
