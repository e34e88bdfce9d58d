/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_read(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    size_t capacity = 65536, used = 0, got;
    char *bytes = malloc(capacity);
    while ((got = fread(bytes + used, 1, capacity - used - 1, file)) > 0) {
        used += got;
        if (capacity - used < 4096)
            bytes = realloc(bytes, capacity *= 2);
    }
    fclose(file);
    bytes[used] = '\0';
    if (length != NULL)
        *length = used;
    return bytes;
}

void file_write(const char *path, const void *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        harness_fail("cannot write %s: %s", path, strerror(errno));
}

void file_copy(const char *from, const char *to) {
    size_t length;
    char *bytes = file_read(from, &length);
    if (bytes == NULL)
        harness_fail("cannot read %s: %s", from, strerror(errno));
    file_write(to, bytes, length);
    free(bytes);
}

void directory_copy(const char *from, const char *to) {
    directory_remove(to);
    if (mkdir(to, 0755) != 0)
        harness_fail("cannot make %s: %s", to, strerror(errno));
    DIR *directory = opendir(from);
    if (directory == NULL)
        harness_fail("cannot list %s: %s", from, strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char source[PATH_MAX], target[PATH_MAX];
        struct stat status;
        snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
        snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
        if (stat(source, &status) == 0 && S_ISREG(status.st_mode))
            file_copy(source, target);
    }
    closedir(directory);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void directory_remove(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void file_print_tail(const char *path, const char *prefix, size_t lines) {
    size_t length;
    char *text = file_read(path, &length);
    if (text == NULL)
        return;
    char *at = text + length;
    for (size_t seen = 0; at > text && seen <= lines; at--)
        seen += at[-1] == '\n';
    if (at > text)
        at += 2;
    for (char *line = strtok(at, "\n"); line != NULL; line = strtok(NULL, "\n"))
        fprintf(stderr, "%s%s\n", prefix, line);
    free(text);
}
