/* Does one thing to itself over and over from `go` on, beside PAGES pages of which each bears its number plus one, or nothing
 * where it was just given back: `maps` maps blocks of them anew, over what is there or after a munmap; `forks` makes children,
 * which say their pid when they end, and waits for any; `execs` becomes itself anew after MILLISECONDS; `huge` asks for huge
 * pages and writes numbers that grow in each into its second word. Arguments: KIND PAGES MILLISECONDS. */
#include "patient.h"
#include <semaphore.h>
#include <sys/wait.h>

#define BLOCK 64
static char *base;
static ulong_t pages, wait_ms;
static volatile ulong_t rounds, wrong;
static sem_t begun;
static const char *kind;
static char **arguments;

static void stamp(ulong_t from, ulong_t to) {
    for (ulong_t page = from; page < to; page++) *(volatile uint64_t *)(base + page * 4096) = page + 1;
}
static void map_anew(void) {
    static uint64_t state = 1;
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    ulong_t first = (state >> 33) % (pages / BLOCK) * BLOCK, size = BLOCK * 4096;
    int how = PROT_READ | PROT_WRITE, kind_of = MAP_PRIVATE | MAP_ANONYMOUS;
    char *there = base + first * 4096;
    if (rounds % 2) {
        mmap(there, size, how, kind_of | MAP_FIXED, -1, 0);
    } else {
        munmap(there, size);
        usleep(200);
        /* Somebody else's mapping may stand there meanwhile, which is not ours to replace. */
        while (mmap(there, size, how, kind_of | MAP_FIXED_NOREPLACE, -1, 0) != there) usleep(100);
    }
    stamp(first, first + BLOCK);
}
static void make_child(void) {
    pid_t child = fork();
    if (!child) _exit(getpid() % 100);
    int status = 0;
    pid_t ended = waitpid(-1, &status, 0);
    if (ended != child || !WIFEXITED(status) || WEXITSTATUS(status) != child % 100) wrong++;
    usleep(500);
}
static void *work(void *unused) {
    while (sem_wait(&begun)) continue;
    for (;; rounds++) {
        if (!strcmp(kind, "maps")) map_anew(), usleep(3000);
        else if (!strcmp(kind, "forks")) make_child();
        else if (!strcmp(kind, "huge")) {
            for (ulong_t page = 0; page < pages; page += 17) ((volatile uint64_t *)(base + page * 4096))[1] = rounds;
            usleep(20000);
        } else {
            usleep(wait_ms * 1000);
            execv("/proc/self/exe", arguments);
        }
    }
    return unused;
}
static void begin(void) { sem_post(&begun); }
static void tell_span(void) {
    dprintf(1, "start=%p size=%lu rounds=%lu wrong=%lu\n", (void *)base, pages * 4096, rounds, wrong);
}

int main(int argc, char **argv) {
    arguments = argv;
    kind = argc > 1 ? argv[1] : "maps";
    pages = argument(argc, argv, 2, 8192);
    wait_ms = argument(argc, argv, 3, 20);
    base = apart(pages * 4096 + (2 << 20));
    base += (2 << 20) - (ulong_t)base % (2 << 20);
    if (!strcmp(kind, "huge")) madvise(base, pages * 4096, MADV_HUGEPAGE);
    stamp(0, pages);
    tell = tell_span;
    rate = 1e18;
    pthread_t thread;
    sem_init(&begun, 0, 0);
    pthread_create(&thread, 0, work, 0);
    serve(begin);
}
