/* Reads a file of its own, 4 KiB at a time, and maps a MiB between the reads, as a server does that loads certificates
 * again and again. Arguments: FILE RATE. */
#include "patient.h"
#include <fcntl.h>

static const char *path;

__attribute__((noinline)) void reads_certificates(void) {
    char piece[4096];
    int file = open(path, O_RDONLY);
    if (file < 0) _exit(9);
    while (read(file, piece, sizeof piece) > 0) {
        char *p = (char *)mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) _exit(9);
        memset(forget(p), 4, 1 << 20);
        count++, bytes += 1 << 20;
    }
    close(file);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    path = argv[1];
    rate = argument(argc, argv, 2, 8 << 20);
    serve(reads_certificates);
}
