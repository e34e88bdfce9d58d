/* SPDX-License-Identifier: MIT */
/*
 * etcd's own protocol, gRPC: HTTP/2 by nghttp2, and two messages of etcd's rpc.proto (etcdserverpb) that are short enough to be
 * written by hand.
 *
 *      KV/Put      PutRequest    { key = 1, value = 2 }
 *      KV/Range    RangeRequest  { key = 1 }             linearizable, as is etcd's default
 *
 * A request is a stream of its own; those of a pipeline are open at once on their connection.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

enum { DIGITS = 12, MESSAGE_BYTES_MAX = 32 * 1024, GRPC_HEAD = 5 };

struct request {
    char bytes[GRPC_HEAD + MESSAGE_BYTES_MAX];
    size_t length, sent;
};

struct speaking {
    nghttp2_session *session;
    const struct drive_load *load;
    struct request *requests; /* of the pipeline */
    char *out;
    size_t out_length, out_capacity;
    uint64_t chance;
    unsigned place, done;
    char why[256];
};

static uint64_t draw(struct speaking *speaking) {
    uint64_t z = (speaking->chance += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* ---- messages -------------------------------------------------------------------------------------------------------- */

static size_t put_length(char *at, size_t length) {
    size_t used = 0;
    for (; length >= 0x80; length >>= 7)
        at[used++] = (char)(length | 0x80);
    at[used++] = (char)length;
    return used;
}

static size_t put_field(char *at, unsigned number, const char *bytes, size_t length) {
    at[0] = (char)(number << 3 | 2); /* length-delimited */
    size_t used = 1 + put_length(at + 1, length);
    if (bytes)
        memcpy(at + used, bytes, length);
    else
        memset(at + used, 'v', length);
    return used + length;
}

static void write_request(struct speaking *speaking, struct request *request, bool put) {
    char key[32];
    int key_length = snprintf(key, sizeof key, "key:%0*llu", DIGITS,
                              (unsigned long long)(draw(speaking) % speaking->load->keys));
    size_t length = put_field(request->bytes + GRPC_HEAD, 1, key, (size_t)key_length);
    if (put)
        length += put_field(request->bytes + GRPC_HEAD + length, 2, NULL, speaking->load->value_bytes);
    request->bytes[0] = 0; /* not compressed */
    for (int i = 0; i < 4; i++)
        request->bytes[1 + i] = (char)(length >> (24 - 8 * i));
    request->length = GRPC_HEAD + length;
    request->sent = 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *at, size_t length,
                            uint32_t *flags, nghttp2_data_source *source, void *user) {
    struct request *request = source->ptr;
    (void)session, (void)stream, (void)user;
    size_t left = request->length - request->sent, part = left < length ? left : length;
    memcpy(at, request->bytes + request->sent, part);
    request->sent += part;
    if (request->sent == request->length)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

static nghttp2_nv field(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        0};
}

static void submit(struct speaking *speaking, struct request *request) {
    bool put = speaking->load->kind == DRIVE_SET ||
               (speaking->load->kind == DRIVE_MIX && speaking->place++ % 10 == 9);
    write_request(speaking, request, put);
    const nghttp2_nv fields[] = {
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", put ? "/etcdserverpb.KV/Put" : "/etcdserverpb.KV/Range"),
        field(":authority", "127.0.0.1"),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
    };
    nghttp2_data_provider provider = {.source.ptr = request, .read_callback = read_request};
    nghttp2_submit_request(speaking->session, NULL, fields, sizeof fields / sizeof *fields, &provider,
                           request);
}

/* ---- the session ------------------------------------------------------------------------------------------------------- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user) {
    struct speaking *speaking = user;
    (void)session, (void)frame, (void)flags;
    if (name_length == 11 && memcmp(name, "grpc-status", 11) == 0 && (value_length != 1 || value[0] != '0'))
        snprintf(speaking->why, sizeof speaking->why, "gRPC status %.*s", (int)value_length, value);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user) {
    struct speaking *speaking = user;
    (void)session, (void)stream;
    if (code != 0)
        snprintf(speaking->why, sizeof speaking->why, "HTTP/2 error %u", code);
    speaking->done++;
    return 0;
}

static const char *gather(struct speaking *speaking, size_t *length) {
    const uint8_t *bytes;
    speaking->out_length = 0;
    for (ssize_t part; (part = nghttp2_session_mem_send(speaking->session, &bytes)) > 0;) {
        if (speaking->out_length + (size_t)part > speaking->out_capacity) {
            speaking->out_capacity = 2 * (speaking->out_length + (size_t)part);
            speaking->out = realloc(speaking->out, speaking->out_capacity);
        }
        memcpy(speaking->out + speaking->out_length, bytes, (size_t)part);
        speaking->out_length += (size_t)part;
    }
    *length = speaking->out_length;
    return speaking->out;
}

static void *open_speaking(const struct drive_load *load, uint64_t seed) {
    struct speaking *speaking = calloc(1, sizeof *speaking);
    nghttp2_session_callbacks *callbacks;
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 20};
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_client_new(&speaking->session, callbacks, speaking);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(speaking->session, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(speaking->session, NGHTTP2_FLAG_NONE, 0, 256 << 20);
    speaking->load = load;
    speaking->chance = seed * 7919 + 1;
    speaking->place = (unsigned)seed;
    speaking->requests = calloc(load->pipeline, sizeof *speaking->requests);
    return speaking;
}

static void close_speaking(void *state) {
    struct speaking *speaking = state;
    nghttp2_session_del(speaking->session);
    free(speaking->requests);
    free(speaking->out);
    free(speaking);
}

static const char *next(void *state, size_t *length) {
    struct speaking *speaking = state;
    for (unsigned i = 0; i < speaking->load->pipeline; i++)
        submit(speaking, &speaking->requests[i]);
    return gather(speaking, length);
}

static int take(void *state, const char *bytes, size_t length, char why[256]) {
    struct speaking *speaking = state;
    speaking->done = 0;
    ssize_t taken = nghttp2_session_mem_recv(speaking->session, (const uint8_t *)bytes, length);
    if (taken < 0)
        snprintf(speaking->why, sizeof speaking->why, "%s", nghttp2_strerror((int)taken));
    if (speaking->why[0]) {
        snprintf(why, 256, "%s", speaking->why);
        return -1;
    }
    return (int)speaking->done;
}

static const char *also(void *state, size_t *length) {
    return gather(state, length);
}

const struct speaker speak_etcd = {open_speaking, close_speaking, next, take, also};
