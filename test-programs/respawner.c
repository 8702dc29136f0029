/* A master with workers. Arguments: WORKERS, RATE in bytes per second that each leaks, BASE in bytes that each holds from
 * its beginning (where it is a number), and room for a title. A worker that ends, however it ends,
 * is replaced by another, as nginx does it, whose titles they bear. `reload` has the present workers call themselves "… is shutting down" and starts
 * new ones; `exit` ends a worker with code 3. */
#include "patient.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static ulong_t workers, pace, base;
static pid_t master;
static char *title;
static size_t room;

static void retitle(const char *text) {
    memset(title, 0, room);
    strncpy(title, text, room - 1);
}
static void on_quit(int signal) {
    (void)signal;
    retitle("nginx: worker process is shutting down");
}
static void leave(int signal) {
    (void)signal;
    _exit(3);
}
static void work(void) {
    signal(SIGQUIT, on_quit);
    signal(SIGUSR1, leave);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master) _exit(0); /* it ended before that was set */
    retitle("nginx: worker process");
    if (base) memset(forget(malloc(base)), 1, base);
    double begun = now();
    while (!pace) pause();
    for (;;) {
        while (bytes < pace * (now() - begun)) put_json(), keep();
        usleep(10000);
    }
}
static pid_t born(void) {
    pid_t pid = fork();
    if (!pid) work();
    return pid;
}

int main(int argc, char **argv) {
    workers = argument(argc, argv, 1, 1), pace = argument(argc, argv, 2, 1 << 20);
    base = argc > 3 && argv[3][0] >= '0' && argv[3][0] <= '9' ? argument(argc, argv, 3, 0) : 0;
    title = argv[0], master = getpid();
    room = argv[argc - 1] + strlen(argv[argc - 1]) - argv[0];
    static pid_t alive[4096];
    if (workers > sizeof alive / sizeof *alive) return 2;
    for (ulong_t n = 0; n < workers; n++) alive[n] = born();
    announce();
    for (;;) {
        char line[4096];
        if (command(line, 20)) {
            for (ulong_t n = 0; n < workers && !strcmp(line, "reload"); n++) {
                pid_t old = alive[n];
                alive[n] = born();
                kill(old, SIGQUIT);
            }
            if (!strcmp(line, "exit")) kill(alive[0], SIGUSR1);
            truth();
            dprintf(1, "OK\n");
        }
        pid_t ended;
        while ((ended = waitpid(-1, 0, WNOHANG)) > 0)
            for (ulong_t n = 0; n < workers; n++)
                if (alive[n] == ended) alive[n] = born();
    }
}
