/* SPDX-License-Identifier: MIT */
/*
 * The least that any replicated log does, as a yardstick: a bar that it does not reach on a machine is not that machine's.
 *
 *      bare <port> <file>                     the follower: appends what is sent to it, says so when it is on the disk
 *      bare <port> <file> <follower's port>   the leader: for clients that SET, and nothing else
 *
 *      clients -- SETs --> leader -- their bytes --> follower
 *                          its file                  its file      both write at the same time, one write that syncs (O_DIRECT, RWF_DSYNC)
 *      clients <-- +OK --- leader <----- done ------ follower      one file after the other would take two syncs
 *
 * Two copies, as a majority of three has; no third, no term, no checksum, no keys, no thread, so that no hand-over is left that could be saved: client,
 * leader, follower, leader, client. A command is seven ends of lines. And it knows what no server can: all that are connected ask again as soon as
 * they are answered (drive.c), so each write waits for all of them, or until nobody has come for a millisecond, and is as large as it can be. (With
 * hundreds of them there may be a faster way: to serve some while others wait for the disk.)
 */
#define _GNU_SOURCE /* O_DIRECT, pwritev2 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    BLOCK = 4096,
    FILE_BYTES = 64 << 20, /* written before, then over and over */
    BATCH_MAX = 16 << 20,
    READ_MAX = 256 * 1024,
    CLIENTS_MAX = 4096,
    PATIENCE_MS = 1,
    LINES = 7, /* of a SET: *3 $3 SET $n key $n value */
};

struct client {
    int fd;
    uint64_t lines, answered; /* ends of lines that came; commands that were answered */
};

static uint8_t *batch; /* what clients sent since the last write */
static size_t length;
static int file;
static off_t at;
static struct client clients[CLIENTS_MAX];
static size_t client_count, asking /* of them have a whole command here */;

static void die(const char *doing) {
    fprintf(stderr, "bare: %s: %s\n", doing, strerror(errno));
    exit(1);
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static void open_file(const char *path) {
    if (posix_memalign((void **)&batch, BLOCK, BATCH_MAX) != 0)
        die("memory");
    memset(batch, 0, BATCH_MAX);
    file = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
    if (file < 0)
        die(path);
    for (off_t filled = 0; filled < FILE_BYTES; filled += BATCH_MAX)
        if (pwrite(file, batch, BATCH_MAX, filled) != BATCH_MAX)
            die(path);
    if (fsync(file) != 0)
        die(path);
}

/* The batch, in whole blocks, durably. */
static void append(void) {
    struct iovec piece = {batch, (length + BLOCK - 1) / BLOCK * BLOCK};
    if (at + (off_t)piece.iov_len > FILE_BYTES)
        at = 0;
    if (pwritev2(file, &piece, 1, at, RWF_DSYNC) != (ssize_t)piece.iov_len)
        die("write");
    at += (off_t)piece.iov_len;
}

/* ---- wires --------------------------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(const char *port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
}

static int no_delay(int fd) {
    int yes = 1;
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0)
        die("a connection");
    return fd;
}

static int listen_at(const char *port) {
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, CLIENTS_MAX) != 0)
        die("listen");
    return fd;
}

static void send_all(int fd, const void *bytes, size_t left) {
    for (const char *next = bytes; left > 0;) {
        ssize_t sent = send(fd, next, left, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        next += sent;
        left -= (size_t)sent;
    }
}

/* False: the other side has ended. */
static bool receive_all(int fd, void *bytes, size_t wanted) {
    return recv(fd, bytes, wanted, MSG_WAITALL) == (ssize_t)wanted;
}

/* ---- the follower -------------------------------------------------------------------------------------------- */

static void follow(const char *port) {
    int leader = no_delay(accept(listen_at(port), NULL, NULL));
    while (receive_all(leader, &length, sizeof length) && receive_all(leader, batch, length)) {
        append();
        send_all(leader, &length, sizeof length);
    }
}

/* ---- the leader ---------------------------------------------------------------------------------------------- */

static bool asks(const struct client *client) {
    return client->lines / LINES > client->answered;
}

static void take_client(int epoll, int listener) {
    struct client *client = &clients[client_count];
    if (client_count == CLIENTS_MAX)
        die("too many clients");
    *client = (struct client){.fd = no_delay(accept(listener, NULL, NULL))};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = client_count++};
    epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event);
}

/* The last one takes its place. */
static void lose_client(int epoll, struct client *client) {
    asking -= asks(client);
    close(client->fd);
    *client = clients[--client_count];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(client - clients)};
    if (client_count > event.data.u64)
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void read_client(int epoll, struct client *client) {
    size_t room = BATCH_MAX - length < READ_MAX ? BATCH_MAX - length : READ_MAX;
    ssize_t came = recv(client->fd, batch + length, room, MSG_DONTWAIT);
    bool asked = asks(client);
    if (came < 0 && errno == EAGAIN)
        return; /* the event was that of one whose place it has taken */
    if (came <= 0) {
        lose_client(epoll, client);
        return;
    }
    for (const uint8_t *byte = batch + length, *end = byte + came;
         (byte = memchr(byte, '\n', (size_t)(end - byte))); byte++)
        client->lines++;
    length += (size_t)came;
    asking += !asked && asks(client);
}

static void answer(struct client *client) {
    static const char ok[] = "+OK\r\n";
    static char replies[1000 * (sizeof ok - 1)];
    for (size_t filled = 0; asks(client); filled = 0) {
        for (; asks(client) && filled < sizeof replies; client->answered++, filled += sizeof ok - 1)
            memcpy(replies + filled, ok, sizeof ok - 1);
        send_all(client->fd, replies, filled);
    }
}

static void commit(int follower) {
    size_t done;
    send_all(follower, &length, sizeof length);
    send_all(follower, batch, length);
    append();
    if (!receive_all(follower, &done, sizeof done))
        die("the follower has ended");
    length = 0;
    asking = 0;
    for (size_t i = 0; i < client_count; i++)
        answer(&clients[i]);
}

static void lead(const char *port, const char *follower_port) {
    struct sockaddr_in address = loopback(follower_port);
    int follower = no_delay(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        epoll = epoll_create1(EPOLL_CLOEXEC);
    while (connect(follower, (struct sockaddr *)&address, sizeof address) != 0)
        if (errno != ECONNREFUSED || usleep(10000) != 0) /* it fills its file */
            die("connect");
    int listener = listen_at(port);
    struct epoll_event events[256], listens = {.events = EPOLLIN, .data.u64 = CLIENTS_MAX};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listens);
    for (;;) {
        int count = epoll_wait(epoll, events, 256,
                               asking == 0             ? -1
                               : asking < client_count ? PATIENCE_MS
                                                       : 0);
        for (int i = 0; i < count; i++)
            if (events[i].data.u64 == CLIENTS_MAX)
                take_client(epoll, listener);
            else if (events[i].data.u64 < client_count)
                read_client(epoll, &clients[events[i].data.u64]);
        if (asking > 0 && (count == 0 || length > BATCH_MAX / 2))
            commit(follower);
    }
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) {
        fputs("bare: see the head of redis-tests/bench/bare.c\n", stderr);
        return 2;
    }
    open_file(argv[2]);
    if (argc == 3)
        follow(argv[1]);
    else
        lead(argv[1], argv[3]);
    return 0;
}
