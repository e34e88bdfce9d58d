/* SPDX-License-Identifier: MIT */
/*
 * The store's log alone: commits of one size at a fixed rate, with the log's beginning cut away behind them as a
 * node does it, through store_log_run as its worker calls it. `make bench-log`.
 *
 *      bench_log [--only words] [--csv file] [dir]
 *
 * A commit is due at even intervals and its latency begins when it was due; what is due when the thread comes back shares a transaction,
 * as in the worker's queue. So housekeeping that takes too long is seen. A rate of 0: one commit after the other.
 *
 * Beside it the disk alone: as many bytes at the same rate, over and over the same 4 MB of a file, as the log writes them: the whole
 * blocks around them past the system's cache (src/store/straight.c), or one write and one fdatasync where the file system does not take
 * that. A disk whose own p99.9 is ten times its median lets no log do better. The two take turns, a part of a second each, for a virtual
 * machine's disk has seconds in which nothing is quick.
 *
 * Bytes are what the process hands to the disk (write_bytes of /proc/self/io: whole pages of the system's cache), per byte of entries;
 * calls are its writes (syscw); CPU is the process's own and the system's for it.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../src/store/store.h"

enum {
    ENTRY_BYTES = 150,           /* of a SET of 100 bytes */
    ENTRY_BYTES_MAX = 66 * 1000, /* of several */
    ENTRIES_MAX = 64,
    COMMITS_MAX = 1000000,
    CUT_BYTES = 32 * 1024 * 1024, /* when the log has so many the older half goes */
    FILL_COUNT = 256,             /* entries of a transaction that fills it */
    RUN_COMMITS = 3000,
    RUN_BYTES_MAX = 2000 * 1000 * 1000, /* fewer commits of large ones */
    RATE_COMMITS = 5000,                /* at a rate: p99.9 is the fifth from the top */
    TURNS = 50,
    WARM_COMMITS_MAX = 10000,
    DISK_BYTES = 4 * 1024 * 1024, /* for the disk alone */
    BLOCK = 4096,
};
static const char incarnation[] = "00112233445566778899aabbccddeeff00112233";

/* Commits of so many entries of so many bytes, so many MB of them a second. */
struct row {
    const char *name;
    unsigned entries, bytes;
    double mb_per_s;
};

static const struct row rows[] = {
    {"one small write", 1, ENTRY_BYTES, 0},
    {"25 small writes", 1, 25 * ENTRY_BYTES, 0},
    {"50 x 16 small writes", 1, 120000, 0},
    {"25 of 1 KB", 1, 25 * 1080, 0},
    {"one of 10 KB", 1, 10300, 0},
    {"7 KB at 20 MB/s", 1, 7 * 1024, 20},
    {"15 KB at 20 MB/s", 1, 15 * 1024, 20},
    {"30 KB at 20 MB/s", 1, 30 * 1024, 20},
    {"60 KB at 20 MB/s", 1, 60 * 1024, 20},
    {"50 x 16 of 1 KB", 13, ENTRY_BYTES_MAX, 0},
    {"50 x 16 of 10 KB", 125, ENTRY_BYTES_MAX, 0},
};

struct use {
    double cpu_s;
    uint64_t written, calls, reads;
};

struct run {
    const struct row *row;
    /* One transaction of `count` commits, the first of which was due at `due`, each `every` later. */
    void (*commit)(struct run *run, unsigned count, double due, double every);
    int disk;   /* of the disk alone */
    int direct; /* ... the same file past the system's cache; -1: not that way */
    size_t disk_at;
    struct store_log *log;
    const char *dir;
    raft_index last;
    uint64_t log_bytes, payload, commits, transactions;
    raft_index first, cut_to; /* cut_to: a cut is under way; 0: none is */
    uint64_t disk_bytes, disk_max;
    struct use used;
    double *latencies_ms;
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t field(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static struct use use_now(void) {
    struct rusage usage;
    char text[1024] = "";
    FILE *io = fopen("/proc/self/io", "r");
    if (io) {
        text[fread(text, 1, sizeof text - 1, io)] = '\0';
        fclose(io);
    }
    getrusage(RUSAGE_SELF, &usage);
    return (struct use){
        .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        .written = field(text, "\nwrite_bytes:"),
        .calls = field(text, "\nsyscw:"),
        .reads = field(text, "\nsyscr:"),
    };
}

/* ---- a commit -------------------------------------------------------------------------------------------------------- */

static struct store_job *save_job(struct run *run) {
    static uint8_t noise[256 * 1024];
    struct store_job *job = store_job_new(STORE_SAVE);
    if (!noise[0])
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)(i * 2654435761u >> 13) | 1;
    job->entries.count = run->row->entries;
    job->entries.at = calloc(job->entries.count, sizeof *job->entries.at);
    if (!job->entries.at)
        abort();
    for (size_t i = 0; i < job->entries.count; i++) {
        job->entries.at[i] = (struct raft_entry){.index = ++run->last, .term = 1, .type = RAFT_ENTRY_COMMAND};
        job->entries.at[i].data = raft_blob_new(run->row->bytes);
        memcpy(job->entries.at[i].data->bytes, noise + run->last % 1000, run->row->bytes);
        run->payload += run->row->bytes;
    }
    return job;
}

static struct store_job *cut_job(struct run *run) {
    if (run->cut_to == 0 && run->log_bytes > CUT_BYTES)
        run->cut_to = run->first + (run->last - run->first) / 2;
    if (run->cut_to == 0)
        return NULL;
    struct store_job *job = store_job_new(STORE_COMPACT);
    job->through = run->cut_to;
    return job;
}

/* What of the directory is the log's. */
static void for_each_file(const char *dir, void (*take)(struct run *run, const char *path), struct run *run) {
    char path[512];
    DIR *open = opendir(dir);
    for (struct dirent *entry; open && (entry = readdir(open));) {
        snprintf(path, sizeof path, "%.200s/%.200s", dir, entry->d_name);
        if (strncmp(entry->d_name, "raft", 4) == 0)
            take(run, path);
    }
    if (open)
        closedir(open);
}

static void add_file(struct run *run, const char *path) {
    struct stat status;
    if (stat(path, &status) == 0)
        run->disk_bytes += (uint64_t)status.st_size;
}

static void see_disk(struct run *run) {
    run->disk_bytes = 0;
    for_each_file(run->dir, add_file, run);
    if (run->disk_bytes > run->disk_max)
        run->disk_max = run->disk_bytes;
}

/* Frees the batch; what a node would learn of it. */
static void take(struct run *run, struct worker_job *batch) {
    for (struct worker_job *next; batch; batch = next) {
        struct store_job *job = (struct store_job *)batch;
        next = batch->next;
        if (job->failed) {
            fprintf(stderr, "bench_log: %s\n", job->why);
            exit(1);
        }
        run->log_bytes = job->log_bytes;
        run->first = job->first_index;
        if (job->type == STORE_COMPACT) {
            run->cut_to = 0;
            see_disk(run);
        }
        store_job_free(job);
    }
}

static void count_commits(struct run *run, unsigned count, double due, double every) {
    double done = now_s();
    for (unsigned i = 0; i < count && run->commits < COMMITS_MAX; i++)
        run->latencies_ms[run->commits++] = 1e3 * (done - due - i * every);
    run->transactions++;
}

static void commit_to_log(struct run *run, unsigned count, double due, double every) {
    struct worker_job *batch = NULL, **end = &batch;
    struct store_job *cut = cut_job(run);
    for (unsigned i = 0; i < count; i++, end = &(*end)->next)
        *end = &save_job(run)->job;
    if (cut)
        *end = &cut->job;
    store_log_run(run->log, batch);
    count_commits(run, count, due, every);
    take(run, batch);
    store_log_run(run->log, NULL);
}

static _Alignas(BLOCK) uint8_t disk_bytes[DISK_BYTES];

/* False: the file system does not take that. */
static bool write_straight(const struct run *run, size_t length) {
    size_t begin = run->disk_at / BLOCK * BLOCK, end = (run->disk_at + length + BLOCK - 1) / BLOCK * BLOCK;
    struct iovec blocks = {disk_bytes, end - begin};
    return run->direct >= 0 &&
           pwritev2(run->direct, &blocks, 1, (off_t)begin, RWF_DSYNC) == (ssize_t)blocks.iov_len;
}

static void commit_to_disk(struct run *run, unsigned count, double due, double every) {
    size_t length = (size_t)count * run->row->entries * run->row->bytes;
    run->payload += length;
    if (length > DISK_BYTES)
        length = DISK_BYTES;
    if (run->disk_at + length > DISK_BYTES)
        run->disk_at = 0;
    if (!write_straight(run, length) &&
        (pwrite(run->disk, disk_bytes, length, (off_t)run->disk_at) != (ssize_t)length ||
         fdatasync(run->disk) != 0)) {
        perror("bench_log");
        exit(1);
    }
    run->disk_at += length;
    count_commits(run, count, due, every);
}

/* ---- a run ----------------------------------------------------------------------------------------------------------- */

static void sleep_until(double due) {
    struct timespec at = {(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void drive_for(struct run *run, uint64_t bytes) {
    double rate = run->row->mb_per_s * 1e6 / (run->row->bytes * run->row->entries);
    double every = rate > 0 ? 1 / rate : 0, due = now_s();
    for (double now = due; run->payload < bytes; now = now_s()) {
        if (rate == 0) {
            run->commit(run, 1, now, 0);
            continue;
        }
        if (due > now)
            sleep_until(due);
        unsigned count = 1 + (unsigned)((now > due ? now - due : 0) / every);
        if (count > ENTRIES_MAX)
            count = ENTRIES_MAX;
        run->commit(run, count, due, every);
        due += count * every;
    }
}

/* The log has its length, and cutting it has begun. */
static void fill(struct run *run) {
    while (run->log_bytes <= CUT_BYTES || run->cut_to > 0)
        commit_to_log(run, FILL_COUNT / run->row->entries, now_s(), 0);
    while (run->log_bytes <= CUT_BYTES)
        commit_to_log(run, FILL_COUNT / run->row->entries, now_s(), 0);
}

static int order(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double at_part(const struct run *run, double part) {
    size_t at = (size_t)((double)run->commits * part);
    return run->latencies_ms[at < run->commits ? at : run->commits - 1];
}

static void sort_latencies(struct run *run) {
    qsort(run->latencies_ms, run->commits, sizeof *run->latencies_ms, order);
}

static void say(const struct run *run, const struct run *disk, FILE *csv) {
    const struct use *used = &run->used;
    double n = (double)run->transactions, bytes = (double)used->written;
    double median = at_part(run, 0.5), most = at_part(run, 0.999);
    printf("%-21s %7" PRIu64
           " | %6.2f %6.2f %7.2f %5.1f | %7.0f %5.2f | %6.1f %6.1f %6.1f | %6.2f | %6.2f %6.2f %7.2f %5.1f\n",
           run->row->name, run->commits, median, at_part(run, 0.99), most, most / median, bytes / n,
           bytes / (double)run->payload, (double)used->calls / n, (double)used->reads / n,
           1e6 * used->cpu_s / n, (double)run->disk_max / 1e6, at_part(disk, 0.5), at_part(disk, 0.99),
           at_part(disk, 0.999), at_part(disk, 0.999) / at_part(disk, 0.5));
    if (csv)
        fprintf(csv, "%s,%" PRIu64 ",%.3f,%.3f,%.3f,%.0f,%.3f,%.2f,%.2f,%.2f,%" PRIu64 ",%.3f,%.3f,%.3f\n",
                run->row->name, run->commits, median, at_part(run, 0.99), most, bytes / n,
                bytes / (double)run->payload, (double)used->calls / n, (double)used->reads / n,
                1e6 * used->cpu_s / n, run->disk_max, at_part(disk, 0.5), at_part(disk, 0.99),
                at_part(disk, 0.999));
    fflush(stdout);
}

static void open_log(struct run *run) {
    struct store_boot boot;
    char why[STORE_WHY_MAX];
    if (store_log_open(run->dir, 1, incarnation, &run->log, &boot, why) != STORE_OK) {
        fprintf(stderr, "bench_log: %s\n", why);
        exit(1);
    }
    store_log_thread(run->log);
    struct store_job *term = store_job_new(STORE_SAVE);
    term->has_vote = true;
    term->vote.term = term->vote.vote = 1;
    store_log_run(run->log, &term->job);
    take(run, &term->job);
}

static void remove_file(struct run *run, const char *path) {
    (void)run;
    unlink(path);
}

static void remove_files(const char *dir) {
    for_each_file(dir, remove_file, NULL);
}

static struct run new_run(const struct row *row, const char *dir,
                          void (*commit)(struct run *run, unsigned count, double due, double every)) {
    struct run run = {.row = row, .dir = dir, .commit = commit, .direct = -1};
    run.latencies_ms = malloc(COMMITS_MAX * sizeof *run.latencies_ms);
    if (!run.latencies_ms)
        abort();
    return run;
}

static void open_disk(struct run *run, const char path[512]) {
    const struct row *row = run->row;
    run->disk = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (unsigned i = 0; i < DISK_BYTES / (row->entries * row->bytes) + 1; i++)
        commit_to_disk(run, 1, now_s(), 0); /* its blocks are there */
    run->commits = run->payload = 0;
    run->direct = open(path, O_WRONLY | O_DIRECT);
}

static void close_disk(struct run *run, const char path[512]) {
    if (run->direct >= 0)
        close(run->direct);
    close(run->disk);
    unlink(path);
}

/* Until the log has had its beginning cut away some times: from there on it has the files that it needs, and uses them again. */
static void warm_up(struct run *run) {
    const struct row *row = run->row;
    struct row at_once = *row;
    uint64_t commit = (uint64_t)row->entries * row->bytes, commits = 3 * CUT_BYTES / commit;
    at_once.mb_per_s = 0;
    run->row = &at_once;
    drive_for(run, commit * (commits < WARM_COMMITS_MAX ? commits : WARM_COMMITS_MAX));
    run->row = row;
    run->commits = run->transactions = run->payload = 0;
}

static void drive_counted(struct run *run, uint64_t bytes) {
    struct use before = use_now();
    drive_for(run, run->payload + bytes);
    struct use after = use_now();
    run->used.cpu_s += after.cpu_s - before.cpu_s;
    run->used.written += after.written - before.written;
    run->used.calls += after.calls - before.calls;
    run->used.reads += after.reads - before.reads;
}

static void run_row(const struct row *row, const char *dir, FILE *csv) {
    uint64_t commits = row->mb_per_s > 0 ? RATE_COMMITS : RUN_COMMITS,
             commit = (uint64_t)row->entries * row->bytes;
    if (commits > RUN_BYTES_MAX / commit)
        commits = RUN_BYTES_MAX / commit;
    uint64_t bytes = commits / TURNS * commit;
    struct run run = new_run(row, dir, commit_to_log), disk = new_run(row, dir, commit_to_disk);
    char path[512];
    snprintf(path, sizeof path, "%s/disk", dir);
    remove_files(dir);
    open_disk(&disk, path);
    open_log(&run);
    fill(&run);
    warm_up(&run);
    for (int turn = 0; turn < TURNS; turn++) {
        drive_counted(&run, bytes);
        drive_for(&disk, disk.payload + bytes);
    }
    store_log_close(run.log);
    close_disk(&disk, path);
    remove_files(dir);
    sort_latencies(&run);
    sort_latencies(&disk);
    say(&run, &disk, csv);
    free(run.latencies_ms);
    free(disk.latencies_ms);
}

int main(int argc, char **argv) {
    const char *dir = "build/bench/log", *only = NULL;
    FILE *csv = NULL;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--csv") == 0 && i + 1 < argc)
            csv = fopen(argv[++i], "w");
        else
            dir = argv[i];
    if (csv)
        fprintf(
            csv,
            "load,commits,p50_ms,p99_ms,p999_ms,bytes_per_commit,bytes_per_payload_byte,writes_per_commit,"
            "reads_per_commit,cpu_us_per_commit,wal_bytes_max,disk_p50_ms,disk_p99_ms,disk_p999_ms\n");
    printf(
        "%-21s %7s | %6s %6s %7s %5s | %7s %5s | %6s %6s %6s | %6s | the disk alone: p50, p99, p99.9, /p50\n",
        "", "commits", "p50 ms", "p99", "p99.9", "/p50", "bytes", "/byte", "writes", "reads", "CPU us",
        "log MB");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!only || strstr(rows[i].name, only))
            run_row(&rows[i], dir, csv);
    if (csv)
        fclose(csv);
    return 0;
}
