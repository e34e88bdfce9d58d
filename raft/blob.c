/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "internal.h"

struct raft_blob *raft_blob_new(size_t length) {
    assert(length <= SIZE_MAX - sizeof(struct raft_blob));
    struct raft_blob *blob = malloc(sizeof *blob + length);
    if (!blob)
        abort();
    blob->length = length;
    blob->references = 1;
    return blob;
}

struct raft_blob *raft_blob_ref(struct raft_blob *blob) {
    assert(blob->references > 0 && blob->references < UINT32_MAX);
    blob->references++;
    return blob;
}

void raft_blob_unref(struct raft_blob *blob) {
    if (!blob)
        return;
    assert(blob->references > 0);
    if (--blob->references == 0)
        free(blob);
}
