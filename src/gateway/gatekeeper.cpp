// What the scope of a key admits.
#include "gateway/gatekeeper.hpp"

#include <algorithm>

namespace nova::gateway {

bool Access::may_use_model(std::string_view model) const {
    return models.empty() || std::ranges::any_of(models, [model](std::string_view pattern) {
               if (pattern.ends_with('*')) {
                   return model.starts_with(pattern.substr(0, pattern.size() - 1));
               }
               return model == pattern;
           });
}

bool Access::may_use(const Upstream& upstream) const {
    if (never_cloud && upstream.where == Where::cloud) {
        return false;
    }
    return providers.empty() || std::ranges::find(providers, upstream.provider) != providers.end();
}

}  // namespace nova::gateway
