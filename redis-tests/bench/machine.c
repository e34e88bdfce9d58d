/* SPDX-License-Identifier: MIT */
/*
 * What this machine takes for what no server can avoid, so that a ratio can be read beside its ceiling.
 *
 *      disk, one and two writers   redis-server by itself waits for one write to the disk, a majority of three nodes on that disk for two at
 *                                  once: from one connection, no ratio to it can be above the quotient of the two
 *      a system call               a virtual machine whose kernel keeps its pages apart pays ten times as much for each as another
 *      a wake-up                   of a thread on another CPU that slept for 0.3 ms; a command from one connection meets one for each hop
 */
#define _GNU_SOURCE /* pipe2, pthread_setaffinity_np */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"

enum { SAMPLES = 101, CALLS = 1000, PAUSE_US = 300 };

struct writer {
    char path[64];
    double ms;
    int error;
};

/* The median: 4 KB written over what is there, then fdatasync. */
static void *write_blocks(void *context) {
    struct writer *writer = context;
    double took[SAMPLES];
    char block[4096];
    memset(block, 'x', sizeof block);
    int fd = open(writer->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    for (size_t i = 0; i <= SAMPLES && writer->error == 0; i++) {
        uint64_t begun_us = harness_now_us();
        if (fd < 0 || pwrite(fd, block, sizeof block, 0) < 0 || fdatasync(fd) != 0)
            writer->error = errno;
        if (i > 0)
            took[i - 1] = (double)(harness_now_us() - begun_us) / 1000;
    }
    if (fd >= 0)
        close(fd);
    unlink(writer->path);
    writer->ms = figures_quantile(took, SAMPLES, 0.5);
    return NULL;
}

static double disk_ms(bool two) {
    struct writer writers[] = {{.path = "build/bench/fdatasync"}, {.path = "build/bench/fdatasync2"}};
    pthread_t other;
    if (two && pthread_create(&other, NULL, write_blocks, &writers[1]) != 0)
        harness_fail("cannot start a thread");
    write_blocks(&writers[0]);
    if (two)
        pthread_join(other, NULL);
    for (size_t i = 0; i <= two; i++)
        if (writers[i].error != 0)
            harness_fail("cannot write below build/bench: %s", strerror(writers[i].error));
    return writers[0].ms;
}

static double system_call_us(void) {
    double took[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        uint64_t begun_us = harness_now_us();
        for (int call = 0; call < CALLS; call++)
            (void)getppid();
        took[i] = (double)(harness_now_us() - begun_us) / CALLS;
    }
    return figures_quantile(took, SAMPLES, 0.5);
}

static void stay_on(long cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* where it may not be used, it is not */
}

/* Each that comes says when it was sent. */
static void *be_woken(void *context) {
    static double took[SAMPLES];
    const int *ends = context;
    uint64_t sent_us;
    stay_on(sysconf(_SC_NPROCESSORS_ONLN) - 1);
    for (size_t i = 0; i < SAMPLES; i++) {
        if (read(ends[0], &sent_us, sizeof sent_us) != sizeof sent_us)
            harness_fail("cannot read a pipe: %s", strerror(errno));
        took[i] = (double)(harness_now_us() - sent_us);
    }
    return took;
}

static double wake_up_us(void) {
    int ends[2];
    cpu_set_t all;
    pthread_t sleeper;
    void *took;
    pthread_getaffinity_np(pthread_self(), sizeof all, &all);
    if (pipe2(ends, O_CLOEXEC) != 0 || pthread_create(&sleeper, NULL, be_woken, ends) != 0)
        harness_fail("cannot start a thread");
    stay_on(0);
    for (size_t i = 0; i < SAMPLES; i++) {
        usleep(PAUSE_US);
        uint64_t now_us = harness_now_us();
        if (write(ends[1], &now_us, sizeof now_us) != sizeof now_us)
            harness_fail("cannot write to a pipe: %s", strerror(errno));
    }
    pthread_join(sleeper, &took);
    pthread_setaffinity_np(pthread_self(), sizeof all, &all);
    close(ends[0]);
    close(ends[1]);
    return figures_quantile(took, SAMPLES, 0.5);
}

void say_ceilings(void) {
    double alone_ms = disk_ms(false), two_ms = disk_ms(true);
    say("           4 KB and fdatasync: %.2f ms, where two write at once %.2f\n", alone_ms, two_ms);
    say("           a system call: %.2f us, a wake-up: %.0f us\n", system_call_us(), wake_up_us());
}
