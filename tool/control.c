/*
 * control.c: see control.h.
 *
 * One function a message says the order of its fields; it serves encoding, decoding and the length alike, so the
 * three cannot differ.
 */
#include "control.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "interrupt.h"

#define MAGIC UINT32_C(0x5447524d) /* "TGRM" */
#define HEADER_BYTES 16U

/* How often a waiting end looks whether a signal has come, and how long it waits for the other end after one. */
#define LOOK_NS (100 * NS_PER_MS)
#define ANSWER_TO_SIGNAL_NS (2 * NS_PER_S)

/* Room on the wire for options to come. */
#define WIRE_OPTIONS 32

_Static_assert(SOCKOPT_COUNT <= WIRE_OPTIONS, "the wire has no room for the table of socket options");

/* Walks the fields of a message. */
struct codec {
    unsigned char *at;
    bool decodes;
    bool measures; /* neither reads nor writes: only counts */
    size_t len;
};

static void
code_number(struct codec *codec, uint64_t *value)
{
    if (!codec->measures && codec->decodes) {
        *value = 0;
        for (int i = 0; i < 8; i++)
            *value = *value << 8 | codec->at[codec->len + (size_t)i];
    } else if (!codec->measures) {
        for (int i = 0; i < 8; i++)
            codec->at[codec->len + (size_t)i] = (unsigned char)(*value >> (56 - 8 * i));
    }
    codec->len += 8;
}

/* A zero-padded text; the last byte is always 0 after decoding, whatever came. */
static void
code_text(struct codec *codec, char *text, size_t size)
{
    if (!codec->measures && codec->decodes) {
        memcpy(text, codec->at + codec->len, size);
        text[size - 1] = '\0';
    } else if (!codec->measures) {
        memset(codec->at + codec->len, 0, size);
        memcpy(codec->at + codec->len, text, strnlen(text, size - 1));
    }
    codec->len += size;
}

static void
code_bytes(struct codec *codec, void *bytes, size_t size)
{
    if (!codec->measures && codec->decodes)
        memcpy(bytes, codec->at + codec->len, size);
    else if (!codec->measures)
        memcpy(codec->at + codec->len, bytes, size);
    codec->len += size;
}

static void
code_options(struct codec *codec, struct sockopt_values *values)
{
    struct sockopt_value unused = {.known = false};

    for (int i = 0; i < WIRE_OPTIONS; i++) {
        struct sockopt_value *value = i < SOCKOPT_COUNT ? &values->of[i] : &unused;
        uint64_t known = codec->decodes ? 0 : value->known; /* decoding: what stands there is not a value yet */
        code_number(codec, &known);
        code_number(codec, &value->number);
        code_text(codec, value->text, sizeof value->text);
        if (codec->decodes)
            value->known = known == 1;
    }
}

static void
code_tcpinfo(struct codec *codec, struct tcpinfo *info)
{
    uint64_t known = codec->decodes ? 0 : info->known;

    code_number(codec, &known);
    for (int i = 0; i < TCPINFO_FIELDS_MAX; i++)
        code_number(codec, &info->field[i]);
    if (codec->decodes)
        info->known = known == 1;
}

/* Family, port and address as portable fields; an unknown family decodes to AF_UNSPEC. */
static void
code_endpoint(struct codec *codec, struct endpoint *endpoint)
{
    uint64_t family = 0, port = 0, len = 0;
    unsigned char address[16] = {0};
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)] = {0};
    const size_t path_offset = offsetof(struct sockaddr_un, sun_path);
    struct sockaddr_in *in = (struct sockaddr_in *)&endpoint->address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&endpoint->address;
    struct sockaddr_un *un = (struct sockaddr_un *)&endpoint->address;

    if (!codec->decodes && !codec->measures && endpoint->address.ss_family == AF_INET) {
        family = 4;
        port = ntohs(in->sin_port);
        memcpy(address, &in->sin_addr, sizeof in->sin_addr);
    } else if (!codec->decodes && !codec->measures && endpoint->address.ss_family == AF_INET6) {
        family = 6;
        port = ntohs(in6->sin6_port);
        memcpy(address, &in6->sin6_addr, sizeof in6->sin6_addr);
    } else if (!codec->decodes && !codec->measures && endpoint->address.ss_family == AF_UNIX) {
        family = 1;
        len = endpoint->len - path_offset;
        memcpy(path, un->sun_path, (size_t)len);
    }
    code_number(codec, &family);
    code_number(codec, &port);
    code_number(codec, &len);
    code_bytes(codec, address, sizeof address);
    code_bytes(codec, path, sizeof path);
    if (!codec->decodes)
        return;
    memset(endpoint, 0, sizeof *endpoint);
    if (family == 4) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        memcpy(&in->sin_addr, address, sizeof in->sin_addr);
        endpoint->len = sizeof *in;
    } else if (family == 6) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        memcpy(&in6->sin6_addr, address, sizeof in6->sin6_addr);
        endpoint->len = sizeof *in6;
    } else if (family == 1 && len <= sizeof path) {
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, path, (size_t)len);
        endpoint->len = (socklen_t)(path_offset + len);
    }
}

static void
code_pattern(struct codec *codec, struct pattern *pattern)
{
    code_number(codec, &pattern->count);
    code_number(codec, &pattern->outstanding);
    for (int i = 0; i < PATTERN_ITEMS_MAX; i++) {
        code_number(codec, &pattern->item[i].kind);
        code_number(codec, &pattern->item[i].value);
        code_number(codec, &pattern->item[i].joined);
    }
}

static void
code_hello(struct codec *codec, void *message)
{
    struct wire_hello *hello = message;

    code_number(codec, &hello->stream_bytes);
    code_number(codec, &hello->read_size);
    code_number(codec, &hello->connections);
    code_number(codec, &hello->wait);
    code_number(codec, &hello->verify);
    code_number(codec, &hello->log);
    code_number(codec, &hello->events_max);
    code_number(codec, &hello->sample_every_ns);
    code_number(codec, &hello->timeout_ns);
    code_number(codec, &hello->cpu);
    code_number(codec, &hello->workload);
    code_number(codec, &hello->stamps);
    code_number(codec, &hello->rearm_quickack);
    code_number(codec, &hello->rcvbuf_late);
    code_pattern(codec, &hello->pattern);
    code_number(codec, &hello->sched);
    code_number(codec, &hello->boot_high);
    code_number(codec, &hello->boot_low);
    code_options(codec, &hello->receiver);
}

static void
code_reply(struct codec *codec, void *message)
{
    struct wire_reply *reply = message;

    code_number(codec, &reply->status);
    code_number(codec, &reply->verify_full);
    code_number(codec, &reply->same_clock);
    code_endpoint(codec, &reply->data);
    code_number(codec, &reply->interrupted);
    code_text(codec, reply->text, sizeof reply->text);
}

static void
code_open(struct codec *codec, void *message)
{
    struct wire_open *open = message;

    code_number(codec, &open->index);
    code_endpoint(codec, &open->sender);
}

static void
code_finish(struct codec *codec, void *message)
{
    struct wire_finish *finish = message;

    code_number(codec, &finish->index);
    code_number(codec, &finish->bytes);
    code_number(codec, &finish->digest_high);
    code_number(codec, &finish->digest_low);
    code_number(codec, &finish->checked_bytes);
    code_number(codec, &finish->interrupted);
}

static void
code_half(struct codec *codec, void *message)
{
    struct wire_half *wire = message;
    struct half *half = &wire->half;

    code_number(codec, &wire->index);
    code_number(codec, &half->bytes);
    code_number(codec, &half->calls);
    code_number(codec, &half->short_calls);
    code_number(codec, &half->reply_bytes);
    code_number(codec, &half->reply_calls);
    code_number(codec, &half->first_ns);
    code_number(codec, &half->last_ns);
    code_number(codec, &half->call_ns);
    code_number(codec, &half->blocked_ns);
    code_number(codec, &half->cpu_ns);
    code_number(codec, &half->run_queue_ns);
    code_number(codec, &half->switches);
    code_number(codec, &half->digest_high);
    code_number(codec, &half->digest_low);
    code_number(codec, &half->checked_bytes);
    code_number(codec, &half->digest_inline);
    code_number(codec, &half->zerocopy_completions);
    code_number(codec, &half->zerocopy_copied);
    code_number(codec, &half->events_recorded);
    code_number(codec, &half->events_dropped);
    code_number(codec, &half->events_stride);
    code_number(codec, &half->samples_recorded);
    code_number(codec, &half->samples_dropped);
    code_options(codec, &half->start);
    code_options(codec, &half->end);
    code_tcpinfo(codec, &half->info);
}

static void
code_reads(struct codec *codec, void *message)
{
    struct wire_reads *reads = message;

    code_number(codec, &reads->index);
    code_number(codec, &reads->count);
    for (int i = 0; i < WIRE_READS_EACH; i++) {
        code_number(codec, &reads->read[i].offset);
        code_number(codec, &reads->read[i].after_ns);
        code_number(codec, &reads->read[i].kernel_ns);
    }
}

static void
code_sample(struct codec *codec, void *message)
{
    struct wire_sample *wire = message;

    code_number(codec, &wire->index);
    code_number(codec, &wire->sample.at_ns);
    code_number(codec, &wire->sample.offset);
    code_tcpinfo(codec, &wire->sample.info);
}

/* Order of enum wire_type. */
static void (*const coders[WIRE_TYPES])(struct codec *, void *) = {
    [WIRE_HELLO] = code_hello, [WIRE_WELCOME] = code_reply, [WIRE_OPEN] = code_open,
    [WIRE_READY] = code_reply, [WIRE_FINISH] = code_finish, [WIRE_HALF] = code_half,
    [WIRE_READS] = code_reads, [WIRE_SAMPLE] = code_sample, [WIRE_DONE] = code_reply,
};

/* A message of any type, for measuring: its content does not matter. */
union any_message {
    struct wire_hello hello;
    struct wire_reply reply;
    struct wire_open open;
    struct wire_finish finish;
    struct wire_half half;
    struct wire_reads reads;
    struct wire_sample sample;
};

static size_t
body_length(enum wire_type type)
{
    union any_message message;
    struct codec codec = {.measures = true};

    memset(&message, 0, sizeof message);
    coders[type](&codec, &message);
    return codec.len;
}

static void
put_header(unsigned char *frame, enum wire_type type, size_t length)
{
    const uint32_t words[] = {MAGIC, WIRE_VERSION, (uint32_t)type, (uint32_t)length};

    for (size_t i = 0; i < HEADER_BYTES; i++)
        frame[i] = (unsigned char)(words[i / 4] >> (24 - 8 * (i % 4)));
}

static uint32_t
header_word(const unsigned char *frame, size_t index)
{
    uint32_t word = 0;

    for (size_t i = 0; i < 4; i++)
        word = word << 8 | frame[4 * index + i];
    return word;
}

size_t
wire_encode(enum wire_type type, const void *message, unsigned char *frame)
{
    struct codec codec = {.at = frame + HEADER_BYTES};

    coders[type](&codec, (void *)(uintptr_t)message); /* encoding only reads it */
    put_header(frame, type, codec.len);
    return HEADER_BYTES + codec.len;
}

/* Checks a header as soon as it is complete. */
static int
check_header(const unsigned char *frame)
{
    uint32_t type = header_word(frame, 2);

    if (header_word(frame, 0) != MAGIC)
        return err_set(STATUS_FAILED, "the other end is not tinygram");
    if (header_word(frame, 1) != WIRE_VERSION)
        return err_set(STATUS_FAILED,
                       "the other end speaks wire version %u and this one %d; use the same build on both ends",
                       header_word(frame, 1), WIRE_VERSION);
    if (type == 0 || type >= WIRE_TYPES || header_word(frame, 3) != body_length(type))
        return err_set(STATUS_FAILED, "the other end sent a message that this build does not know");
    return 0;
}

int
wire_receive(int fd, struct wire_in *in)
{
    for (;;) {
        size_t wanted = HEADER_BYTES;
        if (in->have >= HEADER_BYTES) {
            if (check_header(in->frame) != 0)
                return -1;
            wanted += header_word(in->frame, 3);
        }
        if (in->have == wanted)
            return 1;
        ssize_t got = recv(fd, in->frame + in->have, wanted - in->have, MSG_DONTWAIT);
        if (got == 0)
            return err_set(STATUS_FAILED, "the other end closed the control connection");
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (got < 0) {
            err_system(errno, "the control connection broke");
            return err_set(STATUS_FAILED, "%s", err_text());
        }
        in->have += (size_t)got;
    }
}

enum wire_type
wire_type_of(const struct wire_in *in)
{
    return header_word(in->frame, 2);
}

int
wire_take(struct wire_in *in, enum wire_type type, void *message)
{
    struct codec codec = {.at = in->frame + HEADER_BYTES, .decodes = true};

    if (wire_type_of(in) != type)
        return err_set(STATUS_FAILED, "the other end sent message %d where %d was due", (int)wire_type_of(in),
                       (int)type);
    coders[type](&codec, message);
    in->have = 0;
    return 0;
}

/* Waits until `fd` is ready for `events`. Returns 0, or -1 with STATUS_FAILED when `deadline_ns` passes, or somewhat
 * later than a signal. */
static int
await(int fd, short events, uint64_t deadline_ns)
{
    struct pollfd wait = {.fd = fd, .events = events};
    bool interrupted = false;

    for (;;) {
        if (!interrupted && interrupt_seen()) {
            interrupted = true;
            deadline_ns = clock_earlier_ns(deadline_ns, clock_deadline_ns(ANSWER_TO_SIGNAL_NS));
        }
        int ready = poll(&wait, 1, clock_poll_ms(clock_earlier_ns(deadline_ns, clock_deadline_ns(LOOK_NS))));
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return err_system(errno, "cannot wait for the control connection");
        if (clock_now_ns() >= deadline_ns)
            return err_set(STATUS_FAILED, "the other end did not answer in time");
    }
}

void
control_prepare(int fd)
{
    struct sockopt_values options = {.of = {[SOCKOPT_NODELAY] = {.known = true, .number = 1}}};

    if (sockopt_apply(fd, &options, SOCKOPT_CONNECTED, "control") != 0)
        err_clear(); /* a unix socket */
}

int
control_send(int fd, enum wire_type type, const void *message, uint64_t deadline_ns)
{
    unsigned char frame[WIRE_FRAME_MAX];
    size_t length = wire_encode(type, message, frame);

    for (size_t sent = 0; sent < length;) {
        ssize_t part = send(fd, frame + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (part >= 0) {
            sent += (size_t)part;
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (await(fd, POLLOUT, deadline_ns) != 0)
                return -1;
        } else if (errno != EINTR) {
            err_system(errno, "the control connection broke");
            return err_set(STATUS_FAILED, "%s", err_text());
        }
    }
    return 0;
}

int
control_receive(int fd, struct wire_in *in, enum wire_type type, void *message, uint64_t deadline_ns)
{
    for (;;) {
        int complete = wire_receive(fd, in);
        if (complete < 0)
            return -1;
        if (complete > 0)
            return wire_take(in, type, message);
        if (await(fd, POLLIN, deadline_ns) != 0)
            return -1;
    }
}
