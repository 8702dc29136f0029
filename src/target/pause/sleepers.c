/* Threads in the waiting calls that return EINTR after a stop, and as many in pause() as asked. Each line on the
   input is answered with how often a call was interrupted and how often the handler of SIGRTMIN+3 ran. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int interrupted, signals, begun;
static int semaphores, queue;

static void count_signal(int signal) { __sync_fetch_and_add(&signals, 1); }

static int note(long result) {
    if (result == -1 && errno == EINTR) __sync_fetch_and_add(&interrupted, 1);
    return 0;
}

static void *wait_in(void *which) {
    struct epoll_event event;
    struct sembuf one = { 0, -1, 0 };
    struct { long type; char text[8]; } message;
    struct timeval minute = { 60, 0 };
    struct timespec minutes = { 600, 0 };
    sigset_t usr1;
    sigset_t all;
    int epoll = epoll_create1(0), pair[2];
    unsigned long context = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    syscall(SYS_io_setup, 8, &context);
    __sync_fetch_and_add(&begun, 1);
    for (;;) {
        switch ((long)which) {
        case 0: note(epoll_wait(epoll, &event, 1, -1)); break;
        case 1: note(epoll_wait(epoll, &event, 1, 600000)); break;
        case 2: note(sigwaitinfo(&usr1, 0)); break;
        case 3: note(sigtimedwait(&usr1, 0, &minutes)); break;
        case 4: semaphores < 0 ? pause() : note(semop(semaphores, &one, 1)); break;
        case 5: queue < 0 ? pause() : note(msgrcv(queue, &message, 8, 0, 0)); break;
        case 6: note(syscall(SYS_io_getevents, context, 1L, 1L, &event, 0)); break;
        case 7: note(recv(pair[0], &message, 8, 0)); break;
        case 8: note(read(pair[0], &message, 8)); break;
        case 9: note(nanosleep(&minutes, 0)); break;
        default: pause();
        }
    }
}

int main(int count, char **arguments) {
    long threads = 10 + atol(arguments[1]);
    char line[64];
    pthread_t thread;
    /* These outlive a killed process, so only patients that end in peace have them. */
    if (threads == 10) {
        semaphores = semget(IPC_PRIVATE, 1, 0600);
        queue = msgget(IPC_PRIVATE, 0600);
    } else {
        semaphores = queue = -1;
    }
    signal(SIGRTMIN + 3, count_signal);
    for (long each = 0; each < threads; each++) pthread_create(&thread, 0, wait_in, (void *)each);
    while (begun < threads) sched_yield();
    usleep(20000);
    puts("READY");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("interrupted=%d signals=%d\n", interrupted, signals);
        fflush(stdout);
    }
    semctl(semaphores, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, 0);
    _exit(0);
}
