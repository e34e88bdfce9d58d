/* SPDX-License-Identifier: MIT */
/*
 * The log that people read. A line says who, since when, how much, what to do. One line, one write:
 *
 *     PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL message        (Redis's form, so that its tools read it)
 *
 * The file is opened anew when it was moved away (logrotate needs no signal). A line that repeats within a second is
 * written once more with its count when the repeats end.
 */
#ifndef LOGGER_H
#define LOGGER_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING };

struct logger;

/* `path` "" is standard output. NULL, with errno set, when the file cannot be opened. Usable from every thread. */
struct logger *logger_new(const char *path, enum log_level level);
void logger_free(struct logger *logger); /* NULL is allowed: logging to NULL does nothing */
void logger_set_level(struct logger *logger, enum log_level level);
/* The letter after the pid: M leader, S follower, C candidate, X neither yet. */
void logger_set_role(struct logger *logger, char role);
void log_debug(struct logger *logger, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_verbose(struct logger *logger, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_notice(struct logger *logger, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(struct logger *logger, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
