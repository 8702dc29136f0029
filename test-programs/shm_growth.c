/* Shared memory that grows: a memfd, or a file on tmpfs with the argument `tmpfs`. Arguments: KIND RATE. */
#include "patient.h"
#include <fcntl.h>

static int file;

static void grow(void) {
    const size_t piece = 1 << 18;
    if (ftruncate(file, bytes + piece)) _exit(9);
    char *p = (char *)mmap(0, piece, PROT_READ | PROT_WRITE, MAP_SHARED, file, bytes);
    if (p == MAP_FAILED) _exit(9);
    memset(p, 3, piece);
    count++, bytes += piece;
}

int main(int argc, char **argv) {
    char path[64];
    if (argc > 1 && !strcmp(argv[1], "tmpfs")) {
        snprintf(path, sizeof path, "/dev/shm/patient-%d", getpid());
        file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        unlink(path);
    } else {
        file = memfd_create("queue", 0);
    }
    fill(16, grow);
    rate = argument(argc, argv, 2, 8 << 20);
    serve(grow);
}
