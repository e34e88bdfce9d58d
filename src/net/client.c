/* SPDX-License-Identifier: MIT */
/*
 * Connections that somebody opened to us.
 *
 * A client stands in up to five chains: `clients` for as long as it exists, `readable` until it is read from, `news` when the node
 * is to look at it, `touched` when the flush is to look at it, `waiting` while its socket takes no more.
 *
 *     accepted, readable ---> news ---> node ---> touched ---> flush: write, limits, ends ---> news (gone)
 *                              ^                    ^
 *             client_again -> later            writable again
 *
 * Who can be read from, and who is to be written to, is collected first and then dealt with in one system call for many (batch.c).
 *
 * Memory. What is read goes into a scratch that all share, and from there exactly what came is appended to `in`; straight into the room of
 * `in` where the node reserved much for a long argument. At the end of a turn an emptied `in` or `out` is given back unless it is
 * small: to allocate both anew for each command cost a twentieth of the rate, and ten thousand idle connections cost 3 MB by it.
 *
 * Turns stay short. Where very many have sent something at once, only so many are read from in one turn, or the leader would be silent for
 * as long as all of them take. libev shows all of them again, in the same order, so who has been read from waits until everybody has:
 *
 *     readable      A B C D E F        at most two in a turn
 *     turn 1        A B | C is left
 *     turn 2, A has sent more          (A) C D | E is left
 *     turn 3                           (A) E F | nobody is left: a new round begins
 *
 * Nor are more than that written to: what one round among the members has confirmed are the replies of all of them. The others
 * stay `touched`, in their order.
 *
 * The end of a connection. An end of file is not the end: the other end may have sent its commands, closed
 * its half and now waits for the replies. The client is `ended` first and becomes `gone` when there is
 * nothing left to wait for. An error or a limit makes it gone at once. The descriptor is closed and the
 * memory reclaimed at the end of the turn in which the node frees it, whatever libev may have had pending.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    READ_MAX = 1024 * 1024,    /* into reserved room, in one poll: keeps a turn short */
    IN_KEPT_BYTES = 256,       /* between two commands */
    OUT_KEPT_BYTES = 64,       /* between two replies */
    DRAIN_MAX = 1024 * 1024,   /* read and dropped before a close */
    CLOSE_STUCK_MS = 1000,     /* to be closed, but the socket takes nothing */
    ENDED_STUCK_MS = 10 * 1000 /* the other end has ended and takes nothing */
};

static const char full[] = "-ERR max number of clients reached\r\n";

struct client_io {
    struct client client; /* first: what the node holds is what the network holds */
    struct net *net;
    struct ev_io readable, writable;
    struct chain all, ready, news, touched, waiting;
    bool probation;    /* beyond clients_max: its first bytes must show that it is a peer */
    bool counted_peer; /* client.peer as counted */
    bool paused, held;
    bool blocked;        /* the socket took less than there was; until it is writable again */
    const char *closing; /* why it is to be gone once `out` is empty; NULL: it is not */
    bool freed;
    uint64_t round;    /* of the network's, in which it was read from last */
    uint64_t moved_ms; /* when the socket last took something, or had nothing to take */
    uint64_t soft_ms;  /* since when `out` is over the soft limit; 0: it is not */
};

static struct client_io *of_all(struct chain *node) {
    return CHAIN_ENTRY(node, struct client_io, all);
}

void clients_init(struct net *net) {
    net->round = 1;
    chain_init(&net->clients);
    chain_init(&net->readable);
    chain_init(&net->news);
    chain_init(&net->later);
    chain_init(&net->touched);
    chain_init(&net->waiting);
    chain_init(&net->freed);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static void watch_reads(struct client_io *io) {
    if (io->paused || io->closing || io->freed || io->client.gone || io->client.ended)
        ev_io_stop(io->net->loop, &io->readable);
    else
        ev_io_start(io->net->loop, &io->readable);
}

static void stop_waiting(struct client_io *io) {
    io->blocked = false;
    ev_io_stop(io->net->loop, &io->writable);
    chain_remove(&io->waiting);
}

static void lose(struct client_io *io, const char *why) {
    assert(why);
    if (io->client.gone || io->freed)
        return;
    io->client.gone = true;
    io->client.why = why;
    watch_reads(io);
    stop_waiting(io);
    chain_push(&io->net->news, &io->news);
}

static void close_for(struct client_io *io, const char *why) {
    if (!io->closing)
        io->closing = why;
    watch_reads(io);
    client_touch(&io->client);
}

/* How a first request that comes from a peer begins; so far as it has come. */
enum greeting { GREETING_UNKNOWN, GREETING_PEER, GREETING_OTHER };

static enum greeting greeting(const struct resp_buf *in) {
    static const char rest[] = "\r\n$10\r\nRAFT.HELLO";
    enum { DIGITS_MAX = 3, REST = sizeof rest - 1 };
    const char *bytes = resp_buf_bytes(in);
    size_t length = resp_buf_length(in), at = 1;
    if (length > 0 && bytes[0] != '*')
        return GREETING_OTHER;
    if (length <= 1)
        return GREETING_UNKNOWN;
    while (at < length && at <= DIGITS_MAX && isdigit((unsigned char)bytes[at]))
        at++;
    size_t shown = length - at < REST ? length - at : REST;
    if (at == 1 || strncasecmp(bytes + at, rest, shown) != 0)
        return GREETING_OTHER;
    return shown == REST ? GREETING_PEER : GREETING_UNKNOWN;
}

/* True when the node may see what came. */
static bool pass_probation(struct client_io *io) {
    struct net *net = io->net;
    size_t ordinary = net->counters.clients - net->counters.peers;
    enum greeting seen = ordinary <= net->counters.clients_max ? GREETING_PEER : greeting(&io->client.in);
    if (seen == GREETING_PEER)
        io->probation = false;
    if (seen != GREETING_OTHER)
        return seen == GREETING_PEER;
    net->counters.rejected++;
    resp_buf_close(&io->client.in);
    resp_buf_append(&io->client.out, full, sizeof full - 1);
    close_for(io, "max number of clients reached");
    return false;
}

bool client_on_probation(const struct client *client) {
    return client->io->probation;
}

/* Into the room that `in` has where that is worth it. */
static struct batch_call reading(struct client_io *io, char *scratch, size_t length) {
    struct resp_buf *in = &io->client.in;
    size_t room = in->capacity - in->end;
    if (room >= NET_SCRATCH_BYTES)
        return (struct batch_call){
            .fd = io->client.fd, .bytes = in->bytes + in->end, .length = room < READ_MAX ? room : READ_MAX};
    return (struct batch_call){.fd = io->client.fd, .bytes = scratch, .length = length};
}

static void end(struct client_io *io) {
    io->client.ended = true;
    watch_reads(io);
    if (io->probation)
        lose(io, "closed by the other end");
    chain_push(&io->net->news, &io->news);
}

/* Peers always are. */
static bool has_its_turn(struct client_io *io) {
    struct net *net = io->net;
    if (io->client.peer || io->probation)
        return true;
    if (io->round == net->round)
        return false;
    if (net->round_reads == NET_TURN_CLIENTS) {
        net->round_left = true;
        return false;
    }
    net->round_reads++;
    io->round = net->round;
    return true;
}

static void take_read(struct client_io *io, const struct batch_call *call) {
    struct net *net = io->net;
    struct resp_buf *in = &io->client.in;
    if (call->result == 0) {
        end(io);
    } else if (call->result < 0) {
        if (call->result != -EAGAIN && call->result != -EINTR)
            lose(io, strerrordesc_np((int)-call->result));
    } else {
        size_t got = (size_t)call->result;
        if (call->bytes == in->bytes + in->end)
            resp_buf_commit(in, got);
        else
            resp_buf_append(in, call->bytes, got);
        net->counters.bytes_in += got;
        io->client.last_in_ms = (uint64_t)(ev_now(net->loop) * 1000);
        if (net->options.in_bytes_max > 0 && resp_buf_length(in) > net->options.in_bytes_max)
            lose(io, "input over client-query-buffer-limit");
        else if (!io->probation || pass_probation(io))
            chain_push(&net->news, &io->news);
    }
}

static void read_one(struct client_io *io) {
    struct batch_call call = reading(io, io->net->scratch, NET_SCRATCH_BYTES);
    batch_run(NULL, &call, 1);
    take_read(io, &call);
}

static bool reads_on(const struct client_io *io) {
    return !io->client.gone && !io->client.ended && !io->closing;
}

static void read_some(struct net *net, struct client_io *const *whose, size_t count) {
    struct batch_call calls[BATCH_MAX];
    for (size_t i = 0; i < count; i++)
        calls[i] = reading(whose[i], net->shares + i * NET_SHARE_STEP, NET_SHARE_BYTES);
    batch_run(net->batch, calls, count);
    for (size_t i = 0; i < count; i++) {
        take_read(whose[i], &calls[i]);
        if (calls[i].result == NET_SHARE_BYTES && reads_on(whose[i]))
            read_one(whose[i]); /* it has more to say */
    }
}

void clients_read(struct net *net) {
    struct client_io *whose[BATCH_MAX];
    while (!chain_alone(&net->readable)) {
        size_t count = 0;
        for (struct chain *at; count < BATCH_MAX && (at = chain_pop(&net->readable)) != NULL;)
            whose[count++] = CHAIN_ENTRY(at, struct client_io, ready);
        if (count == 1)
            read_one(whose[0]);
        else
            read_some(net, whose, count);
    }
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events) {
    (void)loop, (void)events;
    struct client_io *io = watcher->data;
    struct net *net = io->net;
    assert(!io->freed && !io->client.gone);
    if (!has_its_turn(io))
        return;
    if (!net->batch) {
        read_one(io);
        return;
    }
    chain_push(&net->readable, &io->ready);
    net_poll_ends(net);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void on_writable(struct ev_loop *loop, struct ev_io *watcher, int events) {
    (void)loop, (void)events;
    struct client_io *io = watcher->data;
    stop_waiting(io);
    chain_push(&io->net->touched, &io->touched);
}

static bool has_to_send(const struct client_io *io) {
    return !io->client.gone && !io->blocked && resp_buf_length(&io->client.out) > 0;
}

static void take_sent(struct client_io *io, ssize_t sent) {
    struct resp_buf *out = &io->client.out;
    if (sent < 0 && sent != -EAGAIN && sent != -EINTR) {
        lose(io, strerrordesc_np((int)-sent));
        return;
    }
    if (sent > 0) {
        io->net->counters.bytes_out += (uint64_t)sent;
        io->moved_ms = io->net->now_ms;
        resp_buf_consume(out, (size_t)sent, OUT_KEPT_BYTES);
    }
    if (resp_buf_length(out) > 0) {
        io->blocked = true;
        ev_io_start(io->net->loop, &io->writable);
        chain_push(&io->net->waiting, &io->waiting);
    }
}

static struct batch_call sending(struct client_io *io) {
    struct resp_buf *out = &io->client.out;
    return (struct batch_call){
        .fd = io->client.fd, .sends = true, .bytes = out->bytes + out->start, .length = resp_buf_length(out)};
}

static void send_one(struct client_io *io) {
    if (!has_to_send(io))
        return;
    struct batch_call call = sending(io);
    batch_run(NULL, &call, 1);
    take_sent(io, call.result);
}

static void send_some(struct net *net, struct client_io *const *whose, size_t count) {
    struct batch_call calls[BATCH_MAX];
    struct client_io *senders[BATCH_MAX];
    size_t sends = 0;
    for (size_t i = 0; i < count; i++)
        if (has_to_send(whose[i])) {
            senders[sends] = whose[i];
            calls[sends++] = sending(whose[i]);
        }
    batch_run(net->batch, calls, sends);
    for (size_t i = 0; i < sends; i++)
        take_sent(senders[i], calls[i].result);
}

/* Clocks may be set back. */
static uint64_t elapsed_ms(uint64_t now_ms, uint64_t since_ms) {
    return now_ms > since_ms ? now_ms - since_ms : 0;
}

static size_t hard_limit(const struct client_io *io) {
    const struct net_options *options = &io->net->options;
    return io->client.listener ? options->listener_bytes_max : options->out_bytes_max;
}

void client_check_output(struct client *client) {
    size_t hard = hard_limit(client->io);
    if (!client->peer && hard > 0 && resp_buf_length(&client->out) > hard)
        lose(client->io, "output over client-output-buffer-limit (hard)");
}

static void check_limits(struct client_io *io) {
    const struct net_options *options = &io->net->options;
    bool listener = io->client.listener;
    size_t soft = listener ? options->listener_soft_bytes : options->out_soft_bytes;
    uint64_t soft_ms = (listener ? options->listener_soft_s : options->out_soft_s) * (uint64_t)1000;
    uint64_t now_ms = io->net->now_ms;
    size_t length = resp_buf_length(&io->client.out);
    if (io->client.peer)
        return;
    if (soft == 0 || length <= soft)
        io->soft_ms = 0;
    else if (io->soft_ms == 0)
        io->soft_ms = now_ms;
    if (io->soft_ms > 0 && elapsed_ms(now_ms, io->soft_ms) >= soft_ms)
        lose(io, "output over client-output-buffer-limit (soft) for too long");
    client_check_output(&io->client);
}

static void check_ends(struct client_io *io) {
    size_t length = resp_buf_length(&io->client.out);
    uint64_t stuck_ms = elapsed_ms(io->net->now_ms, io->moved_ms);
    bool awaited = io->held || io->paused || !chain_alone(&io->news);
    if (length == 0 && io->closing)
        lose(io, io->closing);
    else if (length == 0 && io->client.ended && !awaited)
        lose(io, "closed by the other end");
    else if (length > 0 && io->closing && stuck_ms >= CLOSE_STUCK_MS)
        lose(io, "closed by us; it did not take its last replies in time");
    else if (length > 0 && io->client.ended && stuck_ms >= ENDED_STUCK_MS)
        lose(io, "closed by the other end; it did not take its last replies");
}

static void count_peer(struct client_io *io) {
    if (io->counted_peer == io->client.peer)
        return;
    io->counted_peer = io->client.peer;
    if (io->client.peer)
        io->net->counters.peers++;
    else
        io->net->counters.peers--;
}

/* What it had to send has been tried. */
static void check_one(struct client_io *io) {
    struct client *client = &io->client;
    if (resp_buf_length(&client->in) == 0 && client->in.capacity > IN_KEPT_BYTES)
        resp_buf_close(&client->in);
    if (!io->blocked)
        io->moved_ms = io->net->now_ms;
    if (!client->gone)
        check_limits(io);
    if (!client->gone)
        check_ends(io);
}

static void flush_one(struct client_io *io) {
    count_peer(io);
    send_one(io);
    check_one(io);
    io->net->turn_written++;
}

static void flush_some(struct net *net, struct client_io *const *whose, size_t count) {
    for (size_t i = 0; i < count; i++)
        count_peer(whose[i]);
    send_some(net, whose, count);
    for (size_t i = 0; i < count; i++)
        check_one(whose[i]);
    net->turn_written += count;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

/* Drops what has come already: closing with unread input would reset the connection and take the last
 * reply with it. */
static void drain_and_close(struct net *net, int fd) {
    for (size_t drained = 0; drained < DRAIN_MAX;) {
        ssize_t got = recv(fd, net->scratch, NET_SCRATCH_BYTES, MSG_DONTWAIT);
        if (got <= 0)
            break;
        drained += (size_t)got;
    }
    close(fd);
}

void client_reject(struct net *net, int fd) {
    net->counters.rejected++;
    ssize_t sent = send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    net->counters.bytes_out += sent > 0 ? (uint64_t)sent : 0;
    drain_and_close(net, fd);
}

/* "ip:port" or "[ip]:port"; tells whether the ip is a loopback address. */
static bool write_address(char text[NET_ADDRESS_MAX], const struct sockaddr *address) {
    char ip[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)address;
        const uint8_t *bytes = six->sin6_addr.s6_addr;
        inet_ntop(AF_INET6, &six->sin6_addr, ip, sizeof ip);
        snprintf(text, NET_ADDRESS_MAX, "[%s]:%u", ip, ntohs(six->sin6_port));
        return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) && bytes[12] == 127);
    }
    const struct sockaddr_in *four = (const void *)address;
    inet_ntop(AF_INET, &four->sin_addr, ip, sizeof ip);
    snprintf(text, NET_ADDRESS_MAX, "%s:%u", ip, ntohs(four->sin_port));
    return ntohl(four->sin_addr.s_addr) >> 24 == 127;
}

static struct client_io *client_io_new(struct net *net, int fd) {
    struct client_io *io = calloc(1, sizeof *io);
    if (!io)
        abort();
    io->net = net;
    io->client.io = io;
    io->client.fd = fd;
    io->client.id = ++net->last_id;
    io->client.last_in_ms = (uint64_t)(ev_now(net->loop) * 1000);
    io->moved_ms = net->now_ms;
    chain_init(&io->all);
    chain_init(&io->ready);
    chain_init(&io->news);
    chain_init(&io->touched);
    chain_init(&io->waiting);
    ev_io_init(&io->readable, on_readable, fd, EV_READ);
    ev_io_init(&io->writable, on_writable, fd, EV_WRITE);
    io->readable.data = io->writable.data = io;
    return io;
}

void client_accept(struct net *net, int fd, const struct sockaddr *address, bool probation) {
    struct client_io *io = client_io_new(net, fd);
    struct sockaddr_storage local = {0};
    socklen_t length = sizeof local;
    io->client.loopback = write_address(io->client.address, address);
    getsockname(fd, (struct sockaddr *)&local, &length);
    write_address(io->client.local_address, (struct sockaddr *)&local);
    io->probation = probation;
    net->counters.connections++;
    net->counters.clients++;
    chain_push(&net->clients, &io->all);
    chain_push(&net->news, &io->news);
    watch_reads(io);
}

void client_free(struct client *client) {
    struct client_io *io = client->io;
    struct net *net = io->net;
    assert(!io->freed);
    client->peer = false;
    count_peer(io);
    net->counters.clients--;
    io->freed = true;
    watch_reads(io);
    stop_waiting(io);
    chain_remove(&io->ready);
    chain_remove(&io->news);
    chain_remove(&io->touched);
    chain_push(&net->freed, &io->touched);
}

static void reclaim(struct client_io *io) {
    struct resp_buf *out = &io->client.out;
    assert(io->freed && !ev_is_active(&io->readable) && !ev_is_pending(&io->readable));
    if (!io->client.gone && resp_buf_length(out) > 0) {
        ssize_t sent = send(io->client.fd, resp_buf_bytes(out), resp_buf_length(out), MSG_NOSIGNAL);
        io->net->counters.bytes_out += sent > 0 ? (uint64_t)sent : 0;
    }
    drain_and_close(io->net, io->client.fd);
    resp_buf_close(&io->client.in);
    resp_buf_close(out);
    chain_remove(&io->all);
    free(io);
}

static void check_waiting(struct net *net) {
    net->ticked = false;
    for (struct chain *at = net->waiting.next; at != &net->waiting; at = at->next)
        chain_push(&net->touched, &CHAIN_ENTRY(at, struct client_io, waiting)->touched);
}

static bool is_touched(const struct client_io *io) {
    return !io->freed && !chain_alone(&io->touched);
}

void clients_flush_some(struct net *net, struct client *const *clients, size_t count) {
    struct client_io *whose[BATCH_MAX];
    size_t touched = 0, most = NET_TURN_CLIENTS - net->turn_written;
    assert(count <= BATCH_MAX);
    for (size_t i = 0; i < count && touched < most; i++)
        if (is_touched(clients[i]->io)) {
            whose[touched] = clients[i]->io;
            chain_remove(&whose[touched++]->touched);
        }
    if (net->batch && touched > 1)
        flush_some(net, whose, touched);
    else
        for (size_t i = 0; i < touched; i++)
            flush_one(whose[i]);
}

/* Those that are touched, so many at most; at least one is. */
static void flush_next(struct net *net, size_t most) {
    struct client_io *whose[BATCH_MAX];
    size_t count = 0;
    for (struct chain *at; count < most && (at = chain_pop(&net->touched)) != NULL;)
        whose[count++] = CHAIN_ENTRY(at, struct client_io, touched);
    if (count > 1)
        flush_some(net, whose, count);
    else
        flush_one(whose[0]);
}

void clients_flush(struct net *net) {
    net->round += !net->round_left;
    net->round_left = false;
    net->round_reads = 0;
    if (net->ticked)
        check_waiting(net);
    while (net->turn_written < NET_TURN_CLIENTS && !chain_alone(&net->touched)) {
        size_t most = net->batch ? NET_TURN_CLIENTS - net->turn_written : 1;
        flush_next(net, most < BATCH_MAX ? most : BATCH_MAX);
    }
    net->turn_written = 0;
    for (struct chain *at; (at = chain_pop(&net->freed)) != NULL;)
        reclaim(CHAIN_ENTRY(at, struct client_io, touched));
    chain_move(&net->news, &net->later);
}

void clients_close(struct net *net) {
    for (struct chain *at = net->clients.next; at != &net->clients; at = at->next)
        if (!of_all(at)->freed)
            client_free(&of_all(at)->client);
    for (struct chain *at; (at = chain_pop(&net->freed)) != NULL;)
        reclaim(CHAIN_ENTRY(at, struct client_io, touched));
    assert(net->counters.clients == 0 && net->counters.peers == 0);
}

/* ---- what the node asks for ---------------------------------------------------------------------------- */

struct client *net_take_client(struct net *net) {
    struct chain *node = chain_pop(&net->news);
    if (!node)
        return NULL;
    struct client_io *io = CHAIN_ENTRY(node, struct client_io, news);
    assert(!io->freed);
    client_touch(&io->client);
    return &io->client;
}

void client_again(struct client *client) {
    if (!client->io->freed)
        chain_push(&client->io->net->later, &client->io->news);
}

void client_touch(struct client *client) {
    chain_push(&client->io->net->touched, &client->io->touched);
}

void client_pause(struct client *client, bool paused) {
    if (client->io->paused == paused)
        return;
    client->io->paused = paused;
    watch_reads(client->io);
    client_touch(client);
}

void client_hold(struct client *client, bool held) {
    if (client->io->held == held)
        return;
    client->io->held = held;
    client_touch(client);
}

void client_close_after_flush(struct client *client) {
    close_for(client->io, "closed by us");
}

static struct client *first_living(struct net *net, struct chain *at) {
    while (at != &net->clients && of_all(at)->freed)
        at = at->next;
    return at == &net->clients ? NULL : &of_all(at)->client;
}

struct client *net_first_client(struct net *net) {
    return first_living(net, net->clients.next);
}

struct client *net_next_client(struct client *client) {
    return first_living(client->io->net, client->io->all.next);
}

size_t client_memory(const struct client *client) {
    return sizeof(struct client_io) + client->in.capacity + client->out.capacity;
}
