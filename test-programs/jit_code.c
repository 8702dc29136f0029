/* Grows by code that it makes itself, and tells its name in /tmp/perf-PID.map as just-in-time compilers do. Argument: RATE. */
#include "patient.h"

#define SIZE (1 << 20)
static void (*touch)(char *);

static void compile(void) {
    static const unsigned char code[] = {0xc6, 0x07, 0x01, 0xc3}; /* mov byte [rdi], 1; ret */
    char *p = (char *)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) _exit(9);
    memcpy(p, code, sizeof code);
    mprotect(p, 4096, PROT_READ | PROT_EXEC);
    touch = (void (*)(char *))p;
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
    FILE *map = fopen(path, "w");
    if (!map) _exit(9);
    fprintf(map, "%lx %x jitted_handle app.js:3\n", (ulong_t)p, (unsigned)sizeof code);
    fclose(map);
}
static void grow(void) {
    char *p = (char *)mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) _exit(9);
    for (size_t at = 0; at < SIZE; at += 4096) touch(p + at);
    bytes += SIZE;
}

int main(int argc, char **argv) {
    compile();
    rate = argument(argc, argv, 1, 16 << 20);
    serve(grow);
}
