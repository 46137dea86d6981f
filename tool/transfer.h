/* transfer.h: reading until the end, which the workloads `transfer` and `stream` share. As in workload.h. */
#ifndef TINYGRAM_TRANSFER_H
#define TINYGRAM_TRANSFER_H

#include "workload.h"

int transfer_receive_prepare(struct receiving *receiving);
enum step transfer_receive_step(struct receiving *receiving, uint64_t units);
int transfer_receive_finish(struct receiving *receiving);

#endif
