/* Memory of several kinds, none of which changes. Ends with its input. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned seed = 1;

static void scribble(char *at, long size) {
    for (long each = 0; each < size; each++) {
        seed = seed * 1103515245 + 12345;
        at[each] = seed >> 16;
    }
}

static char *map(long size, int flags, int file) {
    return mmap(0, size, PROT_READ | PROT_WRITE, flags, file, 0);
}

int main(int count, char **arguments) {
    const long page = 4096, MiB = 1 << 20;
    char line[8];
    char *heap = map(8 * MiB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    char *sparse = map(1024 * MiB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    char *guarded = map(8 * page, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    int tmpfs = memfd_create("half", 0), program = open("/proc/self/exe", O_RDONLY);
    long length = lseek(program, 0, SEEK_END);
    char *shared, *file;
    madvise(sparse, 1024 * MiB, MADV_NOHUGEPAGE);
    scribble(heap, 8 * MiB);
    scribble(sparse, page);
    scribble(sparse + 700 * MiB, page);
    scribble(sparse + 1024 * MiB - page, page);
    scribble(guarded, 8 * page);
    mprotect(guarded + page, page, PROT_NONE);
    madvise(guarded + 2 * page, page, MADV_DONTNEED);
    munmap(guarded + 4 * page, page);
    ftruncate(tmpfs, 2 * MiB);
    pwrite(tmpfs, "never looked at", 15, MiB + 5000);
    shared = map(2 * MiB, MAP_SHARED, tmpfs);
    scribble(shared, MiB / 4);
    /* Over its last page, which the file fills in part. */
    file = map(length, MAP_PRIVATE, program);
    scribble(file + page, 100);
    printf("READY heap=%lx-%lx sparse=%lx-%lx guarded=%lx-%lx shared=%lx-%lx file=%lx-%lx\n", (long)heap,
           (long)heap + 8 * MiB, (long)sparse, (long)sparse + 1024 * MiB, (long)guarded, (long)guarded + 8 * page,
           (long)shared, (long)shared + 2 * MiB, (long)file, ((long)file + length + page - 1) / page * page);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {}
    _exit(0);
}
