/* exchange.h: what others know of the workload `exchange`. */
#ifndef TINYGRAM_EXCHANGE_H
#define TINYGRAM_EXCHANGE_H

/* The first exchanges of a connection are reported apart: it acknowledges at once and starts slowly. */
#define EXCHANGES_APART 16

#endif
