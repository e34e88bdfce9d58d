/* SPDX-License-Identifier: MIT */
/*
 * What a checkpoint has still to write and is no more as it was: places, encoded before they changed. page.c has the essay.
 *
 *     an array of pages      0   1   2 .. 1023 | 1024 ..        of a database's items, of an object's members or bytes
 *     a list for each            |
 *     its places                25 -> 27
 *
 * They lie in blocks that the system gives and takes back whole: among the values on the heap they would leave holes, and the heap would grow
 * with each checkpoint. Neighbouring pages share blocks, for they are handed out one after the other, and so what is kept shrinks on
 * the way. Small objects, of which there may be very many, share theirs with each other. Pages without places wait in such blocks, too
 * (checkpoint.c).
 */
#include "kept.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

enum {
    REGION_PAGES = 1024,      /* pages whose places share blocks ... */
    REGION_BYTES = 64 * 1024, /* ... of so many bytes */
    FEW_PAGES = 64,           /* so many are no region */
    SHARE = 4,                /* what takes more than such a part has a block for itself */
};

struct block {
    struct block **home; /* where room is looked for */
    size_t size, used;   /* bytes */
    size_t left;         /* things in it that still wait */
    char bytes[];
};

struct kept_place {
    struct kept_place *next; /* of the same page */
    struct block *block;
    uint32_t length, place; /* in the page */
    char bytes[];
};

/* ---- blocks --- */

static struct block *block_new(struct checkpoint *checkpoint, struct block **home, size_t bytes) {
    size_t size = sizeof(struct block) + bytes;
    struct block *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        abort();
    block->home = home;
    block->size = size;
    checkpoint->mapped += size;
    return block;
}

static struct block *block_for(struct checkpoint *checkpoint, struct block **home, size_t all, size_t bytes) {
    struct block *block = *home;
    if (bytes > all / SHARE)
        return block_new(checkpoint, home, bytes);
    if (!block || sizeof *block + block->used + bytes > block->size)
        block = *home = block_new(checkpoint, home, all);
    return block;
}

void *block_take(struct checkpoint *checkpoint, struct block **home, size_t all, size_t bytes,
                 struct block **taken) {
    struct block *block = *taken = block_for(checkpoint, home, all, bytes);
    void *at = block->bytes + block->used;
    block->used += (bytes + 7) / 8 * 8;
    block->left++;
    return at;
}

void block_leave(struct checkpoint *checkpoint, struct block *block) {
    if (--block->left > 0)
        return;
    checkpoint->mapped -= block->size;
    if (*block->home == block)
        *block->home = NULL;
    munmap(block, block->size);
}

/* ---- what it takes --- */

void kept_count(struct keyspace *keyspace, size_t bytes) {
    keyspace->memory += bytes;
    keyspace->checkpoint.kept += bytes;
}

void kept_discount(struct keyspace *keyspace, size_t bytes) {
    keyspace->memory -= bytes;
    keyspace->checkpoint.kept -= bytes;
}

static size_t regions_of(size_t pages) {
    return pages <= FEW_PAGES ? 0 : (pages + REGION_PAGES - 1) / REGION_PAGES;
}

size_t kept_arrays(const struct kept *kept) {
    return kept->pages * sizeof(struct kept_page) + regions_of(kept->pages) * sizeof(struct block *);
}

/* ---- places --- */

void kept_open(struct keyspace *keyspace, struct kept *kept, size_t pages) {
    if (kept->at)
        return;
    kept->pages = pages;
    kept->at = calloc(pages, sizeof *kept->at);
    kept->blocks = regions_of(pages) ? calloc(regions_of(pages), sizeof *kept->blocks) : NULL;
    if (!kept->at || (regions_of(pages) && !kept->blocks))
        abort();
    kept_count(keyspace, kept_arrays(kept));
}

bool kept_has(const struct kept *kept, size_t page, size_t place) {
    return page < kept->pages && (kept->at[page].places >> place & 1);
}

void kept_add(struct keyspace *keyspace, struct kept *kept, size_t number, size_t place,
              const struct resp_arg *bytes) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    struct block *block, **home = kept->blocks ? &kept->blocks[number / REGION_PAGES] : &checkpoint->few;
    struct kept_page *page = &kept->at[number];
    size_t length = bytes->length;
    assert(number < kept->pages && place < KEPT_PLACES_MAX && !kept_has(kept, number, place));
    struct kept_place *kept_place =
        block_take(checkpoint, home, REGION_BYTES, sizeof *kept_place + length, &block);
    *kept_place = (struct kept_place){page->first, block, (uint32_t)length, (uint32_t)place};
    memcpy(kept_place->bytes, bytes->bytes, length);
    kept_count(keyspace, length);
    checkpoint->copied.bytes += length;
    checkpoint->copied.pages += !page->first;
    page->first = kept_place;
    page->places |= UINT64_C(1) << place;
}

void kept_read(const struct kept *kept, size_t page, struct resp_arg *places) {
    for (const struct kept_place *place = page < kept->pages ? kept->at[page].first : NULL; place;
         place = place->next)
        places[place->place] = (struct resp_arg){place->bytes, place->length};
}

void kept_forget(struct keyspace *keyspace, struct kept *kept, size_t page) {
    if (page >= kept->pages)
        return;
    for (struct kept_place *place = kept->at[page].first, *next; place; place = next) {
        next = place->next;
        kept_discount(keyspace, place->length);
        block_leave(&keyspace->checkpoint, place->block);
    }
    kept->at[page] = (struct kept_page){NULL, 0};
}

void kept_close(struct keyspace *keyspace, struct kept *kept) {
    for (size_t page = 0; page < kept->pages; page++)
        kept_forget(keyspace, kept, page);
    kept_discount(keyspace, kept_arrays(kept));
    free(kept->at);
    free(kept->blocks);
    *kept = (struct kept){.pages = 0};
}
