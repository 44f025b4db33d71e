// The marker as text, and the words of runtimes and exits.
#include "runtime/instance_spec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

namespace nova::runtime {

std::string InstanceIdentity::marker() const {
    return fmt::format("{}/{}/{}/{}", install.value, slot.value, generation.value, spec.value);
}

std::optional<InstanceIdentity> parse_marker(std::string_view marker) {
    std::array<std::string_view, 4> parts;
    if (std::ranges::count(marker, '/') != 3) {
        return std::nullopt;
    }
    for (std::string_view& part : parts) {
        const std::size_t end = marker.find('/');
        part = marker.substr(0, end);
        if (part.empty()) {
            return std::nullopt;
        }
        marker.remove_prefix(end == std::string_view::npos ? marker.size() : end + 1);
    }
    InstanceIdentity identity;
    const std::string_view number = parts[2];
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), identity.generation.value);
    if (error != std::errc{} || end != number.data() + number.size()) {
        return std::nullopt;
    }
    identity.install.value = parts[0];
    identity.slot.value = parts[1];
    identity.spec.value = parts[3];
    return identity;
}

std::string_view word(RuntimeKind kind) {
    switch (kind) {
    case RuntimeKind::process:
        return "process";
    case RuntimeKind::docker:
        return "docker";
    case RuntimeKind::external:
        return "external";
    }
    return "process";
}

std::optional<RuntimeKind> runtime_kind_from(std::string_view text) {
    for (const RuntimeKind kind :
         {RuntimeKind::process, RuntimeKind::docker, RuntimeKind::external}) {
        if (word(kind) == text) {
            return kind;
        }
    }
    return std::nullopt;
}

std::string ExitStatus::text() const {
    if (out_of_memory) {
        return "was killed because memory ran out";
    }
    if (removed) {
        return "was removed by somebody else";
    }
    if (signal) {
        return fmt::format("was killed by signal {}", *signal);
    }
    if (code) {
        return fmt::format("exited with code {}", *code);
    }
    return "ended";
}

}  // namespace nova::runtime
