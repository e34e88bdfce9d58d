/* SPDX-License-Identifier: MIT */
/*
 * The process: arguments, configuration, signals, and the loop that turns the node.
 *
 * The node's turn runs in a prepare watcher: after the callbacks of the last poll have filled the buffers, before the next
 * poll may sleep. One timer wakes the loop when the node wants to be turned without news; it sets nothing off by itself. Where
 * work comes soon the poll does not sleep (busy_poll.h, slice.h): then a poll that brought nothing is no turn.
 */
#include <errno.h>
#include <ev.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "busy_poll.h"
#include "conf.h"
#include "logger.h"
#include "node.h"
#include "slice.h"
#include "tools.h"
#include "version.h"

enum { CPU_LOOK_US = 1000, SHORT_TURN_US = 100, LONG_TURN_US = 200, TURNS = 16 };

struct process {
    struct ev_loop *loop;
    struct conf *conf;
    struct node *node;
    struct logger *logger;
    ev_prepare prepare;
    ev_check check;
    ev_timer timer;
    ev_idle idle; /* active while the node has more to do, or waits awake: the poll does not sleep */
    ev_signal terminate, interrupt;
    struct busy_poll busy_poll;
    bool waiting;                      /* the last turn left nothing to do */
    bool awake;                        /* it waits awake */
    uint64_t held_until_us;            /* for this wait; then a turn is due. 0: it is for none */
    uint64_t turns_us;                 /* of the last turns, about TURNS of them */
    bool turns_long;                   /* at the mean */
    bool came;                         /* the last poll brought something */
    uint64_t polled_us;                /* when the last poll returned */
    uint64_t looked_us, looked_cpu_us; /* when the CPU's clock was looked at last; what it said */
};

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

/* The first of all that the poll brought. */
static void on_check(struct ev_loop *loop, ev_check *watcher, int events) {
    (void)events;
    struct process *process = watcher->data;
    process->came = ev_pending_count(loop) > 0;
    process->polled_us = instant_mono_us();
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events) {
    (void)loop, (void)watcher, (void)events; /* it only ends the poll */
}

/* The poll, which did not sleep, brought nothing. */
static void on_idle(struct ev_loop *loop, ev_idle *watcher, int events) {
    (void)loop, (void)events;
    struct process *process = watcher->data;
    process->came = false;
}

static void arm(struct process *process, uint64_t now_ms) {
    uint64_t deadline_ms = node_deadline_ms(process->node);
    ev_timer_stop(process->loop, &process->timer);
    ev_timer_set(&process->timer, deadline_ms > now_ms ? (double)(deadline_ms - now_ms) / 1000.0 : 0.0, 0.0);
    ev_now_update(process->loop);
    ev_timer_start(process->loop, &process->timer);
}

/* Short slices (slice.h) would cut into pieces a turn that does much: a loop that has such turns wants the usual ones. */
static void fit_slice(struct process *process) {
    if (process->turns_us > TURNS * LONG_TURN_US)
        process->turns_long = true;
    else if (process->turns_us < TURNS * SHORT_TURN_US)
        process->turns_long = false;
    slice_short(process->conf->busy_poll_us > 0 && !process->turns_long);
}

/* At the CPU's clock: what was used since the last look. */
static uint64_t look(struct process *process, uint64_t now_us) {
    uint64_t before_us = process->looked_cpu_us;
    process->looked_us = now_us;
    process->looked_cpu_us = instant_cpu_us();
    return process->looked_cpu_us - before_us;
}

/*
 * A turn that took long, did it do much, or was it kept from the CPU? Looking at the CPU's clock is too dear for each turn: it is done
 * after those that took long, and every millisecond. So what a long one is told to have used may include what was used up to a
 * millisecond before it, and of a short one all counts.
 */
static void account(struct process *process, uint64_t took_us, uint64_t ended_us) {
    uint64_t worked_us = took_us;
    if (took_us >= CPU_LOOK_US || ended_us - process->looked_us >= CPU_LOOK_US) {
        uint64_t used_us = look(process, ended_us);
        worked_us = used_us < took_us ? used_us : took_us;
    }
    process->turns_us += took_us - process->turns_us / TURNS;
    node_stalled(process->node, took_us);
    node_worked(process->node, worked_us);
}

static void poll_again(struct process *process, bool again) {
    if (again)
        ev_idle_start(process->loop, &process->idle);
    else
        ev_idle_stop(process->loop, &process->idle);
}

static void wait_ends(struct process *process) {
    if (process->waiting && (process->came || process->awake)) {
        uint64_t awake_us = busy_poll_end(&process->busy_poll, process->polled_us);
        node_waited_awake(process->node, awake_us);
        if (awake_us >= CPU_LOOK_US) /* what that used is not the turn's */
            (void)look(process, process->polled_us);
    }
    process->waiting = false;
}

static void wait_begins(struct process *process, uint64_t now_us) {
    enum busy_poll_kind kind = node_expects(process->node) ? BUSY_POLL_EXPECTS : BUSY_POLL_ANY;
    uint64_t most_us = process->conf->busy_poll_us;
    process->held_until_us = node_holds_until_us(process->node);
    if (process->held_until_us) {
        kind = BUSY_POLL_HOLDS;
        most_us = process->held_until_us > now_us ? process->held_until_us - now_us : 0;
    }
    fit_slice(process);
    busy_poll_begin(&process->busy_poll, kind, now_us, most_us);
    process->waiting = true;
    process->awake = busy_poll_pays(&process->busy_poll, now_us);
}

/* Nothing came. False: it is time for a turn all the same. */
static bool wait_on(struct process *process) {
    uint64_t now_us = instant_mono_us();
    if (process->held_until_us && now_us >= process->held_until_us)
        return false;
    process->awake = busy_poll_pays(&process->busy_poll, now_us);
    if (process->awake)
        sched_yield();
    poll_again(process, process->awake);
    return true;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events) {
    (void)events;
    struct process *process = watcher->data;
    if (process->awake && !process->came && wait_on(process))
        return;
    wait_ends(process);
    struct instant begun = instant_now();
    bool more = node_turn(process->node, &begun);
    uint64_t ended_us = instant_mono_us();
    if (process->polled_us)
        account(process, ended_us - process->polled_us, ended_us);
    if (node_ended(process->node) != NODE_RUNNING) {
        ev_break(loop, EVBREAK_ALL);
        more = true;
    }
    process->awake = false;
    if (!more)
        wait_begins(process, ended_us);
    poll_again(process, more || process->awake);
    arm(process, ended_us / 1000);
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int events) {
    (void)loop, (void)events;
    struct process *process = watcher->data;
    node_stop(process->node);
}

/* The first ^C asks, the second insists. */
static void on_interrupt(struct ev_loop *loop, ev_signal *watcher, int events) {
    struct process *process = watcher->data;
    ev_signal_stop(loop, watcher);
    signal(SIGINT, SIG_DFL);
    node_stop(process->node);
    (void)events;
}

static void start_watchers(struct process *process) {
    struct ev_loop *loop = process->loop;
    ev_prepare_init(&process->prepare, on_prepare);
    ev_check_init(&process->check, on_check);
    ev_set_priority(&process->check, EV_MAXPRI);
    ev_timer_init(&process->timer, on_timer, 0.0, 0.0);
    ev_idle_init(&process->idle, on_idle);
    ev_signal_init(&process->terminate, on_terminate, SIGTERM);
    ev_signal_init(&process->interrupt, on_interrupt, SIGINT);
    process->prepare.data = process->check.data = process->idle.data = process;
    process->terminate.data = process->interrupt.data = process;
    ev_prepare_start(loop, &process->prepare);
    ev_check_start(loop, &process->check);
    ev_signal_start(loop, &process->terminate);
    ev_signal_start(loop, &process->interrupt);
}

static void stop_watchers(struct process *process) {
    ev_prepare_stop(process->loop, &process->prepare);
    ev_check_stop(process->loop, &process->check);
    ev_timer_stop(process->loop, &process->timer);
    ev_idle_stop(process->loop, &process->idle);
    ev_signal_stop(process->loop, &process->terminate);
    ev_signal_stop(process->loop, &process->interrupt);
}

static void write_pid(const char *path) {
    FILE *file = path[0] ? fopen(path, "we") : NULL;
    if (!file)
        return;
    fprintf(file, "%ld\n", (long)getpid());
    fclose(file);
}

static void warn(void *logger, const char *text) {
    log_warning(logger, "%s", text);
}

static int serve(struct conf *conf) {
    struct process process = {.loop = ev_default_loop(EVFLAG_AUTO), .conf = conf};
    process.logger = logger_new(conf->logfile, conf->loglevel);
    if (!process.logger || !process.loop) {
        fprintf(stderr, "redraft: cannot open the log file %s: %s\n", conf->logfile, strerror(errno));
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    conf_warnings(conf, warn, process.logger);
    log_notice(process.logger, "redraft %s (Redis %s's commands), pid %ld, %s", REDRAFT_VERSION,
               REDRAFT_REDIS_VERSION, (long)getpid(), conf->file[0] ? conf->file : "no configuration file");

    struct instant begun = instant_now();
    process.node = node_new(process.loop, conf, process.logger, &begun);
    if (!process.node) {
        logger_free(process.logger);
        return 1;
    }
    log_notice(process.logger, "node %llu listens on port %u, data in %s", (unsigned long long)conf->raft_id,
               conf->port, conf->dir);
    write_pid(conf->pidfile);
    start_watchers(&process);
    ev_run(process.loop, 0);
    enum node_end end = node_ended(process.node);
    stop_watchers(&process);
    node_free(process.node);
    if (conf->pidfile[0])
        unlink(conf->pidfile);
    log_notice(process.logger, "redraft ends%s",
               end == NODE_STOPPED ? ", bye" : ": it cannot go on; see above");
    logger_free(process.logger);
    ev_loop_destroy(process.loop);
    return end == NODE_STOPPED ? 0 : 1;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static int help(FILE *to) {
    fputs(
        "redraft: a Redis-protocol server whose data is replicated by Raft and kept in SQLite\n\n"
        "usage: redraft [file | -] [--directive value ...]    serve (- reads the configuration from "
        "standard input)\n"
        "       redraft --check [file] [--directive value ...]  say whether a configuration is valid\n"
        "       redraft --restore <backup> [file] [--directive value ...]  make a new cluster of one of it\n"
        "       redraft --recover [--yes] [file] [--directive value ...]  the way out of a lost quorum: this "
        "node alone goes on\n"
        "       redraft --version | --help\n\n"
        "Without a file it runs a durable single node on 127.0.0.1:6379 with its data in ./data.\n\n"
        "Directives, with their defaults:\n\n",
        to);
    conf_help(to);
    return to == stdout ? 0 : 1;
}

static int load(struct conf *conf, int argc, char **argv) {
    const char *path = argc > 0 && (argv[0][0] != '-' || strcmp(argv[0], "-") == 0) ? argv[0] : NULL;
    char why[CONF_WHY_MAX];
    conf_init(conf);
    if (conf_load(conf, path, argc - (path != NULL), argv + (path != NULL), why))
        return 0;
    fprintf(stderr, "*** FATAL CONFIG FILE ERROR (redraft %s) ***\n%s\n", REDRAFT_VERSION, why);
    return 1;
}

static void print_warning(void *context, const char *text) {
    (void)context;
    printf("note: %s\n", text);
}

static int check(int argc, char **argv) {
    static struct conf conf;
    if (load(&conf, argc, argv) != 0)
        return 1;
    conf_warnings(&conf, print_warning, NULL);
    printf("%s is valid: node %llu of %zu, port %u, data in %s\n",
           conf.file[0] ? conf.file : "the configuration", (unsigned long long)conf.raft_id, conf.node_count,
           conf.port, conf.dir);
    return 0;
}

static int restore(int argc, char **argv) {
    static struct conf conf;
    if (argc < 1 || strncmp(argv[0], "--", 2) == 0) {
        fputs("redraft: --restore needs the backup's file: redraft --restore <backup> [file]\n", stderr);
        return 1;
    }
    return load(&conf, argc - 1, argv + 1) == 0 ? tools_restore(&conf, argv[0]) : 1;
}

static int recover(int argc, char **argv) {
    static struct conf conf;
    bool sure = argc > 0 && strcmp(argv[0], "--yes") == 0;
    return load(&conf, argc - sure, argv + sure) == 0 ? tools_recover(&conf, sure) : 1;
}

/* One arena for all threads. They seldom allocate at the same time; and another one grows by 4 KB and a system call, which is half of what
 * the system does while a thread loads a million keys. */
static void set_allocator(void) {
    mallopt(M_ARENA_MAX, 1);
}

int main(int argc, char **argv) {
    static struct conf conf;
    set_allocator();
    const char *first = argc > 1 ? argv[1] : "";
    if (strcmp(first, "--version") == 0 || strcmp(first, "-v") == 0) {
        printf("redraft v=%s redis=%s malloc=libc bits=64\n", REDRAFT_VERSION, REDRAFT_REDIS_VERSION);
        return 0;
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
        return help(stdout);
    if (strcmp(first, "--check") == 0)
        return check(argc - 2, argv + 2);
    if (strcmp(first, "--restore") == 0)
        return restore(argc - 2, argv + 2);
    if (strcmp(first, "--recover") == 0)
        return recover(argc - 2, argv + 2);
    return load(&conf, argc - 1, argv + 1) == 0 ? serve(&conf) : 1;
}
