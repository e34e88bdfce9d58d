/* SPDX-License-Identifier: MIT */
/*
 * What was acknowledged, told by a second file.
 *
 * The last transaction of a WAL can be lost in two ways that look the same: the machine stopped while it was being
 * written (nobody was told of it: an ordinary crash), or it was durable and its bytes were damaged or cut off later (somebody
 * was told: silence would be a lie). No reading of the WAL alone tells one from the other.
 *
 * So, once a transaction is durable, its number goes into a small file, without a sync (a microsecond). Whatever the disk holds of
 * that file was true when it was written, so it never raises a false alarm; it survives every death of the process,
 * and the system writes it out within seconds in case of the machine's. A database that holds less than its mark has lost
 * something that was acknowledged. For the same reason nothing happens when writing it fails: an older mark is still true.
 *
 *      offset size
 *        0      8   "rdMark1" and a NUL
 *        8      8   number of the last durable transaction, least significant byte first
 *       16     40   the node's incarnation, NULs behind: another node's mark says nothing
 *       56      4   CRC-32C of the 56 bytes before, least significant byte first
 *
 * An example, transaction 5 (its incarnation shortened):
 *      72 64 4d 61 72 6b 31 00   05 00 00 00 00 00 00 00   66 30 30 64 ...   xx xx xx xx
 */
#include "internal.h"

#include <assert.h>
#include <string.h>

enum { SAVE_AT = 8, INCARNATION_AT = 16, CHECKSUM_AT = 56, MARK_BYTES = 60 };

static const char magic[8] = "rdMark1";

static void put(uint8_t *at, uint64_t number, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t get(const uint8_t *at, size_t bytes) {
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

static void encode(uint8_t mark[MARK_BYTES], const char *incarnation, uint64_t save) {
    size_t length = strlen(incarnation);

    assert(length <= STORE_ID_LENGTH);
    memset(mark, 0, MARK_BYTES);
    memcpy(mark, magic, sizeof(magic));
    put(mark + SAVE_AT, save, 8);
    memcpy(mark + INCARNATION_AT, incarnation, length);
    put(mark + CHECKSUM_AT, store_crc32c(0, mark, CHECKSUM_AT), 4);
}

bool store_mark_read(const char *path, const char *incarnation, uint64_t *save) {
    uint8_t mark[MARK_BYTES], expected[MARK_BYTES];
    struct store_file file;
    bool read;

    if (store_file_open(&file, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_SUPER_JOURNAL) != SQLITE_OK)
        return false;
    read = store_file_read(&file, mark, sizeof(mark), 0);
    store_file_close(&file);
    if (!read)
        return false;
    *save = get(mark + SAVE_AT, 8);
    encode(expected, incarnation, *save);
    return memcmp(mark, expected, sizeof(mark)) == 0;
}

int store_mark_open(struct store_file *file, const char *path) {
    return store_file_open(file, path,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL);
}

void store_mark_write(struct store_file *file, const char *incarnation, uint64_t save) {
    uint8_t mark[MARK_BYTES];

    encode(mark, incarnation, save);
    (void)file->file->pMethods->xWrite(file->file, mark, sizeof(mark), 0);
}
