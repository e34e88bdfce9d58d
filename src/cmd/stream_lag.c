/* SPDX-License-Identifier: MIT */
/* How far a group has come, as far as that can be told: entries that were deleted within the stream cannot be counted. */
#include "streams.h"

static bool is_zero(const struct stream_id *id) {
    return id->ms == 0 && id->seq == 0;
}

bool streams_has_holes(const struct item *item, const struct stream_id *from) {
    struct stream_head head = stream_head(item);
    struct stream_entry first;
    return !is_zero(&head.erased) && stream_id_compare(from, &head.erased) <= 0 &&
           stream_edge(item, false, &first) && stream_id_compare(&first.id, &head.erased) <= 0;
}

int64_t streams_distance(const struct item *item, const struct stream_id *id) {
    struct stream_head head = stream_head(item);
    struct stream_entry first = {.id = STREAM_ID_MIN};
    int last = stream_id_compare(id, &head.last);
    if (head.added == 0)
        return 0;
    if ((head.length == 0 && last < 1) || last == 0)
        return (int64_t)head.added;
    if (last > 0)
        return GROUP_READ_UNKNOWN;
    (void)stream_edge(item, false, &first);
    if (is_zero(&head.erased) || stream_id_compare(&head.erased, &first.id) < 0) {
        int order = stream_id_compare(id, &first.id);
        if (order <= 0)
            return (int64_t)(head.added - head.length) + (order == 0);
    }
    return GROUP_READ_UNKNOWN;
}

void streams_group_reached(const struct item *item, struct group *group, const struct stream_id *id) {
    if (group->read != GROUP_READ_UNKNOWN && !streams_has_holes(item, id))
        group->read =
            (int64_t)((uint64_t)group->read + 1); /* XGROUP sets any number: it wraps, as in Redis */
    else if (stream_head(item).added > 0)
        group->read = streams_distance(item, id);
    group->last = *id;
}
