/* SPDX-License-Identifier: MIT */
#include "drive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const char *const drive_names[DRIVE_KINDS] = {
    [DRIVE_SET] = "SET",     [DRIVE_GET] = "GET",   [DRIVE_MIX] = "90/10",
    [DRIVE_INCR] = "INCR",   [DRIVE_MSET] = "MSET", [DRIVE_HSET] = "HSET",
    [DRIVE_LPUSH] = "LPUSH", [DRIVE_ZADD] = "ZADD", [DRIVE_DAY] = "mixed",
};

enum { READ_BYTES = 256 * 1024, EVENTS = 256, PATIENCE_MS = 20000, CONNECTIONS_MAX = 100000 };

static uint64_t seed_base;

void drive_seed(uint64_t seed) {
    seed_base = seed;
}

/* ---- latencies: 32 steps to a doubling, so 3 % off at most ------------------------------------------------------- */

enum { STEP_BITS = 5, STEPS = 1 << STEP_BITS, BUCKETS = 40 * STEPS };

struct latencies {
    uint64_t count, max_us, at[BUCKETS];
};

static size_t bucket_of(uint64_t us) {
    unsigned doublings = us < STEPS ? 0 : 64 - (unsigned)__builtin_clzll(us) - 1 - STEP_BITS;
    size_t bucket = (size_t)doublings * STEPS + (size_t)(us >> doublings);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The middle of what falls into it. */
static double of_bucket(size_t bucket) {
    if (bucket < (size_t)2 * STEPS)
        return (double)bucket;
    unsigned doublings = (unsigned)(bucket / STEPS) - 1;
    return ((double)(bucket - (size_t)doublings * STEPS) + 0.5) * (double)(1ULL << doublings);
}

static double percentile_ms(const struct latencies *latencies, double part) {
    uint64_t below = 0, rank = (uint64_t)(part * (double)latencies->count);
    for (size_t i = 0; i < BUCKETS; i++)
        if ((below += latencies->at[i]) > rank)
            return of_bucket(i) / 1000;
    return (double)latencies->max_us / 1000;
}

/* ---- connections ----------------------------------------------------------------------------------------------------- */

struct drive_connection {
    int fd;
    void *state;
    const char *bytes; /* of its pipeline, not sent yet */
    size_t length;
    unsigned missing; /* replies */
    uint64_t due_us;
};

struct driving {
    const struct speaker *speaker;
    const struct drive_load *load;
    struct drive_connection *at;
    unsigned *idle; /* a stack of those that wait to be due */
    unsigned idle_count;
    int epoll;
    double interval_us; /* between pipelines; 0: none is kept */
    double next_due_us;
    uint64_t requests, begun_us, end_us;
    bool ending;
    unsigned busy;
    struct latencies latencies;
    char *why;
};

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool fails(struct driving *driving, const char *why) {
    if (driving->why[0] == '\0')
        snprintf(driving->why, 256, "%s", why);
    return false;
}

static bool flush(struct driving *driving, struct drive_connection *connection) {
    while (connection->length > 0) {
        ssize_t sent = send(connection->fd, connection->bytes, connection->length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0)
            return fails(driving, strerror(errno));
        connection->bytes += sent;
        connection->length -= (size_t)sent;
    }
    struct epoll_event event = {.events = EPOLLIN | (connection->length > 0 ? EPOLLOUT : 0),
                                .data.u32 = (uint32_t)(connection - driving->at)};
    if (connection->length > 0)
        epoll_ctl(driving->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    return true;
}

static bool begin(struct driving *driving, struct drive_connection *connection, uint64_t due_us) {
    connection->due_us = due_us;
    connection->missing = driving->load->pipeline;
    connection->bytes = driving->speaker->next(connection->state, &connection->length);
    driving->busy++;
    return flush(driving, connection);
}

static bool ended(struct driving *driving, struct drive_connection *connection, uint64_t now) {
    uint64_t took = now - connection->due_us;
    driving->latencies.at[bucket_of(took)]++;
    driving->latencies.count++;
    if (took > driving->latencies.max_us)
        driving->latencies.max_us = took;
    driving->requests += driving->load->pipeline;
    driving->busy--;
    if (driving->interval_us == 0 && !driving->ending)
        return begin(driving, connection, now);
    driving->idle[driving->idle_count++] = (unsigned)(connection - driving->at);
    return true;
}

static bool begin_due(struct driving *driving, uint64_t now) {
    while (!driving->ending && driving->idle_count > 0 && driving->next_due_us <= (double)now) {
        struct drive_connection *connection = &driving->at[driving->idle[--driving->idle_count]];
        if (!begin(driving, connection, (uint64_t)driving->next_due_us))
            return false;
        driving->next_due_us += driving->interval_us;
    }
    return true;
}

static bool receive(struct driving *driving, struct drive_connection *connection) {
    static char bytes[READ_BYTES];
    ssize_t length = recv(connection->fd, bytes, sizeof bytes, 0);
    if (length < 0 && errno == EAGAIN)
        return true;
    if (length <= 0)
        return fails(driving, length == 0 ? "it has closed a connection" : strerror(errno));
    int done = driving->speaker->take(connection->state, bytes, (size_t)length, driving->why);
    if (done < 0)
        return false;
    size_t also = 0;
    const char *more = driving->speaker->also ? driving->speaker->also(connection->state, &also) : NULL;
    if (also > 0 && send(connection->fd, more, also, MSG_NOSIGNAL) != (ssize_t)also)
        return fails(driving, "it does not take what the protocol has to say");
    if ((unsigned)done > connection->missing)
        return fails(driving, "it answers more than it was asked");
    connection->missing -= (unsigned)done;
    return done == 0 || connection->missing > 0 || ended(driving, connection, now_us());
}

/* Until the next request is due, or long; not at all when the last reply has come. A sleep, for the servers are on the same cores: who spins takes one from them, and who
 * yields does it for its own session only. */
static struct timespec wait_for(const struct driving *driving, uint64_t now) {
    double us = driving->ending && driving->busy == 0 ? 0 : 1e5;
    if (driving->interval_us > 0 && driving->idle_count > 0 && !driving->ending)
        us = driving->next_due_us > (double)now ? driving->next_due_us - (double)now : 0;
    return (struct timespec){(time_t)(us / 1e6), (long)(us * 1e3) % 1000000000};
}

static bool turn(struct driving *driving) {
    struct epoll_event events[EVENTS];
    uint64_t now = now_us();
    driving->ending = driving->ending || now >= driving->end_us;
    if (driving->interval_us > 0 && !begin_due(driving, now))
        return false;
    struct timespec wait = wait_for(driving, now);
    int count = epoll_pwait2(driving->epoll, events, EVENTS, &wait, NULL);
    for (int i = 0; i < count; i++) {
        struct drive_connection *connection = &driving->at[events[i].data.u32];
        if ((events[i].events & EPOLLOUT) && !flush(driving, connection))
            return false;
        if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !receive(driving, connection))
            return false;
    }
    return now < driving->end_us + (uint64_t)PATIENCE_MS * 1000 || fails(driving, "replies are missing");
}

static bool open_one(struct driving *driving, struct drive_connection *connection, unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return fails(driving, strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    unsigned index = (unsigned)(connection - driving->at);
    connection->state = driving->speaker->open(driving->load, index + seed_base * CONNECTIONS_MAX);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(driving->epoll, EPOLL_CTL_ADD, connection->fd, &event);
    driving->idle[driving->idle_count++] = index;
    return true;
}

static bool run(struct driving *driving, unsigned port, uint64_t run_ms) {
    for (unsigned i = 0; i < driving->load->connections; i++)
        if (!open_one(driving, &driving->at[i], port))
            return false;
    driving->begun_us = now_us();
    driving->end_us = driving->begun_us + run_ms * 1000;
    driving->next_due_us = (double)driving->begun_us;
    while (driving->interval_us == 0 && driving->idle_count > 0)
        if (!begin(driving, &driving->at[driving->idle[--driving->idle_count]], now_us()))
            return false;
    while (!driving->ending || driving->busy > 0)
        if (!turn(driving))
            return false;
    return true;
}

bool drive(const struct speaker *speaker, unsigned port, const struct drive_load *load, uint64_t run_ms,
           double rate, struct drive_result *result, char why[256]) {
    static struct driving driving;
    driving =
        (struct driving){.speaker = speaker, .load = load, .why = why, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    driving.at = calloc(load->connections, sizeof *driving.at);
    driving.idle = calloc(load->connections, sizeof *driving.idle);
    driving.interval_us = rate > 0 ? 1e6 * load->pipeline / rate : 0;
    why[0] = '\0';
    bool ok = run(&driving, port, run_ms);
    *result = (struct drive_result){
        .requests = driving.requests,
        .seconds = (double)(now_us() - driving.begun_us) / 1e6,
        .p50_ms = percentile_ms(&driving.latencies, 0.5),
        .p99_ms = percentile_ms(&driving.latencies, 0.99),
        .p999_ms = percentile_ms(&driving.latencies, 0.999),
        .max_ms = (double)driving.latencies.max_us / 1000,
    };
    for (unsigned i = 0; i < load->connections; i++) {
        if (driving.at[i].state)
            speaker->close(driving.at[i].state);
        if (driving.at[i].fd > 0)
            close(driving.at[i].fd);
    }
    close(driving.epoll);
    free(driving.at);
    free(driving.idle);
    return ok;
}
