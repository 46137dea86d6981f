/* remedy.c: see remedy.h. */
#include "remedy.h"

#include <stddef.h>
#include <sys/socket.h>

#include "clock.h"
#include "machine.h"

/* The MSS of an Ethernet: 1500 bytes less two headers. */
#define ETHERNET_MSS 1460

/* How many times larger a larger buffer is. */
#define LARGER 8

static const char *
apply_quickack(struct config *config, uint64_t *value)
{
    if (config->rearm_quickack)
        return "it is set already";
    config->rearm_quickack = true;
    *value = 1;
    return NULL;
}

static const char *
set(struct sockopt_value *option, uint64_t number, uint64_t *value)
{
    *option = (struct sockopt_value){.known = true, .number = number};
    *value = number;
    return NULL;
}

static const char *
apply_nodelay(struct config *config, uint64_t *value)
{
    struct sockopt_value *nodelay = &config->sender.of[SOCKOPT_NODELAY];
    return nodelay->known && nodelay->number == 1 ? "it is set already" : set(nodelay, 1, value);
}

static const char *
apply_mss(struct config *config, uint64_t *value)
{
    struct sockopt_value *mss = &config->sender.of[SOCKOPT_MSS];
    return mss->known && mss->number <= ETHERNET_MSS ? "the MSS is that small already" : set(mss, ETHERNET_MSS, value);
}

static const char *
enlarge(struct sockopt_value *buffer, bool sending, uint64_t *value)
{
    uint64_t most = machine_buffer_max(sending);

    if (!buffer->known)
        return "its size is not set: the kernel chooses it";
    uint64_t larger = buffer->number <= UINT32_MAX / LARGER ? buffer->number * LARGER : UINT32_MAX;
    if (most != MISSING && larger > most)
        larger = most;
    return larger <= buffer->number ? "it is as large as the system allows" : set(buffer, larger, value);
}

static const char *
apply_sndbuf(struct config *config, uint64_t *value)
{
    return enlarge(&config->sender.of[SOCKOPT_SNDBUF], true, value);
}

static const char *
apply_rcvbuf(struct config *config, uint64_t *value)
{
    return enlarge(&config->receiver.of[SOCKOPT_RCVBUF], false, value);
}

static const char *
apply_early_rcvbuf(struct config *config, uint64_t *value)
{
    if (!config->receiver.of[SOCKOPT_RCVBUF].known)
        return "SO_RCVBUF is not set";
    if (!config->rcvbuf_late)
        return "it is set before listen() already";
    config->rcvbuf_late = false;
    *value = config->receiver.of[SOCKOPT_RCVBUF].number;
    return NULL;
}

static const struct {
    const char *name, *words;
    bool tcp_only;
    const char *(*apply)(struct config *config, uint64_t *value);
} remedies[REMEDIES] = {
    [REMEDY_QUICKACK] = {"quickack", "TCP_QUICKACK before each read at the receiver", true, apply_quickack},
    [REMEDY_NODELAY] = {"nodelay", "TCP_NODELAY at the sender", true, apply_nodelay},
    [REMEDY_MSS] = {"mss", "the MSS of an Ethernet, 1460", true, apply_mss},
    [REMEDY_SNDBUF] = {"sndbuf", "an SO_SNDBUF eight times as large", false, apply_sndbuf},
    [REMEDY_RCVBUF] = {"rcvbuf", "an SO_RCVBUF eight times as large", false, apply_rcvbuf},
    [REMEDY_EARLY_RCVBUF] = {"early_rcvbuf", "SO_RCVBUF before listen()", true, apply_early_rcvbuf},
};

const char *
remedy_name(enum remedy remedy)
{
    return remedies[remedy].name;
}

const char *
remedy_words(enum remedy remedy)
{
    return remedies[remedy].words;
}

const char *
remedy_apply(enum remedy remedy, struct config *config, uint64_t *value)
{
    if (remedies[remedy].tcp_only && config->family == AF_UNIX)
        return "family unix has no TCP";
    return remedies[remedy].apply(config, value);
}
