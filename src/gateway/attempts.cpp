// The rules of falling back.
#include "gateway/attempts.hpp"

namespace nova::gateway {

bool falls_back(int status, bool cloud) {
    switch (status) {
    case 401:
    case 402:
    case 403:
    case 408:
    case 429:
        return true;
    case 404:
        return cloud;  // the name was nova's mapping, not the client's
    default:
        // A redirect is not followed (trap 32); whoever sends one is not the API it should be.
        return status >= 500 || (status >= 300 && status < 400);
    }
}

Next next_step(const Ending& ending, bool another) {
    if (ending.how == Ended::served) {
        return Next::finish;
    }
    if (ending.how == Ended::client_left) {
        return Next::leave;
    }
    if (ending.committed) {
        return Next::end_stream;
    }
    const Next otherwise = another ? Next::try_next : Next::say_so;
    switch (ending.how) {
    case Ended::served:
    case Ended::client_left:
        break;
    case Ended::stale:
        return Next::try_fresh;
    case Ended::bad_request:
        return Next::say_so;
    case Ended::status:
        return falls_back(ending.status, ending.cloud) ? otherwise : Next::say_so;
    case Ended::refused:
    case Ended::forbidden:
    case Ended::reset:
    case Ended::error_event:
    case Ended::timeout:
    case Ended::broken:
    case Ended::cut:
        break;
    }
    return otherwise;
}

Health health_of(const Ending& ending) {
    switch (ending.how) {
    case Ended::served:
        return Health::good;
    case Ended::forbidden:
    case Ended::stale:
    case Ended::cut:
    case Ended::client_left:
    case Ended::bad_request:
        return Health::unknown;
    case Ended::refused:
    case Ended::reset:
    case Ended::error_event:
    case Ended::timeout:
    case Ended::broken:
        return Health::bad;
    case Ended::status:
        break;
    }
    switch (ending.status) {
    case 401:
    case 402:
    case 403:
        return Health::credentials;
    case 429:
        return Health::limited;
    case 404:
        return Health::unknown;
    default:
        return falls_back(ending.status, ending.cloud) ? Health::bad : Health::unknown;
    }
}

}  // namespace nova::gateway
