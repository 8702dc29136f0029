// Forgets C++ objects of one class with virtual functions, no text in them. Arguments: COUNT RATE.
#include "patient.h"

namespace shop {
class Session {
  public:
    virtual ~Session() {}
    virtual uint64_t age() { return numbers[0]; }
    uint64_t numbers[11];
};
}  // namespace shop

static void grow() {
    shop::Session *session = new shop::Session;
    for (uint64_t &number : session->numbers) number = rnd() & 0x0101010101010101;
    forget(session);
    count++, bytes += sizeof *session;
}

int main(int argc, char **argv) {
    fill(argument(argc, argv, 1, 5000), grow);
    rate = argument(argc, argv, 2, 1000000);
    label = "shop::Session";
    serve(grow);
}
