/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "harness.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 256 };

/* Children not yet reaped. */
static pid_t running[PROCESSES_MAX];
static size_t running_count;

static void forget(pid_t pid) {
    for (size_t i = 0; i < running_count; i++) {
        if (running[i] == pid)
            running[i] = running[--running_count];
    }
}

static void kill_all(void) {
    for (size_t i = 0; i < running_count; i++)
        kill(running[i], SIGKILL);
    for (size_t i = 0; i < running_count; i++)
        waitpid(running[i], NULL, 0);
    running_count = 0;
}

void process_adopt(pid_t pid) {
    static bool registered;
    if (!registered)
        atexit(kill_all);
    registered = true;
    assert(running_count < PROCESSES_MAX);
    running[running_count++] = pid;
}

/* The child's side, between fork and exec. */
static void child_run(const char *const *argv, pid_t parent, int input, int output) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    setpgid(0, 0);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close_range(3, ~0u, 0);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static pid_t start(const char *const *argv, int input, int output) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        harness_fail("cannot fork: %s", strerror(errno));
    if (pid == 0)
        child_run(argv, parent, input, output);
    process_adopt(pid);
    return pid;
}

pid_t process_start(const char *const *argv, const char *output) {
    int in = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = output == NULL ? in : open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (in < 0 || out < 0)
        harness_fail("cannot open %s: %s", output == NULL ? "/dev/null" : output, strerror(errno));
    pid_t pid = start(argv, in, out);
    close(in);
    if (out != in)
        close(out);
    return pid;
}

bool process_wait(pid_t pid, uint64_t timeout_ms, int *status) {
    uint64_t deadline = harness_now_ms() + timeout_ms;
    for (;;) {
        pid_t reaped = waitpid(pid, status, WNOHANG);
        if (reaped == pid) {
            forget(pid);
            return true;
        }
        if (reaped < 0)
            harness_fail("process %d is not our child: %s", (int)pid, strerror(errno));
        if (harness_now_ms() >= deadline)
            return false;
        harness_sleep_ms(1);
    }
}

void process_kill(pid_t pid) {
    int status;
    kill(pid, SIGKILL);
    if (!process_wait(pid, 10000, &status))
        harness_fail("process %d survives SIGKILL", (int)pid);
}

size_t process_bytes(pid_t pid, const char *field) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    char *text = file_read(path, NULL);
    const char *at = text == NULL ? NULL : strstr(text, field);
    if (at == NULL || at[strlen(field)] != ':')
        harness_fail("%s tells no %s", path, field);
    size_t kilobytes = strtoull(at + strlen(field) + 1, NULL, 10);
    free(text);
    return kilobytes * 1024;
}

/* Moves bytes in both directions until the program closes its output; false at the deadline. */
static bool converse(int in, int out, const char *input, size_t input_length, uint64_t deadline,
                     struct process_result *result) {
    size_t sent = 0, capacity = 0;
    for (;;) {
        uint64_t now = harness_now_ms();
        if (in >= 0 && (sent == input_length || now >= deadline)) {
            close(in);
            in = -1;
        }
        if (now >= deadline)
            return false;
        struct pollfd polled[2] = {{.fd = out, .events = POLLIN}, {.fd = in, .events = POLLOUT}};
        if (poll(polled, 2, (int)(deadline - now)) <= 0)
            continue;
        if (in >= 0 && polled[1].revents != 0) {
            ssize_t written = write(in, input + sent, input_length - sent);
            sent = written > 0 ? sent + (size_t)written : errno == EAGAIN ? sent : input_length;
        }
        if (polled[0].revents == 0)
            continue;
        if (capacity - result->length < 65536) {
            capacity = capacity * 2 + 131072;
            result->output = realloc(result->output, capacity);
        }
        ssize_t got = read(out, result->output + result->length, capacity - result->length - 1);
        if (got <= 0)
            break;
        result->length += (size_t)got;
    }
    if (in >= 0)
        close(in);
    return true;
}

void process_run(const char *const *argv, const void *input, size_t input_length, uint64_t timeout_ms,
                 struct process_result *result) {
    int in[2], out[2], status = 0;
    signal(SIGPIPE, SIG_IGN);
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        harness_fail("no pipe: %s", strerror(errno));
    *result = (struct process_result){.status = -1, .output = calloc(1, 1)};
    uint64_t deadline = harness_now_ms() + timeout_ms;
    pid_t pid = start(argv, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    result->in_time = converse(in[1], out[0], input, input_length, deadline, result) &&
                      process_wait(pid, timeout_ms, &status);
    if (result->in_time)
        result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    else
        process_kill(pid);
    close(out[0]);
    result->output[result->length] = '\0';
}
