/* message.h: room for any message of a control connection, for what takes one without knowing which. */
#ifndef TINYGRAM_MESSAGE_H
#define TINYGRAM_MESSAGE_H

#include "control.h"

union message {
    struct wire_hello hello;
    struct wire_reply reply;
    struct wire_open open;
    struct wire_finish finish;
    struct wire_half half;
    struct wire_reads reads;
    struct wire_sample sample;
};

#endif
