/* SPDX-License-Identifier: MIT */
/*
 * The log. Every line is made whole in memory and handed over in one write, so lines of several threads (and of several
 * processes that share a file) never mix.
 *
 * Repeats: a line with the same level and text as the one before it, at most REPEAT_GAP_MS after it, is only counted. The count is
 * written when something else is said, when the line comes again after a longer gap, when the logger ends, and in an
 * unbroken run every REPEAT_RUN_MS, so that a reader is never left to believe that it has stopped.
 *
 * Moved files: before each line the path's inode is compared with the open file's. When logrotate has moved the file, or
 * somebody has deleted it, a new one is opened; while that fails, lines go on into the old one.
 */
#include "logger.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, PREFIX_MAX = 96, REPEAT_GAP_MS = 1000, REPEAT_RUN_MS = 10000 };

struct logger {
    char *path; /* owned; "" for standard output */
    atomic_int level;
    atomic_char role;
    pthread_mutex_t lock; /* guards all below */
    int fd;
    char last[TEXT_MAX]; /* text of the line written last */
    enum log_level last_level;
    uint64_t written_ms; /* when it, or its count, was written */
    uint64_t seen_ms;    /* when it was said last */
    uint64_t repeats;    /* said since, not written */
};

static int open_log(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

struct logger *logger_new(const char *path, enum log_level level) {
    assert(path != NULL);
    int fd = path[0] == '\0' ? STDOUT_FILENO : open_log(path);
    if (fd < 0)
        return NULL;
    struct logger *logger = calloc(1, sizeof *logger);
    if (logger == NULL || (logger->path = strdup(path)) == NULL)
        abort();
    logger->fd = fd;
    atomic_init(&logger->level, (int)level);
    atomic_init(&logger->role, 'X');
    int failed = pthread_mutex_init(&logger->lock, NULL);
    assert(failed == 0);
    (void)failed;
    return logger;
}

static void reopen_if_moved(struct logger *logger) {
    struct stat here, open_file;
    if (logger->path[0] == '\0')
        return;
    if (stat(logger->path, &here) == 0 && fstat(logger->fd, &open_file) == 0 &&
        here.st_ino == open_file.st_ino && here.st_dev == open_file.st_dev)
        return;
    int fd = open_log(logger->path);
    if (fd < 0)
        return;
    close(logger->fd);
    logger->fd = fd;
}

/* The line's head: PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL and a space. */
static size_t write_prefix(const struct logger *logger, enum log_level level, const struct timespec *now,
                           char out[PREFIX_MAX]) {
    static const char letters[] = {[LOG_LEVEL_DEBUG] = '.',
                                   [LOG_LEVEL_VERBOSE] = '-',
                                   [LOG_LEVEL_NOTICE] = '*',
                                   [LOG_LEVEL_WARNING] = '#'};
    char date[40];
    struct tm local;
    localtime_r(&now->tv_sec, &local);
    strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &local);
    int length = snprintf(out, PREFIX_MAX, "%d:%c %s.%03ld %c ", (int)getpid(), atomic_load(&logger->role),
                          date, now->tv_nsec / 1000000, letters[level]);
    assert(length > 0 && length < PREFIX_MAX);
    return (size_t)length;
}

static void write_line(struct logger *logger, enum log_level level, const struct timespec *now,
                       const char *text) {
    char line[PREFIX_MAX + TEXT_MAX + 1];
    size_t length = write_prefix(logger, level, now, line);
    size_t text_length = strlen(text);
    assert(text_length < TEXT_MAX);
    memcpy(line + length, text, text_length);
    length += text_length;
    line[length++] = '\n';
    reopen_if_moved(logger);
    for (size_t done = 0; done < length;) {
        ssize_t got = write(logger->fd, line + done, length - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return; /* a full disk or a closed pipe: there is nobody left to tell */
        done += (size_t)got;
    }
}

static void write_repeats(struct logger *logger, const struct timespec *now, uint64_t now_ms) {
    if (logger->repeats == 0)
        return;
    char text[TEXT_MAX], count[80];
    int count_length =
        snprintf(count, sizeof count, " (%llu more within %.1f s)", (unsigned long long)logger->repeats,
                 (double)(logger->seen_ms - logger->written_ms) / 1000);
    size_t keep = strlen(logger->last);
    if (keep > TEXT_MAX - 1 - (size_t)count_length)
        keep = TEXT_MAX - 1 - (size_t)count_length;
    memcpy(text, logger->last, keep);
    memcpy(text + keep, count, (size_t)count_length + 1);
    write_line(logger, logger->last_level, now, text);
    logger->repeats = 0;
    logger->written_ms = now_ms;
}

/* One line is one line, whatever a client put into it. */
static void blunt_control_characters(char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = *text == '\n' || *text == '\t' ? ' ' : '?';
}

static bool is_repeat(const struct logger *logger, enum log_level level, const char *text, uint64_t now_ms) {
    return logger->seen_ms != 0 && level == logger->last_level && now_ms <= logger->seen_ms + REPEAT_GAP_MS &&
           strcmp(text, logger->last) == 0;
}

static void say(struct logger *logger, enum log_level level, const char *format, va_list args) {
    if (logger == NULL || (int)level < atomic_load(&logger->level))
        return;
    char text[TEXT_MAX];
    int length = vsnprintf(text, sizeof text, format, args);
    if (length < 0)
        return;
    if (length >= TEXT_MAX)
        memcpy(text + TEXT_MAX - 4, "...", 4);
    blunt_control_characters(text);

    struct timespec now, steady;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_MONOTONIC, &steady);
    uint64_t now_ms = (uint64_t)steady.tv_sec * 1000 + (uint64_t)steady.tv_nsec / 1000000 + 1;
    pthread_mutex_lock(&logger->lock);
    bool repeat = is_repeat(logger, level, text, now_ms);
    if (repeat) {
        logger->repeats++;
        logger->seen_ms = now_ms;
    }
    if (!repeat || now_ms >= logger->written_ms + REPEAT_RUN_MS)
        write_repeats(logger, &now, now_ms);
    if (!repeat) {
        write_line(logger, level, &now, text);
        memcpy(logger->last, text, strlen(text) + 1);
        logger->last_level = level;
        logger->written_ms = logger->seen_ms = now_ms;
    }
    pthread_mutex_unlock(&logger->lock);
}

void logger_free(struct logger *logger) {
    if (logger == NULL)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    write_repeats(logger, &now, logger->seen_ms);
    if (logger->path[0] != '\0')
        close(logger->fd);
    pthread_mutex_destroy(&logger->lock);
    free(logger->path);
    free(logger);
}

void logger_set_level(struct logger *logger, enum log_level level) {
    if (logger != NULL)
        atomic_store(&logger->level, (int)level);
}

void logger_set_role(struct logger *logger, char role) {
    if (logger != NULL)
        atomic_store(&logger->role, role);
}

void log_debug(struct logger *logger, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(logger, LOG_LEVEL_DEBUG, format, args);
    va_end(args);
}

void log_verbose(struct logger *logger, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(logger, LOG_LEVEL_VERBOSE, format, args);
    va_end(args);
}

void log_notice(struct logger *logger, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(logger, LOG_LEVEL_NOTICE, format, args);
    va_end(args);
}

void log_warning(struct logger *logger, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(logger, LOG_LEVEL_WARNING, format, args);
    va_end(args);
}
