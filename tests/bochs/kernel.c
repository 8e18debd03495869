// A minimal operating system for one statically linked test program, on processors that only an emulator has: it offers
// one thread, memory and a console. A multiboot loader starts it; the first module is the program, and that module's
// command line holds the program's arguments and environment. The console is a port of Bochs's.
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum {
  page = 4096,
  console = 0xE9,
  program_copy = 0x30000000,
  heap_begin = 0x4000000,
  heap_end = program_copy,
  stack_top = 0x3F000000
};

static void out(uint16_t port, uint8_t byte) { __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port)); }
static void write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static uint64_t ticks(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

void* memcpy(void* to, const void* from, size_t size) {
  void* result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}
void* memset(void* to, int byte, size_t size) {
  void* result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return result;
}

static void print(const char* text) {
  while (*text != 0) out(console, (uint8_t)*text++);
}
static void print_number(uint64_t number) {
  for (int shift = 60; shift >= 0; shift -= 4) out(console, (uint8_t) "0123456789abcdef"[number >> shift & 15]);
}

/// Tells the script how the program ended, and Bochs to end.
static _Noreturn void power_off(int status) {
  print(status == 0 ? "\nbochs: passed\n" : "\nbochs: failed\n");
  for (const char* c = "Shutdown"; *c != 0; ++c) out(0x8900, (uint8_t)*c);
  for (;;) __asm__ volatile("hlt");
}

_Noreturn void kernel_exception(uint64_t number, uint64_t first, uint64_t second) {
  uint64_t address;
  __asm__ volatile("mov %%cr2, %0" : "=r"(address));
  print("\nbochs: exception ");
  print_number(number);
  print(", on the stack ");
  print_number(first);
  print(" ");
  print_number(second);
  print(", CR2 ");
  print_number(address);
  power_off(1);
}

static uint64_t heap = heap_begin, program_break;

/// A Linux system call. What a test program can do without has no result but an error.
int64_t kernel_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
  (void)d, (void)f;
  enum { arch_req_xcomp_perm = 0x1023, fs_base = 0xC0000100, second = 200000000 };  // a second's instructions: run.sh
  switch (number) {
    case SYS_write:
      for (uint64_t i = 0; i < c; ++i) out(console, ((const uint8_t*)b)[i]);
      return (int64_t)c;
    case SYS_writev: {
      int64_t written = 0;
      for (uint64_t i = 0; i < c; ++i) {
        const uint64_t* part = (const uint64_t*)b + 2 * i;
        written += kernel_call(SYS_write, a, part[0], part[1], 0, 0, 0);
      }
      return written;
    }
    case SYS_mmap: {  // of memory alone, which is never given back
      if (heap + b > heap_end || (int32_t)e != -1) return -ENOMEM;
      const uint64_t begin = heap;
      heap = (heap + b + page - 1) & ~(uint64_t)(page - 1);
      memset((void*)begin, 0, b);
      return (int64_t)begin;
    }
    case SYS_brk:  // stays where it is, and malloc calls mmap instead
      return (int64_t)program_break;
    case SYS_mprotect:
    case SYS_munmap:
    case SYS_madvise:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_sigaltstack:
    case SYS_futex:
    case SYS_set_robust_list:
      return 0;
    case SYS_getpid:
    case SYS_gettid:
    case SYS_set_tid_address:
      return 1;
    case SYS_gettimeofday:
    case SYS_clock_gettime: {
      const uint64_t now = ticks(), unit = number == SYS_gettimeofday ? 1000000 : 1000000000;
      uint64_t* time = (uint64_t*)(number == SYS_gettimeofday ? a : b);
      time[0] = now / second;
      time[1] = now % second * unit / second;
      return 0;
    }
    case SYS_arch_prctl:
      if (a == ARCH_SET_FS) {
        write_msr(fs_base, b);
        return 0;
      }
      return a == arch_req_xcomp_perm ? 0 : -EINVAL;  // tiles are permitted
    case SYS_sched_getaffinity:                       // one processor
      memset((void*)c, 0, b);
      *(uint8_t*)c = 1;
      return 8;
    case SYS_getrandom:
      memset((void*)a, 4, b);
      return (int64_t)b;
    case SYS_getcwd:
      memcpy((void*)a, "/", 2);
      return 2;
    case SYS_exit:
    case SYS_exit_group:
      power_off((int)a);
    case SYS_tgkill:  // of abort
      power_off(1);
    case SYS_open:
    case SYS_openat:
    case SYS_stat:
    case SYS_newfstatat:
    case SYS_readlink:
    case SYS_readlinkat:
      return -ENOENT;
    case SYS_close:
    case SYS_fstat:
    case SYS_ioctl:
      return -EBADF;
    default:
      return -ENOSYS;
  }
}

extern const uint8_t exceptions[];
extern void system_call(void);

static void catch_exceptions(void) {
  static struct {
    uint16_t low, segment, flags, middle;
    uint32_t high, reserved;
  } table[32];
  for (int i = 0; i < 32; ++i) {
    const uint64_t address = (uint64_t)exceptions + 32 * (uint64_t)i;
    table[i].low = (uint16_t)address;
    table[i].segment = 8;
    table[i].flags = 0x8E00;
    table[i].middle = (uint16_t)(address >> 16);
  }
  const struct __attribute__((packed)) {
    uint16_t size;
    uint64_t address;
  } pointer = {sizeof table - 1, (uint64_t)table};
  __asm__ volatile("lidt %0" : : "m"(pointer));
}

/// All registers that the processor has: XCR0 as CPUID offers it.
static void enable_registers(void) {
  uint32_t eax = 13, ebx, ecx = 0, edx;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  __asm__ volatile("xsetbv" : : "a"(eax & 0x602E7), "d"(0), "c"(0));
}

struct multiboot {
  uint32_t flags, memory[2], boot_device, command_line, module_count, modules;
};
struct module {
  uint32_t begin, end, command_line, reserved;
};

// Whether a word is NAME=VALUE.
static int is_variable(const char* word) {
  if (*word == '-') return 0;
  while (*word != 0 && *word != '=') ++word;
  return *word == '=';
}

static _Noreturn void run(uint32_t size, char* command_line) {
  const Elf64_Ehdr* file = (const Elf64_Ehdr*)program_copy;
  if (size < sizeof *file || *(const uint32_t*)file != 0x464C457F || file->e_type != ET_EXEC) {
    print("bochs: found no statically linked program, wanted one, built with -static -no-pie");
    power_off(1);
  }
  const Elf64_Phdr* parts = (const Elf64_Phdr*)(program_copy + file->e_phoff);
  uint64_t headers = 0;
  for (int i = 0; i < file->e_phnum; ++i) {
    if (parts[i].p_type != PT_LOAD) continue;
    if (parts[i].p_vaddr + parts[i].p_memsz > heap_begin) {
      print("bochs: found a program that reaches into the heap, wanted a smaller one");
      power_off(1);
    }
    memset((void*)parts[i].p_vaddr, 0, parts[i].p_memsz);
    memcpy((void*)parts[i].p_vaddr, (const void*)(program_copy + parts[i].p_offset), parts[i].p_filesz);
    if (parts[i].p_offset == 0) headers = parts[i].p_vaddr + file->e_phoff;
    program_break = parts[i].p_vaddr + parts[i].p_memsz;
  }

  // The stack as Linux leaves it: argc, argv, null, the environment, null, what the C library asks of the kernel.
  static uint64_t stack[64];
  enum { most_words = 40 };
  char* words[most_words];
  int count = 0, top = 1;
  for (char* c = command_line; *c != 0 && count < most_words;) {
    words[count++] = c;
    while (*c != 0 && *c != ' ') ++c;
    while (*c == ' ') *c++ = 0;
  }
  for (int i = 0; i < count; ++i) {
    if (!is_variable(words[i])) stack[top++] = (uint64_t)words[i];
  }
  stack[0] = (uint64_t)(top - 1);
  stack[top++] = 0;
  for (int i = 0; i < count; ++i) {
    if (is_variable(words[i])) stack[top++] = (uint64_t)words[i];
  }
  stack[top++] = 0;
  const uint64_t auxiliary[] = {AT_PHDR, headers,   AT_PHENT,     file->e_phentsize, AT_PHNUM, file->e_phnum, AT_PAGESZ,
                                page,    AT_RANDOM, program_copy, AT_SECURE,         0,        AT_NULL,       0};
  memcpy(stack + top, auxiliary, sizeof auxiliary);
  memcpy((void*)stack_top, stack, sizeof stack);
  __asm__ volatile("mov %0, %%rsp\nxor %%edx, %%edx\njmp *%1" : : "r"((uint64_t)stack_top), "a"(file->e_entry) : "rdx");
  __builtin_unreachable();
}

_Noreturn void kernel_main(const struct multiboot* information) {
  catch_exceptions();
  enable_registers();
  write_msr(0xC0000081, (uint64_t)8 << 32);  // STAR: the segment of system calls
  write_msr(0xC0000082, (uint64_t)system_call);
  write_msr(0xC0000084, 0x200);  // no interrupts
  const struct module* program = (const struct module*)(uint64_t)information->modules;
  if (information->module_count != 1) {
    print("bochs: wanted one module, the program");
    power_off(1);
  }
  static char command_line[1024];
  const char* from = (const char*)(uint64_t)program->command_line;
  for (size_t i = 0; i + 1 < sizeof command_line && from[i] != 0; ++i) command_line[i] = from[i];
  const uint32_t size = program->end - program->begin;
  memcpy((void*)program_copy, (const void*)(uint64_t)program->begin, size);  // from where it will be loaded, maybe
  run(size, command_line);
}
