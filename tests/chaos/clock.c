/* A wall clock that a test can set and quicken: CLOCK_REALTIME becomes base + (real - base) * rate + offset.

   The three numbers lie in the file named by CHAOS_CLOCK, mapped into every process that preloads this library, so they
   change for all of them at the same instant. Monotonic clocks and waiting stay real: only what programs read as the time
   of day moves. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct setting { int64_t base, offset; double rate; };
static const struct setting real_time = {0, 0, 1.0};
static const volatile struct setting *setting = &real_time;

typedef int (*read_clock)(clockid_t, struct timespec *);
static read_clock system_clock;

__attribute__((constructor)) static void map_setting(void) {
  const char *path = getenv("CHAOS_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct setting), PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) setting = mapped;
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (!system_clock) system_clock = (read_clock)dlsym(RTLD_NEXT, "clock_gettime");
  int result = system_clock(clock, time);
  if (result || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  int64_t real = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
  int64_t told = setting->base + (int64_t)((double)(real - setting->base) * setting->rate) + setting->offset;
  time->tv_sec = told / 1000000000;
  time->tv_nsec = told % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *time) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (time) *time = now.tv_sec;
  return now.tv_sec;
}
