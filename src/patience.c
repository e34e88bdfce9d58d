/* SPDX-License-Identifier: MIT */
#include "patience.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "note.h"

#define REFUSE(...) (snprintf(why, PATIENCE_WHY_MAX, __VA_ARGS__), false)

/* A file that is there and says nothing was not torn by a crash, since it is there whole or not at all: this is damage. */
static bool read_promise(const char *dir, uint32_t *promised_ms, char why[PATIENCE_WHY_MAX]) {
    char text[32];
    enum note_result result = note_read(dir, "patience", text, sizeof text);
    *promised_ms = 0;
    if (result == NOTE_FAILED)
        return REFUSE("%s/patience: %s", dir, strerror(errno));
    if (result == NOTE_NONE || sscanf(text, "%u", promised_ms) == 1)
        return true;
    return REFUSE(
        "%s/patience is damaged: it must hold a number of milliseconds. If every member has been down "
        "for an election timeout, remove it",
        dir);
}

static bool write_promise(const char *dir, uint32_t promised_ms, char why[PATIENCE_WHY_MAX]) {
    char text[32];
    snprintf(text, sizeof text, "%u", promised_ms);
    return note_write(dir, "patience", text) || REFUSE("%s/patience: %s", dir, strerror(errno));
}

bool patience_open(const char *dir, uint32_t wanted_ms, uint32_t *promised_ms, char why[PATIENCE_WHY_MAX]) {
    if (!read_promise(dir, promised_ms, why))
        return false;
    return wanted_ms <= *promised_ms || write_promise(dir, wanted_ms, why);
}
