/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"

static FILE *report;

void report_open(const char *path) {
    report = fopen(path, "w");
    if (!report)
        harness_fail("cannot write %s: %s", path, strerror(errno));
}

void report_close(void) {
    fclose(report);
}

void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    va_start(args, format);
    vfprintf(report, format, args);
    va_end(args);
    fflush(stdout);
    fflush(report);
}

/* ---- the machine ----------------------------------------------------------------------------------------- */

/* The first line of what a command says; "?" when it fails. */
static void first_line(const char *const *argv, char *line, size_t size) {
    struct process_result result;
    process_run(argv, NULL, 0, 10000, &result);
    bool there = result.in_time && result.status == 0;
    snprintf(line, size, "%.*s", there ? (int)strcspn(result.output, "\n") : 1, there ? result.output : "?");
    free(result.output);
}

static int order(const void *a, const void *b) {
    const double *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* The median of 101: 4 KB written over what is there, then fdatasync. */
static double fdatasync_ms(void) {
    double took[101];
    char block[4096];
    memset(block, 'x', sizeof block);
    int fd = open("build/bench/fdatasync", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    for (size_t i = 0; i < 102; i++) {
        uint64_t begun_us = harness_now_us();
        if (fd < 0 || pwrite(fd, block, sizeof block, 0) < 0 || fdatasync(fd) != 0)
            harness_fail("cannot write below build/bench: %s", strerror(errno));
        if (i > 0)
            took[i - 1] = (double)(harness_now_us() - begun_us) / 1000;
    }
    close(fd);
    unlink("build/bench/fdatasync");
    qsort(took, 101, sizeof *took, order);
    return took[50];
}

static void processor_line(char *line, size_t size) {
    static const char *const argv[] = {"sh", "-c", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1",
                                       NULL};
    first_line(argv, line, size);
}

void report_kind(char *kind, size_t size) {
    char line[256];
    processor_line(line, sizeof line);
    size_t length = (size_t)snprintf(kind, size, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    bool apart = true;
    for (const char *at = line; *at && length + 2 < size; at++) {
        bool word = isalnum((unsigned char)*at);
        if (word && apart)
            kind[length++] = '-';
        if (word)
            kind[length++] = *at;
        apart = !word;
    }
    kind[length] = '\0';
}

void report_machine(char *title, size_t size) {
    static const char *const commit[] = {"git", "log", "-1", "--format=%h of %cs: %s", NULL};
    static const char *const changed[] = {"git", "status", "--short", "--untracked-files=no", NULL};
    static const char *const kernel[] = {"uname", "-srm", NULL};
    static const char *const memory[] = {"sh", "-c", "sed -n 's/MemTotal: *//p' /proc/meminfo", NULL};
    static const char *const disk[] = {"sh", "-c",
                                       "df -T build | sed -n '2s/ .*% / on /p;2s/  */ /gp' | head -1", NULL};
    static const char *const etcd[] = {"etcd", "--version", NULL};
    static const char *const redis[] = {"redis-server", "--version", NULL};
    char line[256];
    first_line(commit, line, sizeof(line));
    say("commit     %s\n", line);
    snprintf(title, size, "%.60s", line);
    first_line(changed, line, sizeof(line));
    if (line[0] != '\0' && line[0] != '?')
        say("           with uncommitted changes\n");
    first_line(kernel, line, sizeof(line));
    say("machine    %s, ", line);
    processor_line(line, sizeof line);
    say("%ld x %s, ", sysconf(_SC_NPROCESSORS_ONLN), line);
    first_line(memory, line, sizeof(line));
    say("%s\n", line);
    first_line(disk, line, sizeof(line));
    say("disk       %s; fdatasync of 4 KB: %.2f ms\n", line, fdatasync_ms());
    first_line(redis, line, sizeof(line));
    if (line[0] == '?')
        harness_fail("no redis-server here: apt-get install redis-server");
    say("beside     %s\n", line);
    first_line(etcd, line, sizeof(line));
    say("           %s\n", line[0] == '?' ? "no etcd here: apt-get install etcd-server" : line);
}
