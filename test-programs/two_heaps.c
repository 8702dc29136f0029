/* A worker forked like nginx's: the parent's brk heap and the child's growth of it are two lines [heap] in the child, the
 * small one first. The child is the patient, `pid` says which that is. Arguments: COUNT RATE. */
#include "patient.h"
#include <sys/wait.h>

static void grow(void) {
    put_json();
    keep();
}
static void tell_pid(void) { dprintf(1, "pid=%d\n", getpid()); }

int main(int argc, char **argv) {
    for (int i = 0; i < 500; i++) memset(forget(malloc(100)), 1, 100);
    int worker = fork();
    if (worker) {
        waitpid(worker, 0, 0);
        return 0;
    }
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 2000000);
    label = JSON_LABEL;
    tell = tell_pid;
    serve(grow);
}
