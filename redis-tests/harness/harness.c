/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
enum { SLOWED_BY = 6 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SLOWED_BY = 3 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
enum { SLOWED_BY = 6 };
#else
enum { SLOWED_BY = 1 };
#endif
#else
enum { SLOWED_BY = 1 };
#endif

uint64_t harness_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t harness_now_ms(void) {
    return harness_now_us() / 1000;
}

void harness_sleep_ms(uint64_t ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) {}
}

uint64_t harness_setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    if (text == NULL || *text == '\0')
        return otherwise;
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*end != '\0')
        harness_fail("%s=%s is not a number", name, text);
    return value;
}

uint64_t harness_scaled_ms(uint64_t ms) {
    return ms * SLOWED_BY * harness_setting("REDRAFT_TEST_SLOW", 1);
}

uint64_t harness_random(uint64_t *state) {
    uint64_t value = *state += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

void harness_fail(const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fail_msg("%s", text);
    abort();
}

void harness_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("           ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}
