/* SPDX-License-Identifier: MIT */
/*
 * What every test from outside needs: time, failing with a reason, and processes that cannot outlive the test.
 *
 * A process started here dies with the test, however the test ends: it asks the kernel for SIGKILL at its parent's
 * death, and a normal exit kills what is left. Start processes from the main thread only: that death is a thread's.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- time ------------------------------------------------------------------------------------------------ */

uint64_t harness_now_ms(void); /* monotonic */
uint64_t harness_now_us(void);
void harness_sleep_ms(uint64_t ms);
/* A deadline as this run needs it: longer under sanitizers and by the factor in REDRAFT_TEST_SLOW (1 when unset). */
uint64_t harness_scaled_ms(uint64_t ms);
/* A number from the environment, or `otherwise`. */
uint64_t harness_setting(const char *name, uint64_t otherwise);
/* The next number of a small seeded generator (splitmix64). */
uint64_t harness_random(uint64_t *state);

/* ---- failing --------------------------------------------------------------------------------------------- */

/* Ends the running test (or, outside of one, the program) with a reason; main thread only. */
void harness_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Says something that the reader of a passing run should see too. */
void harness_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- processes ------------------------------------------------------------------------------------------- */

/* Starts argv[0] (looked up in PATH) with stdout and stderr appended to `output` (NULL: thrown away). */
pid_t process_start(const char *const *argv, const char *output);
/* Reaps it if it ends within the time: then true, with its wait status. */
bool process_wait(pid_t pid, uint64_t timeout_ms, int *status);
/* kill -9, and reaps. */
void process_kill(pid_t pid);
/* Takes over a child that was made otherwise (forkpty): it is killed like the rest. */
void process_adopt(pid_t pid);

/* What /proc/<pid>/status says in kB, in bytes: "VmRSS" now in memory, "VmHWM" at most so far. */
size_t process_bytes(pid_t pid, const char *field);

struct process_result {
    bool in_time;  /* ended by itself */
    int status;    /* exit status, 128 + signal, or -1 when it was killed at the deadline */
    char *output;  /* stdout and stderr, terminated; free it */
    size_t length; /* of the output */
};
/* Runs a program to its end with `input` on its standard input. */
void process_run(const char *const *argv, const void *input, size_t input_length, uint64_t timeout_ms,
                 struct process_result *result);

/* ---- files ----------------------------------------------------------------------------------------------- */

/* The whole file, terminated; NULL when it cannot be read. Free it. */
char *file_read(const char *path, size_t *length);
void file_write(const char *path, const void *bytes, size_t length);
void file_copy(const char *from, const char *to);
/* Copies the files of a flat directory to another, which is made or emptied first. */
void directory_copy(const char *from, const char *to);
void directory_remove(const char *path);
/* Prints the last lines of a file to stderr, each behind a prefix. */
void file_print_tail(const char *path, const char *prefix, size_t lines);

#endif
