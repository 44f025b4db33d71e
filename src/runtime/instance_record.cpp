// Small JSON files, replaced by rename: a reader sees the old or the new one, never a half.
#include "runtime/instance_record.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json.hpp"
#include "process/file_descriptor.hpp"

namespace nova::runtime {
namespace {

constexpr std::size_t kLargestRecord = std::size_t{64} << 10U;

// No fsync: the record is about processes, which a power cut ends as well.
bool write_new(const std::string& path, std::string_view text) {
    const process::FileDescriptor file{
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)
    };
    if (!file.open()) {
        return false;
    }
    while (!text.empty()) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written <= 0) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

Json to_json(const InstanceHandle& handle) {
    return Json{
        {"runtime", std::string{word(handle.runtime)}},
        {"marker", handle.identity.marker()},
        {"name", handle.name},
        {"host", handle.endpoint.host},
        {"port", handle.endpoint.port},
        {"tls", handle.endpoint.tls},
        {"log_path", handle.log_path},
        {"pid", handle.pid},
        {"start_ticks", handle.start_ticks},
        {"boot_id", handle.boot_id},
        {"container_id", handle.container_id},
        {"stop_signal", handle.stop_signal},
        {"grace_s", handle.grace.count()},
    };
}

Result<InstanceHandle> instance_handle_from(const Json& value) {
    JsonReader reader{value, "instance"};
    const auto kind = runtime_kind_from(reader.required_text("runtime"));
    const auto identity = parse_marker(reader.required_text("marker"));
    InstanceHandle handle;
    handle.name = reader.required_text("name");
    handle.endpoint.host = reader.required_text("host");
    const std::int64_t port = reader.required_integer("port");
    handle.endpoint.tls = reader.boolean("tls").value_or(false);
    handle.log_path = reader.required_text("log_path");
    handle.pid = reader.required_integer("pid");
    handle.start_ticks = static_cast<std::uint64_t>(reader.required_integer("start_ticks"));
    handle.boot_id = reader.required_text("boot_id");
    handle.container_id = reader.text("container_id").value_or(std::string{});
    const std::int64_t signal = reader.integer("stop_signal").value_or(15);
    handle.grace = std::chrono::seconds{reader.integer("grace_s").value_or(10)};
    if (reader.error()) {
        return fail(*reader.error());
    }
    if (!kind || !identity || port < 0 || port > 65535 || signal < 1 || signal > 64) {
        return fail(ErrorCode::corrupt, "The record of an instance holds impossible values.");
    }
    handle.runtime = *kind;
    handle.identity = *identity;
    handle.endpoint.port = static_cast<std::uint16_t>(port);
    handle.stop_signal = static_cast<int>(signal);
    return handle;
}

InstanceRecords::InstanceRecords(std::string folder) : folder_{std::move(folder)} {}

std::string InstanceRecords::path_of(const InstanceIdentity& identity) const {
    return fmt::format("{}/{}-{}.json", folder_, identity.generation.value, identity.slot.value);
}

Result<void> InstanceRecords::save(const InstanceHandle& handle) const {
    std::error_code error;
    if (std::filesystem::create_directories(folder_, error)) {
        ::chmod(folder_.c_str(), 0700);
    }
    const std::string path = path_of(handle.identity);
    const std::string fresh = path + ".new";
    if (!write_new(fresh, json_text(to_json(handle), 2) + "\n") ||
        ::rename(fresh.c_str(), path.c_str()) != 0) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The record {} cannot be written: {}.", path, ::strerror(errno)),
            "Make room and check who owns the folder."
        );
    }
    return {};
}

std::vector<InstanceHandle>
InstanceRecords::load(const InstallId& install, const SlotName& slot) const {
    std::vector<InstanceHandle> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator{folder_, error}) {
        if (entry.path().extension() != ".json" || entry.file_size(error) > kLargestRecord) {
            continue;
        }
        std::ifstream file{entry.path(), std::ios::binary};
        const std::string text{std::istreambuf_iterator<char>{file}, {}};
        const auto json = parse_json(text, "instance");
        if (!json) {
            continue;
        }
        auto handle = instance_handle_from(*json);
        if (handle && handle->identity.install == install && handle->identity.slot == slot) {
            found.push_back(std::move(*handle));
        }
    }
    return found;
}

void InstanceRecords::remove(const InstanceIdentity& identity) const {
    ::unlink(path_of(identity).c_str());
}

}  // namespace nova::runtime
