/* Makes COUNT system calls that change no memory at each `more 1`, and tells how long that took. Arguments: COUNT. */
#include "patient.h"
#include <sys/syscall.h>

static ulong_t calls;
static double seconds;

static void grow(void) {
    double begun = now();
    for (ulong_t i = 0; i < calls; i++) syscall(SYS_getppid);
    seconds = now() - begun;
}
static void took(void) { dprintf(1, "microseconds=%lu\n", (ulong_t)(seconds * 1e6)); }

int main(int argc, char **argv) {
    calls = argument(argc, argv, 1, 10000000);
    tell = took;
    serve(grow);
}
