/* SPDX-License-Identifier: MIT */
/*
 * A line of text that is to be known at the next start: a file of its own in the data directory, for what belongs neither to the log nor
 * to the state. It is written aside, synced and renamed, so it is there whole or as it was before. Not on the loop, but for what ends the
 * service anyway: it waits for the disk.
 */
#ifndef NOTE_H
#define NOTE_H

#include <stdbool.h>
#include <stddef.h>

#define NOTE_DIFFERS "differs" /* the state was found to be wrong, and why: audit.c */

enum note_result { NOTE_NONE, NOTE_READ, NOTE_FAILED };

/* The first line of dir/name, without its end. NOTE_FAILED: it is there and cannot be read; errno says why. */
enum note_result note_read(const char *dir, const char *name, char *text, size_t size);
/* Makes `text` the line of dir/name, durably. False: errno says why. */
bool note_write(const char *dir, const char *name, const char *text);
/* Removes it, durably. False: errno says why. */
bool note_remove(const char *dir, const char *name);

#endif
