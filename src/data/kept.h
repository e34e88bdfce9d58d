/* SPDX-License-Identifier: MIT */
/* Places and pages as they were before they changed, until a checkpoint takes them. Private to src/data; kept.c has the essay. */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../resp/resp.h"

struct keyspace;
struct checkpoint;
struct block;

enum { KEPT_PLACES_MAX = 64 /* of one page */ };

/* Of an array that is cut into pages of places. All zeros: no place has changed. */
struct kept {
    size_t pages; /* as many as there were at the freeze */
    struct kept_page {
        struct kept_place *first;
        uint64_t places; /* bits */
    } * at;
    struct block **blocks; /* where places of so many neighbouring pages find room; NULL: there are few */
};

/* Room for an array of so many pages, unless it has that already. */
void kept_open(struct keyspace *keyspace, struct kept *kept, size_t pages);
bool kept_has(const struct kept *kept, size_t page, size_t place);
/* A place that is not kept yet, encoded; the bytes are copied. */
void kept_add(struct keyspace *keyspace, struct kept *kept, size_t page, size_t place,
              const struct resp_arg *bytes);
/* Where places of that page are kept: their bytes, good until it is forgotten. The others stay as they are. */
void kept_read(const struct kept *kept, size_t page, struct resp_arg *places);
void kept_forget(struct keyspace *keyspace, struct kept *kept, size_t page);
/* Forgets all of them. */
void kept_close(struct keyspace *keyspace, struct kept *kept);
/* What it takes beside the places, in bytes. */
size_t kept_arrays(const struct kept *kept);

/* Takes `bytes` of the block at `home`, or of a new one of `all` bytes; what is large has one for itself. `taken` is to be left again,
 * once for each; `home` must outlive it. */
void *block_take(struct checkpoint *checkpoint, struct block **home, size_t all, size_t bytes,
                 struct block **taken);
void block_leave(struct checkpoint *checkpoint, struct block *block);

/* Bytes of the keyspace's memory that are there only for the checkpoint. */
void kept_count(struct keyspace *keyspace, size_t bytes);
void kept_discount(struct keyspace *keyspace, size_t bytes);

#endif
