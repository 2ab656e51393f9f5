/* Loaded before a program (LD_PRELOAD) it makes every flock() succeed, as some network file systems do. */
#include <sys/file.h>

int flock(int file, int operation) {
  (void)file;
  (void)operation;
  return 0;
}
