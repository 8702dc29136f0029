// Prints where objects, functions and their class's vtable are, then waits for the end of its input.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace shop {
struct Session {
    virtual ~Session() {}
    virtual int touch() { return 1; }
    int user = 7;
};
struct Named { virtual const char *name() { return "named"; } };
struct Basket : Session, Named {
    int touch() override { return 2; }
    std::string owner = "nobody";
};
}
namespace {
struct Hidden : shop::Session { int touch() override { return 3; } };
}

extern "C" int on_request(int left) { return left > 1 ? left * on_request(left - 1) : 1; }
extern "C" { int (*callbacks[2])(int) = { on_request, on_request }; }

int main() {
    auto *session = new shop::Session, *basket = static_cast<shop::Session *>(new shop::Basket);
    shop::Session *hidden = new Hidden;
    std::runtime_error *error = new std::runtime_error("x");
    auto first = [](void *object) { return *(unsigned long *)object; };
    std::printf("READY session=%lx basket=%lx hidden=%lx error=%lx function=%lx table=%lx\n", first(session),
                first(basket), first(hidden), first(error), (unsigned long)on_request, (unsigned long)callbacks);
    std::fflush(stdout);
    char line[8];
    while (std::fgets(line, sizeof line, stdin)) {}
    _exit(0);
}
