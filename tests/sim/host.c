/* SPDX-License-Identifier: MIT */
/* What src/ asks the system for beside disk and network: the time, chance, and a place for its log lines. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

#include "../../src/logger.h"
#include "sim.h"

ssize_t __wrap_getrandom(void *bytes, size_t length, unsigned flags);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

ssize_t __wrap_getrandom(void *bytes, size_t length, unsigned flags) {
    unsigned char *at = bytes;
    (void)flags;
    for (size_t i = 0; i < length; i++)
        at[i] = (unsigned char)(sim_random() >> 32);
    return (ssize_t)length;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *now) {
    assert(sim->current);
    struct instant instant = world_instant(sim->current);
    uint64_t us = id == CLOCK_REALTIME ? instant.wall_us : instant.mono_us;
    *now = (struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    return 0;
}

struct logger {
    int host;
};

struct logger *logger_new(const char *path, enum log_level level) {
    (void)path, (void)level;
    return calloc(1, sizeof(struct logger));
}

void logger_free(struct logger *logger) {
    free(logger);
}

void logger_set_level(struct logger *logger, enum log_level level) {
    (void)logger, (void)level;
}

void logger_set_role(struct logger *logger, char role) {
    (void)logger, (void)role;
}

static void log_line(const char *format, va_list arguments) {
    char text[2048];
    if (!sim->verbose)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    sim_trace("node %d: %s", sim->current ? (int)sim->current->id : 0, text);
}

#define LOG_AS(name)                                                                                         \
    void name(struct logger *logger, const char *format, ...) {                                              \
        va_list arguments;                                                                                   \
        (void)logger;                                                                                        \
        va_start(arguments, format);                                                                         \
        log_line(format, arguments);                                                                         \
        va_end(arguments);                                                                                   \
    }
LOG_AS(log_debug)
LOG_AS(log_verbose)
LOG_AS(log_notice)
LOG_AS(log_warning)
