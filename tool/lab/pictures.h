/*
 * pictures.h: what entries measure besides, for a picture. The first attempt at an entry whose row names a picture
 * makes it after its verdict, which it cannot change; the points go into the JSON.
 */
#ifndef TINYGRAM_LAB_PICTURES_H
#define TINYGRAM_LAB_PICTURES_H

#include "lab/case.h"

/* Bytes taken from a writer, sent, and read by a reader that sleeps and then reads; and the window that it announces.
 */
void lab_picture_stall(struct lab_case *lab);

/* Segments sent after each of ten writes of one byte: with Nagle's algorithm at a slow and at a fast acknowledger, and
 * with TCP_NODELAY. */
void lab_picture_letters(struct lab_case *lab);

/* Segments sent after each of 25 writes with TCP_NODELAY while no acknowledgement comes, and when it does. */
void lab_picture_writes(struct lab_case *lab);

/* What SO_SNDBUF (SO_RCVBUF) reads back for requests from 256 bytes to 64 MiB. */
void lab_picture_sndbuf(struct lab_case *lab);
void lab_picture_rcvbuf(struct lab_case *lab);

/* Bytes sent and read over time: a fast sender and a slow reader, by UDP and by TCP. */
void lab_picture_slow_reader(struct lab_case *lab);

#endif
