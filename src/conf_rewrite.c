/* SPDX-License-Identifier: MIT */
/*
 * CONFIG REWRITE. The file is read again as at a start; what CONFIG SET could have changed and is now different gets a line of its own:
 * in the place of the directive's last line, whose other lines go, or at the end, where it outweighs whatever an included
 * file says. All other lines stay as they are.
 *
 * The new file is written beside the old one and renamed over it, so that there is always one that is whole.
 */
#include "conf_table.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(char why[CONF_WHY_MAX], const char *what, const char *path) {
    snprintf(why, CONF_WHY_MAX, "%s %.*s: %s", what, CONF_TEXT_MAX, path, strerror(errno));
    return false;
}

/* ---- what is different --- */

/* New lines by directive; NULL: as it is. */
struct changes {
    char **lines;
    size_t *last_line; /* in the file: 1 + its number, 0: none */
};

/* A value of one word is quoted where it would not be one otherwise. */
static void write_value(FILE *out, const struct conf_directive *row, const char *value) {
    bool words = row->type == CONF_OUTPUT_LIMIT || row->type == CONF_BIND;
    if (words || (*value != '\0' && strcspn(value, " \t\"'\\#") == strlen(value))) {
        fputs(value, out);
        return;
    }
    fputc('"', out);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', out);
        if (iscntrl((unsigned char)*value))
            fprintf(out, "\\x%02x", (unsigned char)*value);
        else
            fputc(*value, out);
    }
    fputc('"', out);
}

static char *line_of(const struct conf_directive *row, const char *value) {
    char *line = NULL;
    size_t length;
    FILE *out = open_memstream(&line, &length);
    if (out == NULL)
        abort();
    fprintf(out, "%s ", row->name);
    write_value(out, row, value);
    fputc('\n', out);
    fclose(out);
    return line;
}

static bool find_changes(const struct conf *conf, struct changes *changes, char why[CONF_WHY_MAX]) {
    struct conf *there = malloc(sizeof *there);
    char now[CONF_VALUE_MAX], then[CONF_VALUE_MAX];
    if (there == NULL)
        abort();
    bool ok = conf_load(there, conf->file, 0, NULL, why);
    for (size_t i = 0; ok && i < conf_directive_count; i++) {
        const struct conf_directive *row = &conf_directives[i];
        if (!(row->flags & CONF_LIVE))
            continue;
        conf_value_get(row, conf, now);
        conf_value_get(row, there, then);
        if (strcmp(now, then) != 0)
            changes->lines[i] = line_of(row, now);
    }
    free(there);
    return ok;
}

/* ---- the file --- */

/* The directive that a line of the file sets, or conf_directive_count. */
static size_t directive_of(const char *line) {
    while (isspace((unsigned char)*line))
        line++;
    size_t length = strcspn(line, " \t\r\n");
    for (size_t i = 0; i < conf_directive_count; i++)
        if (strlen(conf_directives[i].name) == length &&
            strncasecmp(conf_directives[i].name, line, length) == 0)
            return i;
    return conf_directive_count;
}

/* The whole file, terminated; the caller frees it. */
static char *read_whole(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    char *text = NULL, block[4096];
    size_t length, got;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        abort();
    while ((got = fread(block, 1, sizeof block, file)) > 0)
        fwrite(block, 1, got, out);
    fclose(file);
    fclose(out);
    return text;
}

static size_t line_length(const char *line) {
    size_t length = strcspn(line, "\n");
    return length + (line[length] == '\n');
}

static void note_last_lines(struct changes *changes, const char *text) {
    size_t number = 1;
    for (const char *line = text; *line != '\0'; line += line_length(line), number++) {
        size_t directive = directive_of(line);
        if (directive < conf_directive_count)
            changes->last_line[directive] = number;
    }
}

static void write_lines(FILE *out, const struct changes *changes, const char *text) {
    size_t number = 1;
    bool ended = true, titled = false;
    for (const char *line = text; *line != '\0'; line += line_length(line), number++) {
        size_t directive = directive_of(line), length = line_length(line);
        const char *other = directive < conf_directive_count ? changes->lines[directive] : NULL;
        if (other == NULL)
            fwrite(line, 1, length, out);
        else if (changes->last_line[directive] == number)
            fputs(other, out);
        ended = other != NULL || line[length - 1] == '\n';
    }
    for (size_t i = 0; i < conf_directive_count; i++) {
        if (changes->lines[i] == NULL || changes->last_line[i] != 0)
            continue;
        if (!titled)
            fprintf(out, "%s\n# Written by CONFIG REWRITE\n", ended ? "" : "\n");
        fputs(changes->lines[i], out);
        titled = true;
    }
}

/* A rename is durable once the directory is. */
static void sync_directory(const char *path) {
    char copy[CONF_TEXT_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return;
    (void)fsync(directory);
    close(directory);
}

static bool replace_file(const char *path, const struct changes *changes, const char *text,
                         char why[CONF_WHY_MAX]) {
    char beside[CONF_TEXT_MAX + 16];
    struct stat status;
    snprintf(beside, sizeof beside, "%s.rewrite", path);
    if (stat(path, &status) != 0)
        return fail(why, "cannot look at", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(why, "cannot write", beside);
    FILE *out = fdopen(fd, "w");
    if (out == NULL)
        abort();
    write_lines(out, changes, text);
    bool ok = fflush(out) == 0 && !ferror(out) && fchmod(fd, status.st_mode & 07777) == 0 && fsync(fd) == 0;
    ok = fclose(out) == 0 && ok && rename(beside, path) == 0;
    if (!ok) {
        fail(why, "cannot write", beside);
        unlink(beside);
        return false;
    }
    sync_directory(path);
    return true;
}

bool conf_rewrite(const struct conf *conf, char why[CONF_WHY_MAX]) {
    struct changes changes = {.lines = calloc(conf_directive_count, sizeof(char *)),
                              .last_line = calloc(conf_directive_count, sizeof(size_t))};
    assert(conf->file[0] != '\0');
    if (changes.lines == NULL || changes.last_line == NULL)
        abort();
    char *text = read_whole(conf->file);
    bool ok = text != NULL ? find_changes(conf, &changes, why) : fail(why, "cannot read", conf->file);
    if (ok) {
        note_last_lines(&changes, text);
        ok = replace_file(conf->file, &changes, text, why);
    }
    free(text);
    for (size_t i = 0; i < conf_directive_count; i++)
        free(changes.lines[i]);
    free(changes.lines);
    free(changes.last_line);
    return ok;
}
