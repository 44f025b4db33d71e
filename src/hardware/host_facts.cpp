// Parsers of /proc and of both control group layouts; nothing here fails, it only knows less.
#include "hardware/host_facts.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "core/text.hpp"

namespace nova::hardware {
namespace {

namespace fs = std::filesystem;

// Big machines have cpuinfo of a megabyte; nothing read here is longer.
constexpr std::size_t kMostFileBytes = 16UL << 20U;
constexpr std::string_view kWhiteSpaceAndNul{" \t\r\n\0", 5};  // a device tree ends its texts so

std::string read_text(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    std::string text;
    std::array<char, 16384> block{};
    while (file && text.size() < kMostFileBytes) {
        file.read(block.data(), block.size());
        text.append(block.data(), static_cast<std::size_t>(file.gcount()));
    }
    return text;
}

std::optional<std::uint64_t> to_number(std::string_view text) {
    text = trimmed(text);
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() ? std::optional{value}
                                                                   : std::nullopt;
}

template <class Each>
void each_line(std::string_view text, Each each) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        each(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> found;
    while (!(text = trimmed(text)).empty()) {
        const auto end = text.find_first_of(" \t");
        found.push_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end);
    }
    return found;
}

using Fields = std::map<std::string, std::string, std::less<>>;

std::string field(const Fields& fields, std::string_view key) {
    const auto it = fields.find(key);
    return it == fields.end() ? std::string{} : it->second;
}

// cpuinfo is one block of "key : value" per processor, then on some architectures one without a
// "processor" key about the board.
struct CpuInfo {
    std::vector<Fields> processors;
    Fields board;
};

CpuInfo parse_cpuinfo(std::string_view text) {
    CpuInfo info;
    Fields block;
    const auto finish = [&] {
        if (block.contains("processor")) {
            info.processors.push_back(block);
        } else {
            info.board.insert(block.begin(), block.end());
        }
        block.clear();
    };
    each_line(text, [&](std::string_view line) {
        const auto colon = line.find(':');
        if (trimmed(line).empty()) {
            finish();
        } else if (colon != std::string_view::npos) {
            const std::string_view key = trimmed(line.substr(0, colon));
            if (key == "processor" && block.contains("processor")) {
                finish();  // some kernels leave no empty line between processors
            }
            block.emplace(key, trimmed(line.substr(colon + 1)));
        }
    });
    finish();
    return info;
}

// Arm's cpuinfo has numbers instead of a name (Linux
// Documentation/arch/arm64/cpu-feature-registers, part numbers from the cores' reference manuals;
// those seen in servers and small boards).
std::string arm_core_name(const Fields& cpu) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kArmParts{{
        {"0xd03", "Cortex-A53"},
        {"0xd08", "Cortex-A72"},
        {"0xd0b", "Cortex-A76"},
        {"0xd0c", "Neoverse-N1"},
        {"0xd40", "Neoverse-V1"},
        {"0xd49", "Neoverse-N2"},
        {"0xd4f", "Neoverse-V2"},
        {"0xd85", "Cortex-X925"},
        {"0xd87", "Cortex-A725"},
    }};
    const std::string implementer = field(cpu, "CPU implementer");
    const std::string part = field(cpu, "CPU part");
    if (implementer.empty()) {
        return {};
    }
    for (const auto& [number, name] : kArmParts) {
        if (implementer == "0x41" && part == number) {
            return fmt::format("Arm {}", name);
        }
    }
    return fmt::format("Arm (implementer {}, part {})", implementer, part);
}

std::string cpu_model(const CpuInfo& info, const HostRoots& roots) {
    const Fields none;
    const Fields& cpu = info.processors.empty() ? none : info.processors.front();
    for (const std::string_view key : {"model name", "cpu model", "cpu"}) {
        if (auto model = field(cpu, key); !model.empty()) {
            return model;
        }
    }
    if (auto core = arm_core_name(cpu); !core.empty()) {
        return core;
    }
    for (const std::string_view key : {"Model", "Hardware"}) {
        if (auto model = field(info.board, key); !model.empty()) {
            return model;
        }
    }
    return std::string{
        trimmed(read_text(roots.sys / "firmware/devicetree/base/model"), kWhiteSpaceAndNul)
    };
}

// What engines choose kernels by (ggml's CPU variants, vLLM's and SGLang's CPU builds): the
// kernel's word and ours where they differ.
constexpr std::array<std::pair<std::string_view, std::string_view>, 28> kFlags{{
    {"pni", "sse3"},
    {"ssse3", "ssse3"},
    {"sse4_1", "sse4_1"},
    {"sse4_2", "sse4_2"},
    {"avx", "avx"},
    {"f16c", "f16c"},
    {"fma", "fma"},
    {"bmi2", "bmi2"},
    {"avx2", "avx2"},
    {"avx_vnni", "avx_vnni"},
    {"avx512f", "avx512f"},
    {"avx512bw", "avx512bw"},
    {"avx512dq", "avx512dq"},
    {"avx512vl", "avx512vl"},
    {"avx512vbmi", "avx512vbmi"},
    {"avx512_vnni", "avx512_vnni"},
    {"avx512_bf16", "avx512_bf16"},
    {"avx512_fp16", "avx512_fp16"},
    {"amx_tile", "amx_tile"},
    {"amx_int8", "amx_int8"},
    {"amx_bf16", "amx_bf16"},
    {"asimd", "neon"},
    {"neon", "neon"},
    {"asimddp", "dotprod"},
    {"asimdhp", "fp16"},
    {"i8mm", "i8mm"},
    {"sve", "sve"},
    {"sve2", "sve2"},
}};

// Only what every processor has: a thread may run on any of them.
std::vector<std::string> cpu_flags(const CpuInfo& info) {
    std::optional<std::set<std::string_view>> common;
    for (const Fields& cpu : info.processors) {
        const auto x86 = cpu.find("flags");
        const auto arm = cpu.find("Features");
        const auto it = x86 != cpu.end() ? x86 : arm;
        if (it == cpu.end()) {
            continue;
        }
        const auto list = words(it->second);
        const std::set<std::string_view> here{list.begin(), list.end()};
        if (!common) {
            common = here;
        } else {
            std::erase_if(*common, [&](std::string_view flag) { return !here.contains(flag); });
        }
    }
    std::vector<std::string> flags;
    for (const auto& [kernel, ours] : kFlags) {
        if (common && common->contains(kernel) && std::ranges::find(flags, ours) == flags.end()) {
            flags.emplace_back(ours);
        }
    }
    return flags;
}

// "0-3,8,10-11" -> the numbers; empty when it cannot be read.
std::set<unsigned> parse_cpu_list(std::string_view text) {
    constexpr std::uint64_t kMostCpus = 65536;
    std::set<unsigned> cpus;
    text = trimmed(text);
    while (!text.empty()) {
        const auto comma = text.find(',');
        const std::string_view range = text.substr(0, comma);
        const auto dash = range.find('-');
        const auto first = to_number(range.substr(0, dash));
        const auto last =
            dash == std::string_view::npos ? first : to_number(range.substr(dash + 1));
        if (!first || !last || *last < *first || *last >= kMostCpus) {
            return {};
        }
        for (auto cpu = *first; cpu <= *last; ++cpu) {
            cpus.insert(static_cast<unsigned>(cpu));
        }
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    }
    return cpus;
}

std::set<unsigned> allowed_cpus(const HostRoots& roots) {
    std::set<unsigned> allowed;
    each_line(read_text(roots.proc / "self/status"), [&](std::string_view line) {
        constexpr std::string_view kKey = "Cpus_allowed_list:";
        if (line.starts_with(kKey)) {
            allowed = parse_cpu_list(line.substr(kKey.size()));
        }
    });
    return allowed;
}

// Cores are counted among the processors this process may use: a core whose two threads are both
// allowed is one, a core with one allowed thread is one too.
void count_cores(CpuFacts& cpu, const CpuInfo& info, const HostRoots& roots) {
    const std::set<unsigned> allowed = allowed_cpus(roots);
    std::set<std::string> cores;
    for (const Fields& processor : info.processors) {
        const auto number = to_number(field(processor, "processor"));
        if (!allowed.empty() && number && !allowed.contains(static_cast<unsigned>(*number))) {
            continue;
        }
        ++cpu.logical_cores;
        std::string core = field(processor, "core id");
        if (!core.empty()) {
            core = field(processor, "physical id") + "/" + core;
        } else if (number) {
            core = trimmed(read_text(
                roots.sys / fmt::format("devices/system/cpu/cpu{}/topology/core_cpus_list", *number)
            ));
        }
        cores.insert(core.empty() ? fmt::format("cpu{}", number.value_or(0)) : core);
    }
    cpu.physical_cores = static_cast<unsigned>(cores.size());
}

// The folders of the control groups this process is in, innermost first. Inside a container the
// path named in /proc/self/cgroup often is the host's and is not there: then only the top, which
// is the container's own group, counts.
std::vector<fs::path> groups_upward(const fs::path& mount, std::string_view path) {
    std::vector<fs::path> groups;
    std::error_code code;
    fs::path inside = fs::path{path}.relative_path().lexically_normal();
    if (!inside.empty() && *inside.begin() == "..") {
        inside.clear();  // a group outside our namespace
    }
    while (!inside.empty() && inside != ".") {
        if (fs::is_directory(mount / inside, code)) {
            groups.push_back(mount / inside);
        }
        inside = inside.parent_path();
    }
    groups.push_back(mount);
    return groups;
}

struct ControlGroups {
    std::vector<fs::path> memory;  // innermost first
    std::vector<fs::path> cpu;
    bool memory_v2 = false;
    bool cpu_v2 = false;
};

ControlGroups find_groups(const HostRoots& roots) {
    ControlGroups groups;
    const fs::path top = roots.sys / "fs/cgroup";
    each_line(read_text(roots.proc / "self/cgroup"), [&](std::string_view line) {
        const auto first = line.find(':');
        const auto second = line.find(':', first == std::string_view::npos ? first : first + 1);
        if (second == std::string_view::npos) {
            return;
        }
        const std::string controllers =
            "," + std::string{line.substr(first + 1, second - first - 1)} + ",";
        const std::string_view path = trimmed(line.substr(second + 1));
        // v1 wins where it is mounted: in the hybrid layout v2 exists but carries no controllers.
        if (controllers.contains(",memory,")) {
            groups.memory = groups_upward(top / "memory", path);
            groups.memory_v2 = false;
        }
        if (controllers.contains(",cpu,")) {
            std::error_code code;
            const bool joined = !fs::is_directory(top / "cpu", code);
            groups.cpu = groups_upward(top / (joined ? "cpu,cpuacct" : "cpu"), path);
            groups.cpu_v2 = false;
        }
        if (controllers == ",,") {
            if (groups.memory.empty()) {
                groups.memory = groups_upward(top, path);
                groups.memory_v2 = true;
            }
            if (groups.cpu.empty()) {
                groups.cpu = groups_upward(top, path);
                groups.cpu_v2 = true;
            }
        }
    });
    return groups;
}

struct MemoryLimit {
    Bytes limit;
    Bytes left;
};

// File pages that nobody used lately are given back before anything is killed for memory.
std::uint64_t reclaimable(const fs::path& group, bool v2) {
    std::uint64_t bytes = 0;
    each_line(read_text(group / "memory.stat"), [&](std::string_view line) {
        const auto parts = words(line);
        if (parts.size() == 2 && parts[0] == (v2 ? "inactive_file" : "total_inactive_file")) {
            bytes = to_number(parts[1]).value_or(0);
        }
    });
    return bytes;
}

// "max", and v1's huge page-rounded number, mean no limit; so does any limit above what is built
// in.
std::optional<MemoryLimit> memory_limit(const ControlGroups& groups, Bytes machine) {
    const bool v2 = groups.memory_v2;
    std::optional<MemoryLimit> tightest;
    for (const fs::path& group : groups.memory) {
        const auto limit =
            to_number(read_text(group / (v2 ? "memory.max" : "memory.limit_in_bytes")));
        if (!limit || *limit >= machine.count) {
            continue;
        }
        const auto used =
            to_number(read_text(group / (v2 ? "memory.current" : "memory.usage_in_bytes")));
        const Bytes held = Bytes{used.value_or(0)} - Bytes{reclaimable(group, v2)};
        const MemoryLimit here{.limit = {*limit}, .left = Bytes{*limit} - held};
        if (!tightest) {
            tightest = here;
        } else {
            tightest->limit = std::min(tightest->limit, here.limit);
            tightest->left = std::min(tightest->left, here.left);
        }
    }
    return tightest;
}

std::optional<double> cpu_limit_of(const fs::path& group, bool v2) {
    std::optional<std::uint64_t> quota;
    std::optional<std::uint64_t> period;
    if (v2) {
        const std::string text = read_text(group / "cpu.max");
        const auto parts = words(text);
        if (parts.size() == 2) {
            quota = to_number(parts[0]);  // "max" is no number: no limit
            period = to_number(parts[1]);
        }
    } else {
        quota = to_number(read_text(group / "cpu.cfs_quota_us"));  // -1: no limit
        period = to_number(read_text(group / "cpu.cfs_period_us"));
    }
    if (!quota || !period || *quota == 0 || *period == 0) {
        return std::nullopt;
    }
    return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<double> cpu_limit(const ControlGroups& groups) {
    std::optional<double> tightest;
    for (const fs::path& group : groups.cpu) {
        const auto here = cpu_limit_of(group, groups.cpu_v2);
        if (here && (!tightest || *here < *tightest)) {
            tightest = here;
        }
    }
    return tightest;
}

std::optional<Bytes> meminfo_value(std::string_view meminfo, std::string_view key) {
    std::optional<Bytes> value;
    each_line(meminfo, [&](std::string_view line) {
        if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') {
            return;
        }
        const auto parts = words(line.substr(key.size() + 1));
        const auto kilobytes = parts.empty() ? std::nullopt : to_number(parts[0]);
        if (kilobytes && *kilobytes <= (std::uint64_t{1} << 53U)) {
            value = kib(*kilobytes);
        }
    });
    return value;
}

bool in_container(const HostRoots& roots) {
    std::error_code code;
    if (fs::exists(roots.root / ".dockerenv", code) ||
        fs::exists(roots.root / "run/.containerenv", code)) {
        return true;
    }
    const std::string first = read_text(roots.proc / "1/cgroup");
    return std::ranges::any_of(
        std::array{"/docker", "kubepods", "containerd", "/lxc", "libpod"},
        [&](const char* mark) { return first.contains(mark); }
    );
}

bool under_wsl2(const HostRoots& roots) {
    std::string release = read_text(roots.proc / "sys/kernel/osrelease");
    std::ranges::transform(release, release.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return release.contains("microsoft");
}

}  // namespace

std::optional<Bytes> HostFacts::usable_ram() const {
    return memory_limit ? memory_limit : machine_ram;
}

HostFacts read_host_facts(const HostRoots& roots) {
    HostFacts facts;
    const CpuInfo info = parse_cpuinfo(read_text(roots.proc / "cpuinfo"));
    facts.cpu.model = cpu_model(info, roots);
    facts.cpu.flags = cpu_flags(info);
    count_cores(facts.cpu, info, roots);

    const ControlGroups groups = find_groups(roots);
    facts.cpu.limit = cpu_limit(groups);
    const std::string meminfo = read_text(roots.proc / "meminfo");
    facts.machine_ram = meminfo_value(meminfo, "MemTotal");
    facts.ram_available = meminfo_value(meminfo, "MemAvailable");
    const Bytes machine =
        facts.machine_ram.value_or(Bytes{std::numeric_limits<std::int64_t>::max() - (1 << 20)});
    if (const auto limit = memory_limit(groups, machine)) {
        facts.memory_limit = limit->limit;
        facts.ram_available = std::min(facts.ram_available.value_or(limit->left), limit->left);
    }
    facts.container = in_container(roots);
    facts.wsl2 = under_wsl2(roots);
    return facts;
}

std::optional<Bytes> disk_free(fs::path folder) {
    std::error_code code;
    folder = fs::absolute(folder, code);
    while (!code && !fs::exists(folder, code) && folder.has_relative_path()) {
        code.clear();
        folder = folder.parent_path();
    }
    struct statvfs file_system{};
    if (::statvfs(folder.c_str(), &file_system) != 0) {
        return std::nullopt;
    }
    return Bytes{file_system.f_bavail * file_system.f_frsize};
}

}  // namespace nova::hardware
