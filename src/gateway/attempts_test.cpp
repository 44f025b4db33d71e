// The whole table of endings.
#include <string>

#include <gtest/gtest.h>

#include "gateway/attempts.hpp"

namespace nova::gateway {
namespace {

TEST(NextStep, GoesOnOnlyWhileTheClientHasNothingAndAnotherMayDoBetter) {
    struct Row {
        std::string name;
        Ending ending;
        Next with_another;
        Next alone;
    };

    const auto status = [](int code, bool cloud = true) {
        return Ending{.how = Ended::status, .status = code, .cloud = cloud};
    };
    const Row rows[] = {
        {"served", {.how = Ended::served}, Next::finish, Next::finish},
        {"client left", {.how = Ended::client_left}, Next::leave, Next::leave},
        {"refused", {.how = Ended::refused}, Next::try_next, Next::say_so},
        {"forbidden", {.how = Ended::forbidden}, Next::try_next, Next::say_so},
        {"stale", {.how = Ended::stale}, Next::try_fresh, Next::try_fresh},
        {"reset before head", {.how = Ended::reset}, Next::try_next, Next::say_so},
        {"timeout", {.how = Ended::timeout}, Next::try_next, Next::say_so},
        {"error event", {.how = Ended::error_event}, Next::try_next, Next::say_so},
        {"broken", {.how = Ended::broken}, Next::try_next, Next::say_so},
        {"cut", {.how = Ended::cut}, Next::try_next, Next::say_so},
        {"bad request", {.how = Ended::bad_request}, Next::say_so, Next::say_so},
        {"307", status(307), Next::try_next, Next::say_so},
        {"400", status(400), Next::say_so, Next::say_so},
        {"401", status(401), Next::try_next, Next::say_so},
        {"402", status(402), Next::try_next, Next::say_so},
        {"403", status(403), Next::try_next, Next::say_so},
        {"404 of a cloud", status(404), Next::try_next, Next::say_so},
        {"404 of the local one", status(404, false), Next::say_so, Next::say_so},
        {"408", status(408), Next::try_next, Next::say_so},
        {"413", status(413), Next::say_so, Next::say_so},
        {"422", status(422), Next::say_so, Next::say_so},
        {"429", status(429), Next::try_next, Next::say_so},
        {"500", status(500), Next::try_next, Next::say_so},
        {"503", status(503, false), Next::try_next, Next::say_so},
        {"529", status(529), Next::try_next, Next::say_so},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(next_step(row.ending, true), row.with_another) << row.name;
        EXPECT_EQ(next_step(row.ending, false), row.alone) << row.name;
        Ending late = row.ending;
        late.committed = true;
        const bool over = late.how == Ended::served || late.how == Ended::client_left;
        EXPECT_EQ(next_step(late, true), over ? row.alone : Next::end_stream) << row.name;
    }
}

TEST(HealthOf, BlamesAProviderForItsOwnFaultsOnly) {
    const auto of = [](int status) {
        return health_of({.how = Ended::status, .status = status, .cloud = true});
    };
    for (const int mistake : {400, 404, 413, 422}) {
        EXPECT_EQ(of(mistake), Health::unknown) << mistake;
    }
    for (const int fault : {408, 500, 503, 529}) {
        EXPECT_EQ(of(fault), Health::bad) << fault;
    }
    for (const int refusal : {401, 402, 403}) {
        EXPECT_EQ(of(refusal), Health::credentials) << refusal;
    }
    EXPECT_EQ(of(429), Health::limited);
    EXPECT_EQ(health_of({.how = Ended::client_left}), Health::unknown);
    EXPECT_EQ(health_of({.how = Ended::cut}), Health::unknown);
    EXPECT_EQ(health_of({.how = Ended::forbidden}), Health::unknown);
    EXPECT_EQ(health_of({.how = Ended::served}), Health::good);
    EXPECT_EQ(health_of({.how = Ended::reset, .committed = true}), Health::bad);
}

}  // namespace
}  // namespace nova::gateway
