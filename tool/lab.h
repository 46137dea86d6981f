/*
 * lab.h: `tinygram lab`: what the textbook says about sockets, tried on this kernel.
 */
#ifndef TINYGRAM_LAB_H
#define TINYGRAM_LAB_H

#include "config.h"
#include "err.h"

enum status lab_main(const struct config *config);

#endif
