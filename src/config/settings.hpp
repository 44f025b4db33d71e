// Runtime settings: one table makes validation, help, the settings page and docs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/boot_config.hpp"
#include "core/json.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "store/state_store.hpp"

namespace nova::config {

enum class SettingType : std::uint8_t { integer, boolean, word, text };
enum class Confidential : bool { no, yes };
enum class Applies : bool { at_restart, at_once };

struct SettingRow {
    std::string_view name;  // "drain_s"; the unit stands last
    SettingType type;
    std::string_view built_in;  // as text
    std::int64_t least = 0;     // integers
    std::int64_t most = 0;
    std::string_view words{};  // "stop|keep"
    std::string_view variable;
    Confidential confidential = Confidential::no;
    std::string_view sentence;
    Applies applies = Applies::at_restart;
};

using SettingValue = std::variant<std::int64_t, bool, std::string>;

std::span<const SettingRow> setting_table();
const SettingRow* find_setting(std::string_view name);  // nullptr: there is none

// Errors: unprocessable, a sentence with the setting's name and bounds.
Result<SettingValue> setting_from_text(const SettingRow& row, std::string_view text);
Result<SettingValue> setting_from_json(const SettingRow& row, const Json& value);
std::string text_of(const SettingValue& value);

struct SettingChange {
    std::string name;
    std::optional<SettingValue> value{};  // empty: back to seed or default
};

// default < boot seed (file, environment) < store. Single-threaded (control thread).
class Settings {
public:
    // store must outlive it.
    Settings(store::StateStore& store, std::map<std::string, Layered<std::string>> seeds);

    // Reads documents setting/NAME. A stored value that is no longer valid is passed over and named
    // in the answer, so that a bad row cannot keep nova from starting.
    Task<Result<std::vector<std::string>>> load();
    // Validates, writes, then applies: all or none. Errors: not_found (no such setting),
    // unprocessable, the store's.
    Task<Result<void>> change(std::vector<SettingChange> changes);

    // The name must be in the table and of this type.
    std::int64_t integer(std::string_view name) const;
    bool boolean(std::string_view name) const;
    const std::string& text(std::string_view name) const;

    // Where the value comes from, and what it hides, weakest first.
    struct Explained {
        const SettingRow* row = nullptr;
        Layered<SettingValue> value;
        std::vector<Layered<SettingValue>> hidden;
    };

    std::optional<Explained> explain(std::string_view name) const;

private:
    const SettingValue& value_of_row(std::string_view name) const;

    store::StateStore& store_;
    // Per name, weakest layer first; never empty.
    std::map<std::string, std::vector<Layered<SettingValue>>, std::less<>> values_;
};

// Mode (hybrid, local-only, cloud-only) is one setting; this is what follows from it. strategy: the
// setting routing_strategy, which only hybrid leaves room for.
std::string_view routing_strategy_of(std::string_view mode, std::string_view strategy = "auto");

// The setting routing_aliases: "fast=groq/llama-3.1-8b-instant, mine=qwen2.5:7b". Error:
// unprocessable, naming the piece that is none.
Result<std::vector<std::pair<std::string, std::string>>> aliases_from(std::string_view text);

}  // namespace nova::config
