/* SPDX-License-Identifier: MIT */
/*
 * The -wal's frames, walked without SQLite.
 *
 * SQLite reads a WAL up to the first frame that does not fit and takes what is behind for a crash's leftovers: one flipped
 * bit in the middle silently takes back every commit after it. This walk tells the two apart. All numbers are big-endian
 * (the format is SQLite's: sqlite.org/fileformat2.html#walformat):
 *
 *      offset size  of the file
 *        0      4   0x377f0682, or ...83: the checksums add up big-endian words
 *        4      4   format, 3007000
 *        8      4   page size
 *       12      4   checkpoint number
 *       16      8   salts: new ones each time the WAL starts over from its beginning
 *       24      8   checksum of the 24 bytes before
 *       32          frames, 24 bytes and a page each
 *
 *      offset size  of a frame
 *        0      4   page number
 *        4      4   of a commit's last frame: the database's size in pages; else 0
 *        8      8   salts, a copy of the file's
 *       16      8   checksum of bytes 0-7 and the page, continuing the frame before (the first: the header's)
 *       24          the page
 *
 *      header | 1 2 3c | 4 5c | 6 x 8c | 9 10c | ...older salts...
 *                               ^ bad    ^ linked: fits the checksum that stands in the frame before
 *
 * The chain is summed from what stands in the frame before, so frames behind a bad one can still be told from garbage: they are
 * linked. Frames with other salts are of an earlier round: overwritten in time, no sign of anything.
 *
 * A commit is synced before the next one is begun. Hence, at a crash, only the frames of the last commit may be missing, in any
 * pattern (a disk writes blocks in any order). A linked frame behind a commit frame behind a bad frame belongs to a later commit, so
 * the bad one had been durable: damage. Linked frames up to one commit are either; the mark knows (mark.c). Whether the bad frame
 * is itself a commit frame its header tells, but for one that lies in two sectors, between the size and the salts: the new salts may have come
 * and the size of an earlier round still stand before them.
 *
 * What is read is not always what the disk holds: after a sync that failed the system may call the lost pages clean and go on
 * showing them, through any number of starts. Moved into the database they would be durable there, and yet missing in the WAL:
 *
 *      shown    WAL | 1 2c | 3c |     moved: database at 3
 *      on disk  WAL | 1 2c | ...      the power goes: SQLite replays 1 and 2 over pages that are at 3, a mixture of both
 *
 * And a commit that a segment gets behind them (segment.c) would be durable behind a hole. So the bytes are written over themselves, which makes the pages dirty again, and synced, before SQLite may move any. What stands behind the
 * last commit (a checkpoint that was being written may have left a hundred megabytes) is cut off: SQLite would not look at it.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_BYTES_MAX = STORE_FRAME_HEADER_BYTES + STORE_PAGE_BYTES,
    FRAMES_AT_ONCE = 15, /* as many as SQLite's file layer takes */
    WAL_FORMAT = 3007000,
    HEADER_SUMMED = 24,
    SECTOR = 512,            /* a disk writes it whole or not at all */
    RENEW_BYTES = 64 * 1024, /* SQLite's file layer writes less than 128 KB at once */
};
static const uint32_t WAL_MAGIC = 0x377f0682;

struct walk {
    struct store_file file;
    bool recycled;
    int64_t size;
    bool big_endian;
    uint8_t salts[8];
    const uint8_t *frame; /* the one looked at: of frame_bytes */
    int64_t frame_bytes;
    uint8_t *read; /* some that were read at once */
    int64_t read_at, read_length;
    struct store_wal_sums before; /* as they stand in the frame before it */
    struct store_wal *wal;
    uint32_t *pending; /* pages of frames that no commit frame has followed yet */
    size_t pending_count, pending_max;
    int64_t pending_first_page;
};

uint32_t store_big(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool sums_are(struct store_wal_sums sums, const uint8_t *at) {
    return sums.first == store_big(at) && sums.second == store_big(at + 4);
}

static bool is_header(const uint8_t header[STORE_WAL_HEADER_BYTES]) {
    uint32_t magic = store_big(header), page_bytes = store_big(header + 8);

    return (magic & ~1u) == WAL_MAGIC && store_big(header + 4) == WAL_FORMAT &&
           (page_bytes == STORE_PAGE_BYTES || page_bytes == STORE_LOG_PAGE_BYTES) &&
           sums_are(store_wal_sum((struct store_wal_sums){0}, magic & 1, header, HEADER_SUMMED),
                    header + HEADER_SUMMED);
}

/* False when it is not the header of a WAL of ours. */
static bool read_header(struct walk *walk) {
    uint8_t header[STORE_WAL_HEADER_BYTES];

    if (!store_file_read(&walk->file, header, sizeof(header), 0))
        return false;
    walk->wal->page_bytes = store_big(header + 8);
    walk->frame_bytes = STORE_FRAME_HEADER_BYTES + walk->wal->page_bytes;
    walk->big_endian = store_big(header) & 1;
    memcpy(walk->salts, header + 16, sizeof(walk->salts));
    walk->before = (struct store_wal_sums){store_big(header + 24), store_big(header + 28)};
    return is_header(header);
}

static void put_big(uint8_t *at, uint32_t value) {
    for (int i = 3; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

/* The checkpoint number stays, or half of such a header would be none. */
bool store_wal_next_header(uint8_t header[STORE_WAL_HEADER_BYTES]) {
    struct store_wal_sums sums;

    if (!is_header(header))
        return false;
    put_big(header + 16, store_big(header + 16) + 1);
    put_big(header + 20, ~store_big(header + 20));
    sums = store_wal_sum((struct store_wal_sums){0}, store_big(header) & 1, header, HEADER_SUMMED);
    put_big(header + HEADER_SUMMED, sums.first);
    put_big(header + HEADER_SUMMED + 4, sums.second);
    return true;
}

/* What it held was taken away, or nothing has been written to it yet (segment.c). A write of zeros, or of the next header, that failed half
 * way leaves the other half; one that holds something has neither: magic and format, salts and checksum. */
static bool is_emptied(struct walk *walk) {
    static const uint8_t zeros[STORE_WAL_HEADER_BYTES];
    uint8_t header[STORE_WAL_HEADER_BYTES];

    return store_file_read(&walk->file, header, sizeof(header), 0) &&
           (memcmp(header, zeros, sizeof(header) / 2) == 0 ||
            memcmp(header + sizeof(header) / 2, zeros, sizeof(header) / 2) == 0);
}

/* Whether the frame at hand has the file's salts, and fits the checksum that stands in the one before. */
static bool has_salts(const struct walk *walk) {
    return memcmp(walk->frame + 8, walk->salts, sizeof(walk->salts)) == 0;
}

static bool is_linked(const struct walk *walk) {
    struct store_wal_sums sums;

    if (!has_salts(walk) || store_big(walk->frame) == 0)
        return false;
    sums = store_wal_sum(walk->before, walk->big_endian, walk->frame, 8);
    sums =
        store_wal_sum(sums, walk->big_endian, walk->frame + STORE_FRAME_HEADER_BYTES, walk->wal->page_bytes);
    return sums_are(sums, walk->frame + 16);
}

/* Whether the frame at hand, which may be torn, was written as a commit frame of this round. */
static bool is_commit(const struct walk *walk, int64_t offset, bool linked) {
    bool torn = (offset + 4) / SECTOR != (offset + 15) / SECTOR; /* size and salts: bytes 4 to 15 */

    return has_salts(walk) && store_big(walk->frame + 4) != 0 && (linked || !torn);
}

static void cover(struct store_wal *wal, uint32_t page) {
    if (page >= wal->covered_max) {
        uint32_t max = page < UINT32_MAX / 2 ? (page + 1) * 2 : UINT32_MAX;
        size_t before = (size_t)wal->covered_max / 8 + 1, after = (size_t)max / 8 + 1;

        wal->covered = realloc(wal->covered, after);
        if (wal->covered == NULL)
            abort();
        if (wal->covered_max == 0)
            before = 0;
        memset(wal->covered + before, 0, after - before);
        wal->covered_max = max;
    }
    wal->covered[page / 8] |= (uint8_t)(1 << page % 8);
}

int64_t store_wal_length(const struct store_wal *wal) {
    return wal->frames == 0
               ? 0
               : STORE_WAL_HEADER_BYTES + (int64_t)wal->frames * (STORE_FRAME_HEADER_BYTES + wal->page_bytes);
}

bool store_wal_covers(const struct store_wal *wal, uint32_t page) {
    return page < wal->covered_max && (wal->covered[page / 8] >> page % 8 & 1);
}

/* A frame of the sound beginning: its page counts once a commit frame has come. */
static void take_frame(struct walk *walk, uint64_t number, int64_t offset) {
    uint32_t page = store_big(walk->frame), pages = store_big(walk->frame + 4);

    if (walk->pending_count == walk->pending_max) {
        walk->pending_max = walk->pending_max * 2 + 64;
        walk->pending = realloc(walk->pending, walk->pending_max * sizeof(*walk->pending));
        if (walk->pending == NULL)
            abort();
    }
    walk->pending[walk->pending_count++] = page;
    if (page == 1)
        walk->pending_first_page = offset + STORE_FRAME_HEADER_BYTES;
    if (pages == 0)
        return;
    for (size_t i = 0; i < walk->pending_count; i++)
        cover(walk->wal, walk->pending[i]);
    walk->pending_count = 0;
    walk->wal->first_page = walk->pending_first_page;
    walk->wal->frames = number;
    walk->wal->pages = pages;
}

static bool read_frame(struct walk *walk, int64_t offset) {
    int64_t length = walk->size - offset;

    if (offset < walk->read_at || offset + walk->frame_bytes > walk->read_at + walk->read_length) {
        length -= length % walk->frame_bytes;
        walk->read_length =
            length < FRAMES_AT_ONCE * walk->frame_bytes ? length : FRAMES_AT_ONCE * walk->frame_bytes;
        walk->read_at = offset;
        if (!store_file_read(&walk->file, walk->read, (size_t)walk->read_length, offset))
            return false;
    }
    walk->frame = walk->read + (offset - walk->read_at);
    return true;
}

/* Number of the first bad frame behind which a later commit stands; 0: none. */
static uint64_t walk_frames(struct walk *walk, bool *readable) {
    uint64_t number, bad = 0;
    bool committed_since = false;
    int64_t offset = STORE_WAL_HEADER_BYTES;

    for (number = 1; walk->size - offset >= walk->frame_bytes; number++) {
        bool linked;

        *readable = read_frame(walk, offset);
        if (!*readable)
            return 0;
        linked = is_linked(walk);
        if (linked && committed_since)
            return bad;
        if (linked && bad == 0)
            take_frame(walk, number, offset);
        else if (bad == 0)
            bad = number;
        if (bad != 0 && is_commit(walk, offset, linked))
            committed_since = true;
        walk->before = (struct store_wal_sums){store_big(walk->frame + 16), store_big(walk->frame + 20)};
        offset += walk->frame_bytes;
    }
    return 0;
}

static enum store_result walk_file(struct walk *walk, char why[STORE_WHY_MAX]) {
    bool readable = true;
    uint64_t bad;

    walk->size = store_file_size(&walk->file);
    if (walk->size >= 0 && walk->size <= STORE_WAL_HEADER_BYTES)
        return STORE_OK; /* nothing in it: frames are written once the header is durable */
    if (walk->recycled && is_emptied(walk))
        return STORE_OK;
    if (walk->size > 0 && !read_header(walk)) {
        snprintf(why, STORE_WHY_MAX, "the header is damaged, and %" PRId64 " bytes stand behind it",
                 walk->size - STORE_WAL_HEADER_BYTES);
        return STORE_DAMAGED;
    }
    bad = walk->size > 0 ? walk_frames(walk, &readable) : 0;
    if (walk->size < 0 || !readable) {
        snprintf(why, STORE_WHY_MAX, "it cannot be read: the disk reports an error");
        return STORE_IO;
    }
    if (bad != 0) {
        snprintf(why, STORE_WHY_MAX,
                 "frame %" PRIu64 " (at byte %" PRIu64 ") is damaged, and durable commits stand behind it",
                 bad, STORE_WAL_HEADER_BYTES + (bad - 1) * walk->frame_bytes);
        return STORE_DAMAGED;
    }
    return STORE_OK;
}

enum store_result store_wal_walk(const char *path, bool recycled, struct store_wal *wal,
                                 char why[STORE_WHY_MAX]) {
    struct walk walk = {.wal = wal, .recycled = recycled};
    enum store_result result;
    int opened;

    *wal = (struct store_wal){0};
    if (!store_file_exists(path))
        return STORE_OK;
    opened = store_file_open(&walk.file, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL);
    if (opened != SQLITE_OK) {
        snprintf(why, STORE_WHY_MAX, "it cannot be opened: %s", sqlite3_errstr(opened));
        return STORE_IO;
    }
    walk.read = malloc(FRAMES_AT_ONCE * FRAME_BYTES_MAX);
    if (walk.read == NULL)
        abort();
    result = walk_file(&walk, why);
    store_file_close(&walk.file);
    free(walk.read);
    free(walk.pending);
    assert(result != STORE_OK || (wal->frames == 0) == (wal->pages == 0));
    return result;
}

static int write_again(struct store_file *file, uint8_t *bytes, int64_t length) {
    int64_t size = store_file_size(file);
    int result = size < length ? SQLITE_IOERR_FSTAT : SQLITE_OK;

    if (result == SQLITE_OK && size > length)
        result = store_file_cut(file, length);
    for (int64_t at = 0, part; at < length && result == SQLITE_OK; at += part) {
        part = length - at < RENEW_BYTES ? length - at : RENEW_BYTES;
        result = store_file_read(file, bytes, (size_t)part, at)
                     ? store_file_write(file, bytes, (size_t)part, at)
                     : SQLITE_IOERR_READ;
    }
    return result == SQLITE_OK && size > 0 ? store_file_sync(file) : result;
}

int store_file_renew(const char *path, int64_t length) {
    struct store_file file;
    uint8_t *bytes;
    int result;

    errno = 0;
    if (!store_file_exists(path))
        return SQLITE_OK;
    result = store_file_open(&file, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL);
    if (result != SQLITE_OK)
        return result;
    bytes = malloc(RENEW_BYTES);
    if (bytes == NULL)
        abort();
    result = write_again(&file, bytes, length);
    store_file_close(&file);
    free(bytes);
    return result;
}

void store_wal_close(struct store_wal *wal) {
    free(wal->covered);
    *wal = (struct store_wal){0};
}
