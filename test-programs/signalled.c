/* Grows by mmap after `go` and counts signals: SIGRTMIN, of which none may be lost. Argument: RATE. */
#include "patient.h"
#include <signal.h>

static volatile ulong_t signals;
static void handle(int unused) { (void)unused, signals++; }
static void grow(void) {
    char *p = (char *)mmap(0, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) _exit(9);
    memset(forget(p), 1, 64 << 10);
    bytes += 64 << 10;
}
static void tell_signals(void) { dprintf(1, "signals=%lu\n", signals); }

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaction(SIGRTMIN, &action, 0);
    tell = tell_signals;
    rate = argument(argc, argv, 1, 16 << 20);
    serve(grow);
}
