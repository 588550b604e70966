// Main program of a simulated board: the model of tercet_soc, with a file descriptor as the far end of its UART.
//
//     program uart|line|bytes DESCRIPTOR CLOCKS_PER_BIT ENGINE_CLOCKS
//
// Built with TERCET_ENGINE_CLOCK, the engine has a clock of its own, which makes ENGINE_CLOCKS for each of the link's.
//
// uart   a byte from the host becomes start bit, 8 data bits and stop bit on rx; tx is sampled in the middle of its bits
// line   a byte from the host is 8 levels of rx, LSB first, one bit time each; tx is sampled as with uart
// bytes  bytes enter the stream i and leave the stream o (built with TERCET_BYTES, for a SoC without UART)
//
// Clocks run at full speed, but only while there is activity; otherwise the program sleeps until the host sends.
// Standard input is a socket to the parent process: each byte resets the link for one clock, and comes back once that
// clock has passed. The program exits when the socket closes.

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include "Vtercet_soc.h"
#include "verilated.h"

namespace {

constexpr int kBatch = 256;               // clocks between polls of the host
constexpr int kResetClocks = 16;
constexpr size_t kReadAhead = 4096;       // bytes read from the host ahead of the board
constexpr size_t kUnread = 1 << 20;       // bytes buffered for a host that does not read
constexpr int kRestOfLine = 50;           // milliseconds that the clock waits for more line levels
constexpr int kQuietBits = 32;            // idle bit times before the program sleeps
constexpr int kClocksOfByte = 8;          // the fastest UART takes 40, enough to drop an unwanted frame
constexpr int kQuietClocks = 64;          // idle clocks before it sleeps, in bytes mode

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

// Report a problem, a limited number of times in total: it may recur for ever.
void complain(const char* what) {
    static int left = 10;
    if (left > 0) {
        --left;
        std::fprintf(stderr, "%s\n", what);
    }
}

// Host side: byte queues to and from the board.
class Host {
public:
    explicit Host(int descriptor) : fd_{descriptor} {
        if (fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK) < 0) fail("file descriptor");
    }

    bool empty() const { return in_.empty(); }
    uint8_t front() const { return in_.front(); }
    void pop() { in_.pop_front(); }
    bool all_written() const { return out_.empty(); }

    void push(uint8_t byte) {
        if (out_.size() < kUnread) {
            out_.push_back(byte);
        } else {
            complain("the host does not read; bytes are lost");
        }
    }

    void read() {
        uint8_t chunk[kReadAhead];
        if (in_.size() >= kReadAhead) return;
        const ssize_t size = ::read(fd_, chunk, sizeof chunk);
        if (size == 0) std::exit(0);  // a socket's peer is gone; the peer of a pseudo-terminal may return
        if (size < 0 && errno != EAGAIN && errno != EINTR) fail("reading");
        if (size > 0) in_.insert(in_.end(), chunk, chunk + size);
    }

    void write() {
        while (!out_.empty()) {
            uint8_t chunk[kReadAhead];
            size_t size = 0;
            while (size < sizeof chunk && size < out_.size()) {
                chunk[size] = out_[size];
                ++size;
            }
            const ssize_t written = ::write(fd_, chunk, size);
            if (written < 0 && errno != EAGAIN && errno != EINTR) fail("writing");
            if (written <= 0) return;
            out_.erase(out_.begin(), out_.begin() + written);
        }
    }

    // Sleep until the host sends or reads pending bytes, or the parent asks for a reset, which is true; at most `timeout`
    // milliseconds, -1 means no limit.
    bool wait(int timeout) {
        const short writable = out_.empty() ? 0 : POLLOUT;
        pollfd events[] = {{fd_, static_cast<short>(POLLIN | writable), 0}, {STDIN_FILENO, POLLIN, 0}};
        if (poll(events, 2, timeout) < 0 && errno != EINTR) fail("waiting");
        if (events[1].revents == 0) return false;
        char request;
        if (recv(STDIN_FILENO, &request, 1, 0) != 1) std::exit(0);  // the parent process is gone
        return true;
    }

private:
    int fd_;
    std::deque<uint8_t> in_, out_;
};

#ifdef TERCET_BYTES

class Wires {
public:
    Wires(const std::string& mode, double) {
        if (mode != "bytes") {
            std::fprintf(stderr, "built for bytes, not for %s\n", mode.c_str());
            std::exit(1);
        }
    }

    void rest(Vtercet_soc& soc) const {
        soc.i___05Fvalid = 0;
        soc.i___05Fpayload = 0;
        soc.o___05Fready = 1;
    }

    void drive(Vtercet_soc& soc, Host& host) {
        if (rest_ > 0) --rest_;
        soc.i___05Fvalid = rest_ == 0 && !host.empty();
        soc.i___05Fpayload = host.empty() ? 0 : host.front();
    }

    void take(const Vtercet_soc& soc, Host& host) {
        active_ = soc.i___05Fvalid || soc.o___05Fvalid || rest_ > 0;
        if (soc.i___05Fvalid && soc.i___05Fready) {
            host.pop();
            rest_ = kClocksOfByte;
        }
        if (soc.o___05Fvalid) host.push(soc.o___05Fpayload);
    }

    bool active() const { return active_; }
    double quiet_clocks() const { return kQuietClocks; }

private:
    int rest_ = 0;
    bool active_ = false;
};

#else

// Levels of rx. Bits last a whole number of clocks; the rounding error carries over, so nothing drifts.
class BitSender {
public:
    BitSender(bool raw, double clocks_per_bit) : raw_{raw}, clocks_per_bit_{clocks_per_bit} {}

    int next(Host& host) {
        if (left_ <= 0) {
            if (count_ == 0) load(host);
            if (count_ == 0) {
                left_ = 0;  // the next byte starts as soon as it arrives
                return 1;
            }
            level_ = bits_ & 1;
            bits_ >>= 1;
            --count_;
            left_ += clocks_per_bit_;
        }
        left_ -= 1;
        return level_;
    }

    bool active() const { return count_ > 0 || left_ > 0; }

private:
    void load(Host& host) {
        // Do not tear a sequence of levels apart just because the rest is slow to arrive.
        if (raw_ && sending_ && host.empty()) {
            host.write();
            host.wait(kRestOfLine);
            host.read();
        }
        sending_ = !host.empty();
        if (!sending_) return;
        bits_ = raw_ ? host.front() : 0x200u | host.front() << 1;
        count_ = raw_ ? 8 : 10;
        host.pop();
    }

    const bool raw_;
    const double clocks_per_bit_;
    double left_ = 0;  // clocks until the bit ends
    unsigned bits_ = 0, count_ = 0;
    int level_ = 1;
    bool sending_ = false;
};

// Bytes from tx.
class BitReader {
public:
    explicit BitReader(double clocks_per_bit) : clocks_per_bit_{clocks_per_bit} {}

    void next(int level, Host& host) {
        if (count_ == 0) {
            if (level) {
                broken_ = false;
            } else if (!broken_) {
                count_ = 1;
                left_ = clocks_per_bit_ / 2;
            }
            return;
        }
        left_ -= 1;
        if (left_ > 0) return;
        left_ += clocks_per_bit_;
        if (count_ == 1 && level) {
            complain("tx: a start bit ends before its middle");
            count_ = 0;
        } else if (count_ < 10) {
            bits_ = bits_ >> 1 | (level ? 0x80u : 0u);  // the start bit is shifted out at the end
            ++count_;
        } else {
            if (!level) complain("tx: a stop bit is 0");
            broken_ = !level;
            host.push(static_cast<uint8_t>(bits_));
            count_ = 0;
        }
    }

    bool active() const { return count_ > 0; }

private:
    const double clocks_per_bit_;
    double left_ = 0;  // clocks until the middle of the next bit
    unsigned bits_ = 0, count_ = 0;
    bool broken_ = false;  // no new byte until the line has been high
};

class Wires {
public:
    Wires(const std::string& mode, double clocks_per_bit)
        : clocks_per_bit_{clocks_per_bit}, sender_{mode == "line", clocks_per_bit}, reader_{clocks_per_bit} {
        if ((mode != "uart" && mode != "line") || !(clocks_per_bit >= 1)) {
            std::fprintf(stderr, "built for uart and line at 1 clock per bit or more, not %s at %g\n", mode.c_str(),
                         clocks_per_bit);
            std::exit(1);
        }
    }

    void rest(Vtercet_soc& soc) const { soc.rx = 1; }
    void drive(Vtercet_soc& soc, Host& host) { soc.rx = sender_.next(host); }
    void take(const Vtercet_soc& soc, Host& host) { reader_.next(soc.tx, host); }
    bool active() const { return sender_.active() || reader_.active(); }
    double quiet_clocks() const { return kQuietBits * clocks_per_bit_; }

private:
    const double clocks_per_bit_;
    BitSender sender_;
    BitReader reader_;
};

#endif

// Both clocks. The engine's edges lie between those of the link, at a phase that drifts unless their ratio is simple.
class Clocks {
public:
    explicit Clocks(double engine_clocks) : half_period_{0.5 / engine_clocks} {
        if (!(engine_clocks > 0)) {
            std::fprintf(stderr, "the engine's clock needs a positive frequency, not %g\n", engine_clocks);
            std::exit(1);
        }
    }

    // Set the link's clock, half a period after the last call; the new inputs of the design must be set before.
    void link(Vtercet_soc& soc, int level) {
#ifdef TERCET_ENGINE_CLOCK
        for (; next_ < 0.5; next_ += half_period_) {
            soc.engine_clk = !soc.engine_clk;
            soc.eval();
        }
        next_ -= 0.5;
#endif
        soc.clk = level;
        soc.eval();
    }

private:
    const double half_period_;  // of the engine's clock, in periods of the link's
    double next_ = 0.2371;      // time to its next edge
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: %s uart|line|bytes DESCRIPTOR CLOCKS_PER_BIT ENGINE_CLOCKS\n", argv[0]);
        return 1;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // line-buffered, so that no $display is delayed or lost
    Host host{std::atoi(argv[2])};
    Wires wires{argv[1], std::strtod(argv[3], nullptr)};
    Clocks clocks{std::strtod(argv[4], nullptr)};
    VerilatedContext context;
    const auto soc = std::make_unique<Vtercet_soc>(&context);

    wires.rest(*soc);
    soc->rst = 1;
    for (int n = 0; n < 2 * kResetClocks; ++n) {
        clocks.link(*soc, n & 1);
    }
    soc->rst = 0;

    double quiet = 0;  // clocks without activity
    uint64_t batches = 0;
    bool reset = false;
    while (!context.gotFinish()) {
        host.read();
        for (int n = 0; n < kBatch && quiet <= wires.quiet_clocks(); ++n) {
            // Inputs change at the falling edge, so outputs that depend on them are stable at the rising edge.
            clocks.link(*soc, 0);
            wires.drive(*soc, host);
            soc->rst = reset;
            soc->eval();
            wires.take(*soc, host);
            clocks.link(*soc, 1);
            context.timeInc(1);
            if (reset && send(STDIN_FILENO, "r", 1, MSG_NOSIGNAL) != 1) std::exit(0);
            reset = false;
            quiet = soc->busy || wires.active() ? 0 : quiet + 1;
        }
        host.write();
        if (quiet > wires.quiet_clocks()) {
            reset = host.wait(host.all_written() ? -1 : 100);
            host.read();
            if (!host.empty() || reset) quiet = 0;
        } else if (++batches % 256 == 0) {
            reset = host.wait(0);
        }
    }
    std::fprintf(stderr, "the design has called $finish\n");
    return 1;
}
