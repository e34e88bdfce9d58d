/* SPDX-License-Identifier: MIT */
/*
 * Drives a fuzz target where libFuzzer is missing: links with any fuzz_*.c in its place.
 *
 *     driver [-runs=N] [-seed=N] file-or-directory...
 *
 * Every file is given once as it is; then N inputs follow that are made from the files by random changes, the
 * same ones for the same seed. An input that ends the process by a signal is left in ./crash-SEED-RUN; giving
 * that file with -runs=0 shows it again. (A sanitizer ends it by a signal with ASAN_OPTIONS=abort_on_error=1
 * and UBSAN_OPTIONS likewise.) Unlike libFuzzer it does not see which code an input reaches.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEED_FILES_MAX = 1024, INPUT_MAX = 4096, CHANGES_MAX = 6 };

static struct seed_file {
    uint8_t bytes[INPUT_MAX];
    size_t length;
} * files[SEED_FILES_MAX];
static size_t file_count;

/* The input under test, for the handler. */
static uint8_t input[INPUT_MAX];
static size_t input_length;
static char crash_name[64];

static uint64_t random_state;

static size_t random_below(size_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)((random_state >> 33) % bound);
}

static void on_crash(int number) {
    int fd = open(crash_name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0 && write(fd, input, input_length) == (ssize_t)input_length) {
        ssize_t told = write(STDERR_FILENO, "the input is in ", 16);
        told = write(STDERR_FILENO, crash_name, strlen(crash_name));
        told = write(STDERR_FILENO, "\n", 1);
        (void)told;
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void load(const char *path) {
    DIR *dir = opendir(path);
    if (dir) {
        for (struct dirent *entry; (entry = readdir(dir));) {
            char inner[4096];
            if (entry->d_name[0] != '.' &&
                snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner)
                load(inner);
        }
        closedir(dir);
        return;
    }
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    struct seed_file *seed = calloc(1, sizeof *seed);
    if (!seed)
        abort();
    if (file_count < SEED_FILES_MAX) {
        seed->length = fread(seed->bytes, 1, sizeof seed->bytes, file);
        files[file_count++] = seed;
    } else {
        free(seed);
    }
    fclose(file);
}

/* Replaces `removed` bytes at `at` by others, as far as there is room. */
static void splice(size_t at, size_t removed, const uint8_t *bytes, size_t length) {
    size_t tail = input_length - at - removed;
    if (at + length + tail > sizeof input)
        return;
    memmove(input + at + length, input + at + removed, tail);
    memcpy(input + at, bytes, length);
    input_length = at + length + tail;
}

static void change(void) {
    size_t at = random_below(input_length + 1), left = input_length - at;
    uint8_t piece[64], byte = (uint8_t)random_below(256);
    const struct seed_file *other = files[random_below(file_count)];
    size_t from = random_below(other->length + 1), length = random_below(other->length - from + 1);
    if (length > sizeof piece)
        length = sizeof piece;
    memcpy(piece, other->bytes + from, length);
    switch (random_below(6)) {
    case 0: /* flip a bit */
        if (left > 0)
            input[at] ^= (uint8_t)(1 << random_below(8));
        break;
    case 1: /* overwrite a byte */
        splice(at, left > 0, &byte, 1);
        break;
    case 2: /* insert a byte */
        splice(at, 0, &byte, 1);
        break;
    case 3: /* remove a few */
        splice(at, random_below(left < 8 ? left + 1 : 9), piece, 0);
        break;
    case 4: /* insert a piece of another seed */
        splice(at, 0, piece, length);
        break;
    default: /* cut the end off */
        if (random_below(8) == 0)
            input_length = at;
        break;
    }
}

static void run_once(uint64_t seed, uint64_t run) {
    const struct seed_file *file = files[run < file_count ? run : random_below(file_count)];
    memcpy(input, file->bytes, file->length);
    input_length = file->length;
    if (run >= file_count)
        for (size_t changes = 1 + random_below(CHANGES_MAX); changes > 0; changes--)
            change();
    snprintf(crash_name, sizeof crash_name, "crash-%llu-%llu", (unsigned long long)seed,
             (unsigned long long)run);
    uint8_t *exact = malloc(input_length > 0 ? input_length : 1);
    if (!exact)
        abort();
    memcpy(exact, input, input_length);
    LLVMFuzzerTestOneInput(exact, input_length);
    free(exact);
}

int main(int argc, char **argv) {
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    uint64_t runs = 100000, seed = 1;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoull(argv[i] + 6, NULL, 10);
        else
            load(argv[i]);
    }
    if (file_count == 0) {
        fprintf(stderr, "usage: %s [-runs=N] [-seed=N] file-or-directory...\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], on_crash);
    random_state = seed;
    for (uint64_t run = 0; run < file_count + runs; run++)
        run_once(seed, run);
    printf("%zu files, %llu changed inputs, seed %llu: nothing found\n", file_count, (unsigned long long)runs,
           (unsigned long long)seed);
    for (size_t i = 0; i < file_count; i++)
        free(files[i]);
    return 0;
}
