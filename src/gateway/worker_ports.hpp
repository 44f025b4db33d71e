// What the rest of nova lends a worker. All of it may be absent and outlives the worker.
#pragma once

namespace nova::gateway {

class BreakerBoard;
class Gatekeeper;
class RequestObserver;

struct WorkerPorts {
    Gatekeeper* gatekeeper = nullptr;     // absent: everything is allowed
    RequestObserver* observer = nullptr;  // absent: nobody wants to know
    BreakerBoard* breakers = nullptr;     // shared by all workers; absent: one of its own
};

}  // namespace nova::gateway
