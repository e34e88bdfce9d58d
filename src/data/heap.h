/* SPDX-License-Identifier: MIT */
/*
 * Pages of a growing heap, many at once.
 *
 * The allocator asks the system for 132 KB more when it has nothing left, and gets addresses; the memory comes page by page, by a fault of whoever
 * writes there first. A million keys are 48,000 of these, and a fault costs 13 us on a virtual machine whose page tables are
 * its host's to keep, where to ask for the pages of the whole piece costs 3 a page, the first use included.
 *
 *      the heap   | in use           | new piece                     |
 *                                    seen                            its end: all of it is asked for, once
 *
 * Only what the heap has grown by since the last look of the same thread, and only by pieces: a large table that is made at once may never be
 * filled.
 */
#ifndef HEAP_H
#define HEAP_H

enum { HEAP_PIECE_MAX = 1024 * 1024 };

/* After an allocation: costs nothing while the heap has not grown. Where the system cannot do it (before Linux 5.14) the pages come as ever. */
void heap_ahead(void);

#endif
