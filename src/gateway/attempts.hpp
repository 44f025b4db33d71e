// What the end of an attempt at one provider means for the request and for the provider.
#pragma once

#include <cstdint>

namespace nova::gateway {

enum class Ended : std::uint8_t {
    served,       // whole
    refused,      // no connection
    forbidden,    // nova may not open one: nobody was asked
    stale,        // a kept connection turned out closed before one byte of an answer
    reset,        // broke off: before the head, or anywhere in the answer
    status,       // an answer of 300 and up
    error_event,  // a 200 that says it failed
    timeout,
    broken,  // not what the dialect says: no end, no JSON, too large
    cut,     // by a stop or a switch
    client_left,
    bad_request,  // cannot be said in the provider's dialect: the client's to change
};

struct Ending {
    Ended how = Ended::served;
    bool committed = false;  // has content reached the client
    int status = 0;          // for Ended::status
    bool cloud = false;
};

enum class Next : std::uint8_t {
    finish,      // nothing is missing
    try_fresh,   // the same provider once more, on a fresh connection
    try_next,    // another provider
    say_so,      // an error answer
    end_stream,  // an error event, or a visible cut where there are no events
    leave,       // nobody is there to be told
};

// contract.md 6. another: is there one more provider in the plan. Never the client's own mistakes,
// never after content: generations cost money, and a client must not see one twice (traps 27, 65).
Next next_step(const Ending& ending, bool another);

// May another provider have more luck with a request that was answered so.
bool falls_back(int status, bool cloud);

// What it says of the provider, for its breaker (trap 46: a client's mistake and a client's
// leaving say nothing at all).
enum class Health : std::uint8_t {
    good,
    unknown,
    bad,
    limited,      // 429: come back later
    credentials,  // 401, 402, 403: nothing helps but a person
};

Health health_of(const Ending& ending);

}  // namespace nova::gateway
