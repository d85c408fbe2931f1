/* mode.h - the modes of the program; each returns the exit status. */
#ifndef BENCH_MODE_H
#define BENCH_MODE_H

#include "options.h"

int mode_connect(struct options *options);
int mode_fanout(struct options *options);
int mode_pairs(struct options *options);
int mode_resume(struct options *options);
int mode_storm(struct options *options);
int mode_slow(struct options *options);
int mode_replay(struct options *options);
int mode_talk(struct options *options);

#endif
