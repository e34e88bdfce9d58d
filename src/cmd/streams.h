/* SPDX-License-Identifier: MIT */
/* What the commands on streams share. */
#ifndef STREAMS_H
#define STREAMS_H

#include "../data/stream.h"
#include "command.h"

/* ---- ids --- */

/* As ms, or ms-seq; without a sequence it is `missing`. With `generated`, also ms-*, and it is told. False: it is none. */
bool streams_read_id(const struct resp_arg *arg, uint64_t missing, struct stream_id *id, bool *generated);
/* The same; answers with an error. */
bool streams_id(struct call *call, const struct resp_arg *arg, uint64_t missing, struct stream_id *id);
/* Also - and +. */
bool streams_bound(struct call *call, const struct resp_arg *arg, uint64_t missing, struct stream_id *id);
/* Also with a bracket in front: then it excludes the id, and `*excludes` says so. */
bool streams_open_bound(struct call *call, const struct resp_arg *arg, uint64_t missing, struct stream_id *id,
                        bool *excludes);
void streams_reply_id(struct resp_out *reply, const struct stream_id *id);

/* ---- entries --- */

void streams_reply_entry(struct resp_out *reply, struct stream_entry *entry);

/* ---- keys --- */

/* The stream of a key; replies with 0 and returns false when there is none, or with an error. */
bool streams_find_or_zero(struct call *call, struct item **item);

#endif
