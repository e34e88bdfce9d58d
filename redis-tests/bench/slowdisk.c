/* SPDX-License-Identifier: MIT */
/*
 * A cloud disk: slowdisk <milliseconds> <command> [argument...]
 *
 * Runs the command in this process, and lets each of its fsyncs, fdatasyncs and writes that sync (pwritev2 with RWF_DSYNC) begin so much
 * later. The kernel stops the system call and asks (seccomp's user notification, seccomp_unotify(2)); a child of ours says "go on" when the
 * time is over. So it holds for programs that do not call libc too, as etcd, which LD_PRELOAD does not reach. Needs root, or no_new_privs,
 * which is set.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WAITERS = 32 }; /* so many syncs wait at once */

static int listener;
static struct timespec delay;

static int install(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, RWF_DSYNC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void *wait_for_syncs(void *unused) {
    for (;;) {
        struct seccomp_notif ask;
        struct seccomp_notif_resp answer;
        memset(&ask, 0, sizeof ask);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask) != 0) {
            if (errno == EINTR || errno == ENOENT)
                continue;
            return unused;
        }
        nanosleep(&delay, NULL);
        memset(&answer, 0, sizeof answer);
        answer.id = ask.id;
        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* ENOENT: it was killed meanwhile */
    }
}

/* The filter is this process' too; it syncs nothing. */
static void let_go_in_time(void) {
    pthread_t threads[WAITERS];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[i], NULL, wait_for_syncs, NULL);
    pause();
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "slowdisk <milliseconds> <command> [argument...]\n");
        return 2;
    }
    double ms = atof(argv[1]);
    delay = (struct timespec){(time_t)(ms / 1000), (long)(ms * 1e6) % 1000000000};
    listener = install();
    if (listener < 0) {
        fprintf(stderr, "slowdisk: seccomp: %s\n", strerror(errno));
        return 2;
    }
    pid_t pid = fork();
    if (pid == 0) {
        let_go_in_time();
        return 0;
    }
    close(listener);
    execvp(argv[2], argv + 2);
    fprintf(stderr, "slowdisk: %s: %s\n", argv[2], strerror(errno));
    return 2;
}
