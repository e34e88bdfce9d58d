/* SPDX-License-Identifier: MIT */
/*
 * The log, of which only the tail is in memory.
 *
 *      base ......... first ...... last        `first` is where memory begins; what is before it is on disk
 *                       [ tail, a ring ]       (after a start everything is: the tail is empty, first = last + 1)
 *
 * What is before the base, and the base itself, is nowhere: the state holds it. Of the base the term is known.
 *
 *      applied <= applying <= commit           given to the state machine, majority has it
 *      saved <= handed <= last                 durable here, given out to be saved
 *
 * The two rows are independent: a follower learns that an entry is committed before its own disk has it, and a leader's
 * disk may be ahead of the majority. An entry may leave memory when both rows are through with it, i.e. it is
 * saved and applied; whoever needs it later (a slow follower) gets it from the disk.
 *
 * The term of every entry is known all the same. Terms ascend along the log, so a row for each change tells them all,
 * and there are only as many rows as there were elections:
 *
 *      index   1  2  3  4  5  6  7           terms   (1 from 1) (4 from 4) (6 from 6)
 *      term    1  1  1  4  4  6  6           with base 5: (4 from 5) (6 from 6)
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* What an entry costs in memory. */
static size_t tail_bytes(const struct raft_entry *entry) {
    return sizeof *entry + (entry->data ? sizeof *entry->data + entry->data->length : 0);
}

static size_t data_bytes(const struct raft_entry *entry) {
    return entry->data ? entry->data->length : 0;
}

static struct raft_entry *slot(const struct raft_log *log, raft_index index) {
    assert(index >= log->first && index <= log->last);
    return &log->slots[index & (log->capacity - 1)];
}

void raft_log_init(struct raft_log *log, const struct raft_boot *boot, size_t bytes_max) {
    bool cut = boot->base_index > 0;
    assert(boot->base_index <= boot->applied && boot->applied <= boot->last_index);
    assert((boot->last_index == boot->base_index) == (boot->term_count == 0));
    assert(cut == (boot->base_term > 0) && boot->base_term <= boot->term);
    for (size_t i = 0; i < boot->term_count; i++) {
        const struct raft_term_start *row = &boot->terms[i];
        assert(row->term > 0 && row->term <= boot->term && row->first_index <= boot->last_index);
        assert(i == 0 ? row->first_index == boot->base_index + 1 && row->term >= boot->base_term
                      : row->term > row[-1].term && row->first_index > row[-1].first_index);
    }
    *log = (struct raft_log){
        .base = boot->base_index,
        .last = boot->last_index,
        .first = boot->last_index + 1,
        .handed = boot->last_index,
        .saved = boot->last_index,
        .commit = boot->applied,
        .applying = boot->applied,
        .applied = boot->applied,
        .bytes_max = bytes_max,
    };
    log->terms = raft_grow(NULL, &log->term_capacity, boot->term_count + 2, sizeof *log->terms);
    if (cut)
        log->terms[log->term_count++] = (struct raft_term_start){boot->base_term, boot->base_index};
    size_t same = cut && boot->term_count && boot->terms[0].term == boot->base_term;
    if (boot->term_count > same)
        memcpy(log->terms + log->term_count, boot->terms + same,
               (boot->term_count - same) * sizeof *log->terms);
    log->term_count += boot->term_count - same;
}

void raft_log_close(struct raft_log *log) {
    for (raft_index index = log->first; index <= log->last; index++)
        raft_blob_unref(slot(log, index)->data);
    free(log->slots);
    free(log->terms);
}

/* How many rows begin at or before `index`. Nearly every question is about the last row. */
static size_t rows_through(const struct raft_log *log, raft_index index) {
    size_t low = 0, high = log->term_count;
    if (high && log->terms[high - 1].first_index <= index)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->terms[middle].first_index <= index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

raft_term raft_log_term_at(const struct raft_log *log, raft_index index) {
    if (index == 0 || index > log->last)
        return 0;
    size_t rows = rows_through(log, index);
    return rows ? log->terms[rows - 1].term : 0;
}

raft_term raft_log_last_term(const struct raft_log *log) {
    return log->term_count ? log->terms[log->term_count - 1].term : 0;
}

raft_index raft_log_floor(const struct raft_log *log, raft_index index, raft_term term) {
    if (index > log->last)
        index = log->last;
    size_t rows = rows_through(log, index);
    while (rows && log->terms[rows - 1].term > term) {
        index = log->terms[rows - 1].first_index - 1;
        rows--;
    }
    return index;
}

const struct raft_entry *raft_log_entry(const struct raft_log *log, raft_index index) {
    return slot(log, index);
}

size_t raft_log_fit(const struct raft_log *log, raft_index from, raft_index to, size_t bytes_max,
                    size_t *bytes) {
    assert(from <= to);
    size_t count = 0;
    *bytes = 0;
    for (raft_index index = from; index <= to; index++) {
        size_t more = data_bytes(slot(log, index));
        if (count && *bytes + more > bytes_max)
            break;
        *bytes += more;
        count++;
    }
    return count;
}

static void enlarge(struct raft_log *log) {
    size_t capacity = log->capacity ? log->capacity * 2 : 64;
    struct raft_entry *slots = raft_alloc(capacity, sizeof *slots);
    for (raft_index index = log->first; index <= log->last; index++)
        slots[index & (capacity - 1)] = *slot(log, index);
    free(log->slots);
    log->slots = slots;
    log->capacity = capacity;
}

void raft_log_append(struct raft_log *log, const struct raft_entry *entry) {
    raft_term last_term = raft_log_last_term(log);
    assert(entry->index == log->last + 1 && entry->term >= last_term);
    if (log->last + 1 - log->first == log->capacity)
        enlarge(log);
    if (entry->term > last_term) {
        log->terms = raft_grow(log->terms, &log->term_capacity, log->term_count + 1, sizeof *log->terms);
        log->terms[log->term_count++] = (struct raft_term_start){entry->term, entry->index};
    }
    log->last++;
    *slot(log, entry->index) = *entry;
    if (entry->data)
        raft_blob_ref(entry->data);
    log->bytes += tail_bytes(entry);
    log->uncommitted_bytes += data_bytes(entry);
}

static void forget(struct raft_log *log, raft_index index) {
    struct raft_entry *entry = slot(log, index);
    assert(log->bytes >= tail_bytes(entry));
    log->bytes -= tail_bytes(entry);
    raft_blob_unref(entry->data);
    entry->data = NULL;
}

void raft_log_truncate(struct raft_log *log, raft_index from) {
    assert(from > log->commit && from <= log->last);
    for (; log->last >= from && log->last >= log->first; log->last--) {
        log->uncommitted_bytes -= data_bytes(slot(log, log->last));
        forget(log, log->last);
    }
    log->last = from - 1;
    if (log->first > from)
        log->first = from; /* the tail is empty: what was cut was on disk only */
    if (log->handed > log->last)
        log->handed = log->last;
    if (log->saved > log->last)
        log->saved = log->last;
    while (log->term_count && log->terms[log->term_count - 1].first_index > log->last)
        log->term_count--;
}

void raft_log_commit(struct raft_log *log, raft_index index) {
    assert(index > log->commit && index <= log->last);
    raft_index from = log->commit + 1 > log->first ? log->commit + 1 : log->first;
    for (raft_index i = from; i <= index; i++) {
        assert(log->uncommitted_bytes >= data_bytes(slot(log, i)));
        log->uncommitted_bytes -= data_bytes(slot(log, i));
    }
    log->commit = index;
}

/* Entries that all have are for those who will come behind: a newly made leader's peers may. */
void raft_log_trim(struct raft_log *log, raft_index wanted) {
    size_t bytes_max = log->bytes_max;
    while (log->first <= log->saved && log->first <= log->applied) {
        if (log->bytes <= (log->first < wanted ? bytes_max / RAFT_TAIL_SPARE_PART : bytes_max))
            break;
        forget(log, log->first);
        log->first++;
    }
}

void raft_log_compact(struct raft_log *log, raft_index index) {
    assert(index > log->base && index <= log->applied && index <= log->saved);
    size_t old = rows_through(log, index) - 1;
    log->term_count -= old;
    memmove(log->terms, log->terms + old, log->term_count * sizeof *log->terms);
    log->terms[0].first_index = index;
    for (; log->first <= index; log->first++)
        forget(log, log->first);
    log->base = index;
}

void raft_log_reset(struct raft_log *log, raft_index index, raft_term term) {
    assert(index > log->commit && term > 0);
    for (; log->first <= log->last; log->first++)
        forget(log, log->first);
    if (log->saved > log->commit)
        log->saved = log->commit;
    log->base = log->last = log->handed = log->commit = log->applying = index;
    log->first = index + 1;
    log->uncommitted_bytes = 0;
    log->terms[0] = (struct raft_term_start){term, index};
    log->term_count = 1;
}
