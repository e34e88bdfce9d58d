/* SPDX-License-Identifier: MIT */
/*
 * A run of bytes that is filled at its back and consumed at its front.
 *
 *      0          start                end          capacity
 *      | consumed |  live ............ |  room ...... |
 *
 * Nothing is moved to the front for each consumed command: the live bytes slide down only when the room at
 * the back does not suffice and at least a quarter as many bytes have been consumed, so that a byte is
 * moved a bounded number of times on average. Growth doubles up to 1 MB; beyond that it goes on in steps
 * of 1 MB or an eighth, whichever is more: a large buffer wastes little, and a value that comes in small
 * pieces is still copied in linear time.
 */
#include "resp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 64, STEP = 1024 * 1024, SHRINK_RATIO = 4 };

static void check(const struct resp_buf *buf) {
    assert(buf->start <= buf->end);
    assert(buf->end <= buf->capacity);
    assert((buf->bytes == NULL) == (buf->capacity == 0));
}

void resp_buf_close(struct resp_buf *buf) {
    check(buf);
    free(buf->bytes);
    *buf = (struct resp_buf){0};
}

/* The capacity to allocate for `needed` bytes when there are `capacity` now. */
static size_t grown(size_t capacity, size_t needed) {
    assert(needed > capacity);
    if (needed >= STEP) {
        size_t step = capacity / 8 > STEP ? capacity / 8 : STEP;
        size_t goal = capacity >= STEP && needed < capacity + step ? capacity + step : needed;
        if (goal > SIZE_MAX / 2)
            abort();
        return (goal + STEP - 1) / STEP * STEP;
    }
    size_t goal = capacity > CAPACITY_MIN ? capacity : CAPACITY_MIN;
    while (goal < needed)
        goal *= 2;
    return goal;
}

static void set_capacity(struct resp_buf *buf, size_t capacity) {
    assert(capacity >= buf->end && capacity > 0);
    char *bytes = realloc(buf->bytes, capacity);
    if (!bytes)
        abort();
    buf->bytes = bytes;
    buf->capacity = capacity;
}

static void slide(struct resp_buf *buf) {
    size_t length = resp_buf_length(buf);
    memmove(buf->bytes, buf->bytes + buf->start, length);
    buf->start = 0;
    buf->end = length;
}

/* Kept apart from resp_buf_reserve, so that its usual case stays short. */
static void make_room(struct resp_buf *buf, size_t length) {
    size_t live = resp_buf_length(buf);
    if (buf->start > 0 && buf->start >= live / 4)
        slide(buf);
    if (length > SIZE_MAX / 2 - buf->end)
        abort();
    if (buf->capacity - buf->end < length)
        set_capacity(buf, grown(buf->capacity, buf->end + length));
}

char *resp_buf_reserve(struct resp_buf *buf, size_t length) {
    check(buf);
    if (buf->capacity - buf->end < length || !buf->bytes)
        make_room(buf, length > 0 ? length : 1);
    assert(buf->capacity - buf->end >= length);
    return buf->bytes + buf->end;
}

void resp_buf_commit(struct resp_buf *buf, size_t length) {
    assert(length <= buf->capacity - buf->end);
    buf->end += length;
}

void resp_buf_append(struct resp_buf *buf, const void *bytes, size_t length) {
    if (length == 0)
        return;
    memcpy(resp_buf_reserve(buf, length), bytes, length);
    buf->end += length;
}

void resp_buf_consume(struct resp_buf *buf, size_t length, size_t keep_max) {
    check(buf);
    assert(length <= resp_buf_length(buf));
    buf->start += length;
    size_t live = resp_buf_length(buf);
    if (live == 0)
        buf->start = buf->end = 0;
    if (buf->capacity <= keep_max ||
        (length == 0 && live > 0)) /* room may have been made for what is awaited */
        return;
    if (live == 0) {
        resp_buf_close(buf);
    } else if (live <= keep_max && live <= buf->capacity / SHRINK_RATIO) {
        slide(buf);
        set_capacity(buf, live > CAPACITY_MIN ? live : CAPACITY_MIN);
    }
}

void resp_buf_truncate(struct resp_buf *buf, size_t length) {
    check(buf);
    assert(length <= resp_buf_length(buf));
    buf->end = buf->start + length;
}
