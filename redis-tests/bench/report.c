/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
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
    say("disk       %s\n", line);
    say_ceilings();
    first_line(redis, line, sizeof(line));
    if (line[0] == '?')
        harness_fail("no redis-server here: apt-get install redis-server");
    say("beside     %s\n", line);
    first_line(etcd, line, sizeof(line));
    say("           %s\n", line[0] == '?' ? "no etcd here: apt-get install etcd-server" : line);
}
