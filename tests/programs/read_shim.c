// Files that can't be read, by LD_PRELOAD: gcc -shared -fPIC -o shim.so read_shim.c -ldl
//   SHIM_READ=5:name   read() of files whose paths contain `name` fails with errno 5 (EIO; ESTALE is 116)
//   SHIM_OPEN=5:name   open() of these fails
//   SHIM_CUT=10:name   these lose all but 10 bytes once fstat() has told their size
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The number of `variable`, if `path` contains its name; else 0.
static int number(const char* variable, const char* path) {
  const char *value = getenv(variable), *name = value ? strchr(value, ':') : NULL;
  return name && strstr(path, name + 1) ? atoi(value) : 0;
}

static const char* path_of(int file, char* buffer, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, buffer, size - 1);
  buffer[length < 0 ? 0 : length] = 0;
  return buffer;
}

ssize_t read(int file, void* data, size_t size) {
  char path[4096];
  const int error = number("SHIM_READ", path_of(file, path, sizeof path));
  if (error) return errno = error, -1;
  return ((ssize_t(*)(int, void*, size_t))dlsym(RTLD_NEXT, "read"))(file, data, size);
}

static int open_as(const char* function, const char* path, int flags, int mode) {
  const int error = number("SHIM_OPEN", path);
  if (error) return errno = error, -1;
  return ((int (*)(const char*, int, ...))dlsym(RTLD_NEXT, function))(path, flags, mode);
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const int mode = va_arg(rest, int);
  va_end(rest);
  return open_as("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const int mode = va_arg(rest, int);
  va_end(rest);
  return open_as("open64", path, flags, mode);
}

int fstat(int file, struct stat* status) {
  const int result = ((int (*)(int, struct stat*))dlsym(RTLD_NEXT, "fstat"))(file, status);
  char path[4096];
  const int left = number("SHIM_CUT", path_of(file, path, sizeof path));
  if (left && truncate(path, left) != 0) abort();
  return result;
}
