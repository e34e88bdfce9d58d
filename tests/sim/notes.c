/* SPDX-License-Identifier: MIT */
/* What note.c does, on the simulated disks: a small file that is there whole and synced, or as it was. */
#include "../../src/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { NOTES_MAX = 4 * SIM_NODES_MAX };

static struct note {
    const struct disk *disk; /* NULL: this place is free */
    char name[16], text[64];
} notes[NOTES_MAX];

enum note_result __wrap_note_read(const char *dir, const char *name, char *text, size_t size);
bool __wrap_note_write(const char *dir, const char *name, const char *text);
bool __wrap_note_remove(const char *dir, const char *name);

/* Of the node on whose behalf code runs: it touches no other directory. */
static struct note *find(const struct disk *disk, const char *name) {
    for (size_t i = 0; i < NOTES_MAX; i++)
        if (notes[i].disk == disk && (!disk || strcmp(notes[i].name, name) == 0))
            return &notes[i];
    return NULL;
}

void notes_forget(const struct disk *disk) {
    for (size_t i = 0; i < NOTES_MAX; i++)
        if (notes[i].disk == disk)
            notes[i].disk = NULL;
}

enum note_result __wrap_note_read(const char *dir, const char *name, char *text, size_t size) {
    const struct note *note = find(sim->current->disk, name);
    (void)dir;
    snprintf(text, size, "%s", note ? note->text : "");
    return note ? NOTE_READ : NOTE_NONE;
}

bool __wrap_note_write(const char *dir, const char *name, const char *text) {
    struct disk *disk = sim->current->disk;
    struct note *note = find(disk, name);
    (void)dir;
    if (!disk_goes(disk) || !disk_has_room(disk, strlen(text)))
        return false;
    note = note ? note : find(NULL, NULL);
    if (!note)
        abort();
    note->disk = disk;
    snprintf(note->name, sizeof note->name, "%s", name);
    snprintf(note->text, sizeof note->text, "%s", text);
    return true;
}

bool __wrap_note_remove(const char *dir, const char *name) {
    struct disk *disk = sim->current->disk;
    struct note *note = find(disk, name);
    (void)dir;
    if (!disk_goes(disk))
        return false;
    if (note)
        note->disk = NULL;
    return true;
}
