/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

struct wire {
    int fd;
    uint64_t timeout_ms;
    char *bytes; /* bytes[start, end) came and were not yet taken */
    size_t start, end, capacity;
    char *text; /* what wire_ask returned last */
};

struct wire *wire_open_at(const char *host, unsigned port, uint64_t timeout_ms) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, error = 0;
    if (fd < 0)
        return NULL;
    inet_pton(AF_INET, host, &address.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        struct pollfd polled = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof(error);
        if (errno != EINPROGRESS || poll(&polled, 1, (int)timeout_ms) != 1 ||
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            close(fd);
            return NULL;
        }
    }
    struct wire *wire = calloc(1, sizeof(*wire));
    wire->fd = fd;
    wire->timeout_ms = timeout_ms;
    return wire;
}

struct wire *wire_open(unsigned port, uint64_t timeout_ms) {
    return wire_open_at("127.0.0.1", port, timeout_ms);
}

void wire_close(struct wire *wire) {
    if (wire == NULL)
        return;
    close(wire->fd);
    free(wire->bytes);
    free(wire->text);
    free(wire);
}

int wire_descriptor(const struct wire *wire) {
    return wire->fd;
}

void wire_set_timeout(struct wire *wire, uint64_t timeout_ms) {
    wire->timeout_ms = timeout_ms;
}

size_t wire_waiting(const struct wire *wire) {
    return wire->end - wire->start;
}

/* Waits for the socket; false at the deadline. */
static bool wait_for(const struct wire *wire, short events, uint64_t deadline) {
    uint64_t now = harness_now_ms();
    struct pollfd polled = {.fd = wire->fd, .events = events};
    return now < deadline && poll(&polled, 1, (int)(deadline - now)) > 0;
}

/* Takes in what has come; false when the connection is closed. */
static bool take_in(struct wire *wire) {
    if (wire->start > 0 && wire->start == wire->end)
        wire->start = wire->end = 0;
    if (wire->capacity - wire->end < 65536) {
        if (wire->start < wire->end)
            memmove(wire->bytes, wire->bytes + wire->start, wire->end - wire->start);
        wire->end -= wire->start;
        wire->start = 0;
        wire->capacity = wire->capacity * 2 + 131072;
        wire->bytes = realloc(wire->bytes, wire->capacity);
    }
    ssize_t got = read(wire->fd, wire->bytes + wire->end, wire->capacity - wire->end);
    if (got > 0)
        wire->end += (size_t)got;
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Replies are taken in while sending: two sides that both only write would wait for each other. */
bool wire_send(struct wire *wire, const void *bytes, size_t length) {
    uint64_t deadline = harness_now_ms() + wire->timeout_ms;
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(wire->fd, at, length, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            length -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return false;
        if (!wait_for(wire, POLLIN | POLLOUT, deadline))
            return false;
        struct pollfd polled = {.fd = wire->fd, .events = POLLIN};
        if (poll(&polled, 1, 0) == 1 && !take_in(wire))
            return false;
    }
    return true;
}

bool wire_send_words(struct wire *wire, const char *words) {
    size_t count = 1, length = strlen(words), used;
    for (const char *at = words; *at != '\0'; at++)
        count += *at == ' ';
    char *request = malloc(length + count * 32 + 32);
    used = (size_t)sprintf(request, "*%zu\r\n", count);
    for (const char *at = words;; at++) {
        const char *end = strchrnul(at, ' ');
        used += (size_t)sprintf(request + used, "$%zu\r\n%.*s\r\n", (size_t)(end - at), (int)(end - at), at);
        if (*end == '\0')
            break;
        at = end;
    }
    bool sent = wire_send(wire, request, used);
    free(request);
    return sent;
}

/* ---- replies --------------------------------------------------------------------------------------------- */

/* How many replies follow the header of an aggregate; -1 when it is none. A null one has none. */
static long parts_of(char type, long count) {
    if (type == '*' || type == '~' || type == '>')
        return count < 0 ? 0 : count;
    if (type == '%')
        return 2 * count;
    return -1;
}

long wire_reply_length(const char *bytes, size_t length) {
    size_t at = 0;
    for (long owed = 1; owed > 0; owed--) {
        const char *end = length > at ? memmem(bytes + at, length - at, "\r\n", 2) : NULL;
        if (end == NULL)
            return 0;
        char type = bytes[at];
        long number = strtol(bytes + at + 1, NULL, 10);
        at = (size_t)(end - bytes) + 2;
        if (strchr("+-:_#,(", type) != NULL && type != '\0')
            continue;
        if (strchr("$!=", type) != NULL && type != '\0') {
            if (number >= 0)
                at += (size_t)number + 2;
            if (at > length)
                return 0;
            continue;
        }
        long parts = parts_of(type, number);
        if (parts < 0)
            return -1;
        owed += parts;
    }
    return (long)at;
}

enum wire_result wire_read(struct wire *wire, const char **bytes, size_t *length) {
    uint64_t deadline = harness_now_ms() + wire->timeout_ms;
    for (;;) {
        long whole = wire_reply_length(wire->bytes + wire->start, wire->end - wire->start);
        if (whole < 0)
            return WIRE_CLOSED;
        if (whole > 0) {
            *bytes = wire->bytes + wire->start;
            *length = (size_t)whole;
            wire->start += (size_t)whole;
            return WIRE_OK;
        }
        if (!wait_for(wire, POLLIN, deadline))
            return WIRE_TIMEOUT;
        if (!take_in(wire))
            return WIRE_CLOSED;
    }
}

char *wire_text(const char *bytes, size_t length) {
    char *text = malloc(length * 4 + 1);
    size_t used = 0;
    while (length >= 2 && memcmp(bytes + length - 2, "\r\n", 2) == 0)
        length -= 2;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == '\r' && i + 1 < length && bytes[i + 1] == '\n') {
            text[used++] = ' ';
            i++;
        } else if (byte < 32 || byte > 126) {
            used += (size_t)sprintf(text + used, "\\x%02x", byte);
        } else {
            text[used++] = (char)byte;
        }
    }
    text[used] = '\0';
    return text;
}

const char *wire_next(struct wire *wire) {
    const char *bytes;
    size_t length;
    free(wire->text);
    wire->text = NULL;
    switch (wire_read(wire, &bytes, &length)) {
    case WIRE_CLOSED:
        return "closed";
    case WIRE_TIMEOUT:
        return "timeout";
    case WIRE_OK:
        break;
    }
    wire->text = wire_text(bytes, length);
    return wire->text;
}

const char *wire_ask(struct wire *wire, const char *words) {
    return wire_send_words(wire, words) ? wire_next(wire) : "closed";
}
