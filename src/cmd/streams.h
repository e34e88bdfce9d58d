/* SPDX-License-Identifier: MIT */
/* What the commands on streams share. */
#ifndef STREAMS_H
#define STREAMS_H

#include "../data/groups.h"
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

/* ---- groups --- */

/* Redis's words for a subcommand of a container (in capitals) with arguments that make no sense. */
void streams_part_error(struct call *call, const char *container);
void streams_no_group(struct call *call, const struct resp_arg *key, const struct resp_arg *name);
/* The stream args[1] and its group; answers with an error and returns false when there is no such. */
bool streams_find_group(struct call *call, const struct resp_arg *name, struct item **item,
                        struct group *group);
/* Makes a consumer, seen now. */
void streams_add_consumer(struct call *call, struct collection *stream, const struct resp_arg *key,
                          struct group *group, const struct resp_arg *name, struct consumer *consumer);
/* The entry is pending no more, whosever it was. */
void streams_unlist(struct collection *stream, struct group *group, const struct pending *pending);
/* The entry, which is pending, is this consumer's, whosever it was. Other than this one's, the consumers that change are saved. */
void streams_relist(struct collection *stream, struct group *group, struct consumer *consumer,
                    struct pending *pending);

/* The group has been told of an entry behind its last one. */
void streams_group_reached(const struct item *item, struct group *group, const struct stream_id *id);
/* How many entries there were before and with that id, ever; GROUP_READ_UNKNOWN when that cannot be told. */
int64_t streams_distance(const struct item *item, const struct stream_id *id);
/* Whether entries may have been deleted from that id on. */
bool streams_has_holes(const struct item *item, const struct stream_id *from);

/* ---- keys --- */

/* What XREAD and XREADGROUP wait for; false: they do not wait, or the arguments are wrong. */
bool streams_wait(const struct resp_arg *args, size_t count, const struct command *command,
                  struct command_wait *wait);

/* The stream of a key; replies with 0 and returns false when there is none, or with an error. */
bool streams_find_or_zero(struct call *call, struct item **item);

#endif
