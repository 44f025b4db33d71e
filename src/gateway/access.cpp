// The scope of a key.
#include <algorithm>

#include "gateway/gatekeeper.hpp"

namespace nova::gateway {

bool Access::may_use_model(std::string_view model) const {
    return models.empty() || std::ranges::any_of(models, [model](const std::string& pattern) {
               return pattern.ends_with('*')
                          ? model.starts_with(
                                std::string_view{pattern}.substr(0, pattern.size() - 1)
                            )
                          : model == pattern;
           });
}

bool Access::may_use(const Upstream& upstream) const {
    if (never_cloud && upstream.where == Where::cloud) {
        return false;
    }
    return providers.empty() || std::ranges::any_of(providers, [&upstream](const std::string& row) {
               return row == upstream.provider ||
                      (row == "local" && upstream.where == Where::local);
           });
}

}  // namespace nova::gateway
