// Keys between JSON, the store and the workers.
#include "recovery/key_book.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "recovery/time_text.hpp"

namespace nova::recovery {
namespace {

constexpr std::string_view kKeyPrefix = "key/";
constexpr std::size_t kMostKeys = 1000;
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kMostScopes = 200;
constexpr std::size_t kLongestScope = 256;
constexpr std::int64_t kMostRequests = 1'000'000;
constexpr std::int64_t kMostTokens = 1'000'000'000;
constexpr std::int64_t kMostConcurrent = 10'000;
constexpr std::int64_t kLongestLife = std::int64_t{100} * 366 * 24 * 3600;

std::unexpected<Error> wrong(std::string message) {
    return fail(ErrorCode::unprocessable, std::move(message), "See `nova keys create --help`.");
}

bool is_plain(std::string_view text, std::size_t longest) {
    return !text.empty() && text.size() <= longest && text.front() != ' ' && text.back() != ' ' &&
           std::ranges::none_of(text, [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == '\x7f';
           });
}

Result<std::vector<std::string>> scope_from(const Json* list, std::string_view name) {
    std::vector<std::string> scope;
    if (list == nullptr) {
        return scope;
    }
    for (const Json& value : *list) {
        if (!value.is_string() || !is_plain(value.get_ref<const std::string&>(), kLongestScope)) {
            return wrong(fmt::format("{} must be a list of names.", name));
        }
        scope.push_back(value.get<std::string>());
    }
    if (scope.size() > kMostScopes) {
        return wrong(fmt::format("{} may have {} names at most.", name, kMostScopes));
    }
    return scope;
}

Result<std::uint64_t>
limit_from(const std::optional<std::int64_t>& value, std::string_view name, std::int64_t most) {
    if (value && (*value < 1 || *value > most)) {
        return wrong(fmt::format("{} must be a whole number from 1 to {}.", name, most));
    }
    return static_cast<std::uint64_t>(value.value_or(0));
}

Result<std::optional<WallTime>> expiry_from(
    const std::optional<std::string>& at, const std::optional<std::int64_t>& in_s, WallTime now
) {
    if (at && in_s) {
        return wrong("Give expires_at or expires_in_s, not both.");
    }
    if (in_s) {
        if (*in_s < 1 || *in_s > kLongestLife) {
            return wrong("expires_in_s must be a number of seconds from 1 on.");
        }
        return std::optional{now + std::chrono::seconds{*in_s}};
    }
    if (!at) {
        return std::optional<WallTime>{};
    }
    const auto time = time_from(*at);
    if (!time || *time <= now) {
        return wrong("expires_at must be a time to come, such as 2030-01-31T00:00:00Z.");
    }
    return time;
}

// Members that a wish and a stored document have in common.
Result<KeyWish> wish_of(JsonReader& reader) {
    KeyWish wish;
    wish.name = reader.required_text("name");
    auto models = scope_from(reader.array("models"), "models");
    auto providers = scope_from(reader.array("providers"), "providers");
    wish.never_cloud = reader.boolean("never_cloud").value_or(false);
    const auto requests =
        limit_from(reader.integer("requests_per_minute"), "requests_per_minute", kMostRequests);
    const auto tokens =
        limit_from(reader.integer("tokens_per_minute"), "tokens_per_minute", kMostTokens);
    const auto concurrent = limit_from(reader.integer("concurrent"), "concurrent", kMostConcurrent);
    if (reader.error()) {
        return std::unexpected<Error>{*reader.error()};
    }
    const std::array<const Error*, 5> wrongs{
        models ? nullptr : &models.error(),         providers ? nullptr : &providers.error(),
        requests ? nullptr : &requests.error(),     tokens ? nullptr : &tokens.error(),
        concurrent ? nullptr : &concurrent.error(),
    };
    if (const auto it =
            std::ranges::find_if(wrongs, [](const Error* error) { return error != nullptr; });
        it != wrongs.end()) {
        return std::unexpected<Error>{**it};
    }
    if (!is_plain(wish.name, kLongestName)) {
        return wrong(fmt::format("name must be one line of 1 to {} characters.", kLongestName));
    }
    wish.models = std::move(*models);
    wish.providers = std::move(*providers);
    wish.requests_per_minute = *requests;
    wish.tokens_per_minute = *tokens;
    wish.concurrent = static_cast<std::uint32_t>(*concurrent);
    return wish;
}

void put_limit(Json& object, const char* key, std::uint64_t value) {
    if (value != 0) {
        object[key] = value;
    }
}

Json document_of(const KeyRecord& record) {
    Json out = key_json(record);
    out.erase("id");
    out["hash"] = record.hash;
    return out;
}

Result<KeyRecord> record_from(std::string id, const std::string& text) {
    const auto document = parse_json(text, "The stored key");
    if (!document) {
        return propagate(document);
    }
    JsonReader reader{*document, ""};
    KeyRecord record;
    record.id = std::move(id);
    record.hash = reader.required_text("hash");
    const auto created = time_from(reader.required_text("created_at"));
    const auto expires = reader.text("expires_at");
    auto wish = wish_of(reader);
    if (!wish) {
        return propagate(wish);
    }
    record.is = std::move(*wish);
    record.is.expires_at = expires ? time_from(*expires) : std::nullopt;
    // An expiry that cannot be read must not make the key live for ever.
    const bool good = created && (!expires || record.is.expires_at) && record.hash.size() == 64 &&
                      record.hash.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!good) {
        return wrong("The stored key makes no sense.");
    }
    record.created_at = *created;
    return record;
}

store::AppendEvent
audit(std::string_view action, const KeyRecord& record, std::string_view actor, WallTime at) {
    const Json json{
        {"action", action}, {"actor", actor}, {"key", record.id}, {"name", record.is.name}
    };
    return {.type = "audit", .json = json_text(json), .at = at};
}

}  // namespace

Result<KeyWish> key_wish_from(std::string_view body, WallTime now) {
    const auto document = parse_json(body.empty() ? "{}" : body, "The request body");
    if (!document) {
        return propagate(document);
    }
    if (!document->is_object()) {
        return fail(ErrorCode::invalid_argument, "The request body must be a JSON object.");
    }
    constexpr std::array<std::string_view, 9> kMembers{
        "name",       "models",       "providers",           "never_cloud",
        "expires_at", "expires_in_s", "requests_per_minute", "tokens_per_minute",
        "concurrent",
    };
    for (const auto& [member, value] : document->items()) {
        if (std::ranges::find(kMembers, member) == kMembers.end()) {
            return fail(
                ErrorCode::invalid_argument, fmt::format("A key has no member \"{}\".", member),
                fmt::format("Members: {}.", fmt::join(kMembers, ", "))
            );
        }
    }
    JsonReader reader{*document, ""};
    const auto expires_at = reader.text("expires_at");
    const auto expires_in = reader.integer("expires_in_s");
    auto wish = wish_of(reader);
    if (!wish) {
        return wish;
    }
    const auto expiry = expiry_from(expires_at, expires_in, now);
    if (!expiry) {
        return propagate(expiry);
    }
    wish->expires_at = *expiry;
    return wish;
}

Json key_json(const KeyRecord& record) {
    Json out{
        {"id", record.id},
        {"name", record.is.name},
        {"created_at", rfc3339(record.created_at)},
        {"models", record.is.models},
        {"providers", record.is.providers},
        {"never_cloud", record.is.never_cloud},
    };
    if (record.is.expires_at) {
        out["expires_at"] = rfc3339(*record.is.expires_at);
    }
    put_limit(out, "requests_per_minute", record.is.requests_per_minute);
    put_limit(out, "tokens_per_minute", record.is.tokens_per_minute);
    put_limit(out, "concurrent", record.is.concurrent);
    return out;
}

KeyBook::KeyBook(Parts parts) : parts_{std::move(parts)} {}

Task<Result<std::vector<std::string>>> KeyBook::load() {
    const auto entries = co_await parts_.store.list(std::string{kKeyPrefix});
    if (!entries) {
        co_return propagate(entries);
    }
    std::vector<std::string> passed_over;
    keys_.clear();
    for (const store::Entry& entry : *entries) {
        std::string id = entry.key.value.substr(kKeyPrefix.size());
        auto record = record_from(id, entry.json);
        if (record) {
            keys_.push_back(std::move(*record));
        } else {
            passed_over.push_back(std::move(id));
        }
    }
    std::ranges::sort(keys_, {}, [](const KeyRecord& key) {
        return std::pair{key.created_at, std::string_view{key.id}};
    });
    co_await parts_.publish(keys_);
    co_return passed_over;
}

Task<Result<void>> KeyBook::keep(store::Write change, store::AppendEvent audit) {
    std::vector<store::Write> writes;
    writes.push_back(std::move(change));
    return lifecycle::commit_and_tell(
        parts_.store, parts_.feed, std::move(audit), std::move(writes)
    );
}

Task<Result<KeyBook::Created>> KeyBook::create(KeyWish wish, std::string actor) {
    const auto same_name = [&wish](const KeyRecord& key) { return key.is.name == wish.name; };
    if (std::ranges::any_of(keys_, same_name)) {
        co_return fail(Error{
            .code = ErrorCode::conflict,
            .message = fmt::format("There is a key called \"{}\" already.", wish.name),
            .word = "key_exists",
            .remedy = "Choose another name, or revoke that key first.",
        });
    }
    if (keys_.size() >= kMostKeys) {
        co_return fail(
            ErrorCode::exhausted, fmt::format("There are {} keys already.", kMostKeys),
            "Revoke keys that nobody uses."
        );
    }
    MintedKey minted = parts_.mint();
    KeyRecord record{
        .id = std::move(minted.id),
        .hash = std::move(minted.hash),
        .created_at = parts_.clock.wall_now(),
        .is = std::move(wish),
    };
    store::PutDocument document{
        .key = {std::string{kKeyPrefix} + record.id},
        .json = json_text(document_of(record)),
        .expect = {.kind = store::Expect::Kind::absent},
    };
    const auto kept =
        co_await keep(std::move(document), audit("key.create", record, actor, record.created_at));
    if (!kept) {
        co_return propagate(kept);
    }
    keys_.push_back(record);
    co_await parts_.publish(keys_);
    co_return Created{.record = std::move(record), .text = std::move(minted.text)};
}

Task<Result<void>> KeyBook::revoke(std::string id, std::string actor) {
    const auto found = std::ranges::find(keys_, id, &KeyRecord::id);
    if (found == keys_.end()) {
        co_return fail(Error{
            .code = ErrorCode::not_found,
            .message = fmt::format("There is no key with the id \"{}\".", id),
            .word = "key_not_found",
            .remedy = "See them with: nova keys list",
        });
    }
    const auto kept = co_await keep(
        store::DeleteDocument{.key = {std::string{kKeyPrefix} + id}},
        audit("key.revoke", *found, actor, parts_.clock.wall_now())
    );
    if (!kept) {
        co_return propagate(kept);
    }
    std::erase_if(keys_, [&id](const KeyRecord& key) { return key.id == id; });
    co_await parts_.publish(keys_);
    co_return Result<void>{};
}

}  // namespace nova::recovery
