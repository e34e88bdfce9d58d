/* SPDX-License-Identifier: MIT */
/*
 * Bytes on their way out: own ones, in one buffer, and shared ones that are sent from where they are. A
 * shared run remembers after how many own bytes it stands, so both go out in the order in which they were
 * put in:
 *
 *     own       | header A | header B      | tail B |
 *     shared               ^ entry A       ^ entry B
 *     sent      | header A | entry A | header B | entry B | tail B |
 *
 * An entry is thus encoded once and sent to every peer without being copied; who owns it hears when it may
 * go.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_KEPT = 64 * 1024 };

static void check(const struct outbox *outbox) {
    assert(outbox->first <= outbox->end && outbox->end <= outbox->capacity);
    assert(outbox->first < outbox->end || (outbox->first_sent == 0 && outbox->shared_bytes == 0));
}

static void make_room(struct outbox *outbox) {
    size_t count = outbox->end - outbox->first;
    if (outbox->first > 0 && outbox->first >= count) {
        memmove(outbox->shared, outbox->shared + outbox->first, count * sizeof *outbox->shared);
        outbox->first = 0;
        outbox->end = count;
        return;
    }
    outbox->capacity = outbox->capacity > 0 ? outbox->capacity * 2 : 16;
    outbox->shared = realloc(outbox->shared, outbox->capacity * sizeof *outbox->shared);
    if (!outbox->shared)
        abort();
}

void outbox_share(struct outbox *outbox, const void *bytes, size_t length, void (*release)(void *owner),
                  void *owner) {
    check(outbox);
    if (length == 0) {
        release(owner);
        return;
    }
    if (outbox->end == outbox->capacity)
        make_room(outbox);
    outbox->shared[outbox->end++] =
        (struct outbox_shared){.at = outbox->own_sent + resp_buf_length(&outbox->own),
                               .bytes = bytes,
                               .length = length,
                               .release = release,
                               .owner = owner};
    outbox->shared_bytes += length;
}

size_t outbox_length(const struct outbox *outbox) {
    return resp_buf_length(&outbox->own) + outbox->shared_bytes;
}

static struct iovec part(const char *bytes, size_t length) {
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
}

size_t outbox_parts(const struct outbox *outbox, struct iovec *parts, size_t max) {
    check(outbox);
    uint64_t at = outbox->own_sent, end = at + resp_buf_length(&outbox->own);
    size_t count = 0, skip = outbox->first_sent;
    for (size_t i = outbox->first; i < outbox->end && count < max; i++, skip = 0) {
        const struct outbox_shared *shared = &outbox->shared[i];
        assert(shared->at >= at && shared->at <= end);
        if (shared->at > at)
            parts[count++] = part(resp_buf_bytes(&outbox->own) + (at - outbox->own_sent), shared->at - at);
        at = shared->at;
        if (count < max)
            parts[count++] = part(shared->bytes + skip, shared->length - skip);
    }
    if (end > at && count < max)
        parts[count++] = part(resp_buf_bytes(&outbox->own) + (at - outbox->own_sent), end - at);
    return count;
}

/* `length` own bytes, or as many as stand before the next shared run; returns how many. */
static size_t own_sent(struct outbox *outbox, size_t length) {
    size_t before = resp_buf_length(&outbox->own);
    if (outbox->first < outbox->end)
        before = outbox->shared[outbox->first].at - outbox->own_sent;
    if (before > length)
        before = length;
    resp_buf_consume(&outbox->own, before, OWN_KEPT);
    outbox->own_sent += before;
    return before;
}

static void release_first(struct outbox *outbox) {
    struct outbox_shared shared = outbox->shared[outbox->first++];
    outbox->shared_bytes -= shared.length - outbox->first_sent;
    outbox->first_sent = 0;
    if (outbox->first == outbox->end)
        outbox->first = outbox->end = 0;
    shared.release(shared.owner);
}

void outbox_sent(struct outbox *outbox, size_t length) {
    assert(length <= outbox_length(outbox));
    for (;;) {
        length -= own_sent(outbox, length);
        if (length == 0)
            break;
        size_t left = outbox->shared[outbox->first].length - outbox->first_sent;
        size_t sent = left < length ? left : length;
        outbox->first_sent += sent;
        outbox->shared_bytes -= sent;
        length -= sent;
        if (sent == left)
            release_first(outbox);
    }
    check(outbox);
}

void outbox_close(struct outbox *outbox) {
    while (outbox->first < outbox->end)
        release_first(outbox);
    resp_buf_close(&outbox->own);
    free(outbox->shared);
    *outbox = (struct outbox){0};
}
