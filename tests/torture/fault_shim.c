/*
 * Faults between a program and its kernel, for LD_PRELOAD: a slow disk, and a clock that is wrong.
 *
 * Two 64-bit integers in the file that MINI_CHAT_FAULTS names, mapped, so that whoever writes the file changes the
 * faults of a running program: [0] microseconds that each fsync takes longer, [1] seconds that the wall clock is ahead.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *faults;

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *, void *);
static time_t (*real_time)(time_t *);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

__attribute__((constructor)) static void begin(void) {
  real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
  real_time = dlsym(RTLD_NEXT, "time");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  const char *path = getenv("MINI_CHAT_FAULTS");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *map = mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) faults = map;
  close(file);
}

static void wait_for_disk(void) {
  if (faults && faults[0] > 0) usleep((useconds_t)faults[0]);
}

int fdatasync(int file) {
  wait_for_disk();
  return real_fdatasync(file);
}

int fsync(int file) {
  wait_for_disk();
  return real_fsync(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = real_clock_gettime(clock, time);
  if (faults && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += faults[1];
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  int result = real_gettimeofday(time, zone);
  if (faults) time->tv_sec += faults[1];
  return result;
}

time_t time(time_t *place) {
  time_t now = real_time(NULL) + (faults ? faults[1] : 0);
  if (place) *place = now;
  return now;
}
