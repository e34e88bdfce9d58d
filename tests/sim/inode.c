/* SPDX-License-Identifier: MIT */
/*
 * A file is two images: what the processes see (`seen`), and what the platter holds (`durable`); between them the writes
 * that no sync has followed. A sync moves them over. When the power goes, of each waiting write any 512-byte sectors
 * arrive, or none, or all, and what arrived is all there is:
 *
 *      write 1   |######|######|          crash      |######|......|
 *      write 2          |######|######|   ----->            |......|######|        any subset, in any order
 *
 * Bytes beside a torn write stay what they were (SQLite's powersafe overwrite, as its unix layer claims). When only the process
 * dies, the system still has everything. A sync that fails leaves the images different for good, and no later sync mends it:
 * the system calls such pages clean.
 *
 * A write past the cache goes to both images when it is done. The system writes out what the cache has of the same bytes before, or it
 * would come later and undo it; that alone is not durable, and what waits beside those bytes goes on waiting:
 *
 *      waiting           |######|######|######|
 *      past the cache           |@@@@@@|               durable when it returns
 *      waiting           |######|      |######|
 */
#include "inode.h"

#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { SECTOR = 512, WAITING_MAX = 64 };

struct image {
    uint8_t *bytes;
    int64_t size, capacity;
};

struct write { /* bytes NULL: the file was cut at `at` */
    struct write *next;
    int64_t at;
    size_t length;
    uint8_t *bytes;
};

struct inode {
    struct image seen, durable;
    struct write *writes, **writes_end; /* not synced, oldest first */
    size_t write_count;
    unsigned references;
    struct locks locks;
};

/* ---- images ----------------------------------------------------------------------------------------------- */

static void image_grow(struct image *image, int64_t size) {
    if (size > image->capacity) {
        image->capacity = size * 2;
        image->bytes = realloc(image->bytes, (size_t)image->capacity);
        if (!image->bytes)
            abort();
    }
    if (size > image->size) {
        memset(image->bytes + image->size, 0, (size_t)(size - image->size));
        image->size = size;
    }
}

static void image_put(struct image *image, int64_t at, const uint8_t *bytes, size_t length) {
    if (length == 0)
        return;
    image_grow(image, at + (int64_t)length);
    memcpy(image->bytes + at, bytes, length);
}

static void image_do(struct image *image, const struct write *write) {
    if (write->bytes)
        image_put(image, write->at, write->bytes, write->length);
    else if (image->size > write->at)
        image->size = write->at;
}

/* ---- writes that wait ------------------------------------------------------------------------------------- */

static struct write *write_new(int64_t at, const uint8_t *bytes, size_t length) {
    struct write *write = calloc(1, sizeof *write);
    if (!write)
        abort();
    write->at = at;
    write->length = length;
    if (bytes) {
        write->bytes = malloc(length);
        if (!write->bytes)
            abort();
        memcpy(write->bytes, bytes, length);
    }
    return write;
}

static void write_free(struct write *write) {
    free(write->bytes);
    free(write);
}

static struct write *shift(struct inode *inode) {
    struct write *write = inode->writes;
    inode->writes = write->next;
    if (!inode->writes)
        inode->writes_end = &inode->writes;
    inode->write_count--;
    return write;
}

static void push(struct inode *inode, struct write *write) {
    *inode->writes_end = write;
    inode->writes_end = &write->next;
    inode->write_count++;
}

void inode_settle(struct inode *inode, bool reach) {
    while (inode->writes) {
        struct write *write = shift(inode);
        if (reach)
            image_do(&inode->durable, write);
        write_free(write);
    }
}

void inode_write(struct inode *inode, int64_t at, const void *bytes, size_t length, bool small) {
    struct write *write = write_new(at, bytes, length);
    image_do(&inode->seen, write);
    push(inode, write);
    if (small && inode->write_count > WAITING_MAX) {
        write = shift(inode);
        image_do(&inode->durable, write);
        write_free(write);
    }
}

void inode_cut(struct inode *inode, int64_t size) {
    struct write *write = write_new(size, NULL, 0);
    image_do(&inode->seen, write);
    push(inode, write);
}

/* ---- crashes ---------------------------------------------------------------------------------------------- */

enum tear { TEAR_ALL_LOST, TEAR_ALL_KEPT, TEAR_SECTORS, TEAR_TAIL, TEAR_KINDS };

static bool arrives(enum tear tear, size_t number, size_t kept) {
    switch (tear) {
    case TEAR_ALL_LOST:
        return false;
    case TEAR_ALL_KEPT:
        return true;
    case TEAR_SECTORS:
        return sim_chance(50);
    default:
        return number < kept || (number == kept && sim_chance(50));
    }
}

/* True when some of it is lost. */
static bool tear_write(struct inode *inode, const struct write *write, enum tear tear, size_t number,
                       size_t kept) {
    if (!write->bytes) {
        bool arrived = arrives(tear, number, kept);
        if (arrived)
            image_do(&inode->durable, write);
        return !arrived;
    }
    bool lost = false;
    for (size_t done = 0, length; done < write->length; done += length) {
        int64_t at = write->at + (int64_t)done;
        length = (size_t)(SECTOR - at % SECTOR);
        if (length > write->length - done)
            length = write->length - done;
        if (arrives(tear, number, kept))
            image_put(&inode->durable, at, write->bytes + done, length);
        else
            lost = true;
    }
    return lost;
}

void inode_crash(struct inode *inode, const char *path) {
    enum tear tear = (enum tear)sim_below(TEAR_KINDS);
    size_t kept = (size_t)sim_below(inode->write_count + 1);
    bool any = inode->writes != NULL, lost = false, wal = strstr(path, "-wal") != NULL;
    for (size_t number = 0; inode->writes; number++) {
        struct write *write = shift(inode);
        lost |= tear_write(inode, write, tear, number, kept);
        write_free(write);
    }
    if (any)
        sim_trace("%s: %s of what was not synced is lost", path, lost ? "some" : "nothing");
    if (lost)
        sim_cover(COVER_LOST_WRITES, 1);
    if (any && wal && (tear == TEAR_SECTORS || tear == TEAR_TAIL))
        sim_cover(COVER_TORN_WALS, 1);
    inode->seen.size = 0;
    image_put(&inode->seen, 0, inode->durable.bytes, (size_t)inode->durable.size);
}

/* ---- past the cache --------------------------------------------------------------------------------------- */

static bool is_cut(const struct inode *inode) {
    const struct write *write = inode->writes;
    while (write && write->bytes)
        write = write->next;
    return write != NULL;
}

/* Takes [from, to) out of what waits. The disk has been given it, and may have it. */
static void write_out(struct inode *inode, int64_t from, int64_t to) {
    struct write *old = inode->writes, *next;
    inode->writes = NULL;
    inode->writes_end = &inode->writes;
    inode->write_count = 0;
    for (; old; old = next) {
        int64_t begin = old->at, end = begin + (int64_t)old->length;
        next = old->next;
        old->next = NULL;
        if (end <= from || begin >= to) {
            push(inode, old);
            continue;
        }
        int64_t first = begin > from ? begin : from, last = end < to ? end : to;
        struct write *piece = write_new(first, old->bytes + (first - begin), (size_t)(last - first));
        tear_write(inode, piece, TEAR_SECTORS, 0, 0);
        write_free(piece);
        if (begin < from)
            push(inode, write_new(begin, old->bytes, (size_t)(from - begin)));
        if (end > to)
            push(inode, write_new(to, old->bytes + (to - begin), (size_t)(end - to)));
        write_free(old);
    }
}

static void make_way(struct inode *inode, int64_t at, size_t length) {
    if (is_cut(inode))
        inode_settle(inode, true); /* a change of the size is journalled, and the write waits for that */
    else
        write_out(inode, at, at + (int64_t)length);
}

void inode_write_through(struct inode *inode, int64_t at, const void *bytes, size_t length) {
    make_way(inode, at, length);
    image_put(&inode->seen, at, bytes, length);
    image_put(&inode->durable, at, bytes, length);
}

void inode_tear_through(struct inode *inode, int64_t at, const void *bytes, size_t length) {
    struct write *write = write_new(at, bytes, length);
    make_way(inode, at, length);
    tear_write(inode, write, TEAR_SECTORS, 0, 0);
    write_free(write);
    int64_t have = inode->durable.size - at;
    if (have > 0)
        image_put(&inode->seen, at, inode->durable.bytes + at,
                  have < (int64_t)length ? (size_t)have : length);
}

/* ---- the rest --------------------------------------------------------------------------------------------- */

struct inode *inode_new(void) {
    struct inode *inode = calloc(1, sizeof *inode);
    if (!inode)
        abort();
    inode->writes_end = &inode->writes;
    return inode;
}

struct inode *inode_ref(struct inode *inode) {
    inode->references++;
    return inode;
}

void inode_unref(struct inode *inode) {
    if (--inode->references > 0)
        return;
    inode_settle(inode, false);
    free(inode->seen.bytes);
    free(inode->durable.bytes);
    free(inode);
}

struct locks *inode_locks(struct inode *inode) {
    return &inode->locks;
}

int64_t inode_size(const struct inode *inode) {
    return inode->seen.size;
}

size_t inode_read(const struct inode *inode, int64_t at, void *bytes, size_t length) {
    const struct image *image = &inode->seen;
    size_t have = image->size > at ? (size_t)(image->size - at) : 0;
    if (have > length)
        have = length;
    if (have > 0)
        memcpy(bytes, image->bytes + at, have);
    memset((char *)bytes + have, 0, length - have);
    return have;
}
