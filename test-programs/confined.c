/* A process to which the kernel refuses something, with SIZE bytes of JSON records: `seccomp` kills it for clone and
 * userfaultfd, `processes` lets its user have no further process, `dontfork` keeps its records from children. Arguments: SIZE
 * KIND. */
#include "patient.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static char *base;
static ulong_t size;
static void tell_span(void) { dprintf(1, "start=%p size=%lu\n", (void *)base, size); }

int main(int argc, char **argv) {
    size = argument(argc, argv, 1, 8 << 20);
    const char *kind = argc > 2 ? argv[2] : "";
    base = apart(size);
    for (ulong_t at = 0; at + 1024 < size; at += 1024) {
        put_json();
        memcpy(base + at, scratch, length);
        count++, bytes += length, length = 0;
    }
    label = JSON_LABEL;
    tell = tell_span;
    if (!strcmp(kind, "dontfork")) madvise(base, size, MADV_DONTFORK);
    if (!strcmp(kind, "wipeonfork")) madvise(base, size, MADV_WIPEONFORK);
    if (!strcmp(kind, "processes")) {
        struct rlimit none = {0, 0};
        if (setgid(65534) || setuid(65534) || setrlimit(RLIMIT_NPROC, &none)) _exit(8);
    }
    if (!strcmp(kind, "seccomp")) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {sizeof code / sizeof *code, code};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(8);
    }
    serve(nothing);
}
