// Reads the catalog strictly and looks for its fragments line by line.
#include "lifecycle/failure_catalog.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <initializer_list>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "embedded/failure_data.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::string_view kValueHole = "{value}";
constexpr std::size_t kValueLimit = 120;
// The kernel's word outweighs whatever stands in the log.
constexpr std::size_t kKernelWeight = 100;
constexpr std::size_t kLinesBefore = 8;

std::string lower(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return out;
}

// ---------------------------------------------------------------- reading

// Collects the first mistake of one failure.
class Entry {
public:
    Entry(const Json& value, std::string path) : value_{value}, reader_{value, path}, path_{path} {}

    JsonReader& reader() { return reader_; }

    void complain(std::string_view key, std::string_view sentence) {
        if (!mistake_) {
            mistake_ = Error{
                .code = ErrorCode::invalid_argument,
                .message = fmt::format("{}.{} {}.", path_, key, sentence)
            };
        }
    }

    const std::optional<Error>& error() const { return mistake_ ? mistake_ : reader_.error(); }

    void check_keys(std::initializer_list<std::string_view> known) {
        if (!value_.is_object()) {
            complain("", "must be an object");
            return;
        }
        for (const auto& [key, ignored] : value_.items()) {
            if (std::ranges::find(known, std::string_view{key}) == known.end()) {
                complain(key, "is not a known key");
            }
        }
    }

    std::vector<std::string> texts(std::string_view key) {
        std::vector<std::string> result;
        const Json* list = value_.is_object() ? reader_.array(key) : nullptr;
        if (list == nullptr) {
            return result;
        }
        for (const Json& item : *list) {
            if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
                complain(key, "must hold strings that are not empty");
                return result;
            }
            result.push_back(item.get<std::string>());
        }
        return result;
    }

    std::vector<std::string> fragments(std::string_view key) {
        auto result = texts(key);
        for (std::string& fragment : result) {
            fragment = lower(fragment);
            if (fragment.contains('\n') || fragment == kValueHole) {
                complain(key, "must hold plain text of one line");
            }
        }
        return result;
    }

    std::optional<int> number(std::string_view key) {
        const auto given = value_.is_object() ? reader_.integer(key) : std::nullopt;
        if (given && (*given < 0 || *given > 255)) {
            complain(key, "must be 0 to 255");
            return std::nullopt;
        }
        return given ? std::optional{static_cast<int>(*given)} : std::nullopt;
    }

private:
    const Json& value_;
    JsonReader reader_;
    std::string path_;
    std::optional<Error> mistake_;
};

bool is_id(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

bool has_hole(const std::vector<std::string>& fragments) {
    return std::ranges::any_of(fragments, [](std::string_view fragment) {
        return fragment.ends_with(kValueHole);
    });
}

// A full stop followed by white space begins a second sentence; one inside a word does not.
bool is_one_sentence(std::string_view text) {
    return text.size() > 1 && text.ends_with('.') && !text.contains('\n') && !text.contains(". ");
}

void check_sentence(Entry& entry, std::string_view key, std::string_view text, bool has_value) {
    if (!is_one_sentence(text)) {
        entry.complain(key, "must be one sentence that ends with a full stop");
    }
    std::size_t at = 0;
    while ((at = text.find('{', at)) != std::string_view::npos) {
        const std::size_t end = std::min(text.find('}', at), text.size());
        const std::string_view name = text.substr(at + 1, end - at - 1);
        if (std::ranges::find(kFailurePlaceholders, name) == std::end(kFailurePlaceholders)) {
            entry.complain(key, fmt::format("names {{{}}}, which nova does not know", name));
        } else if (name == "value" && !has_value) {
            entry.complain(key, "names {value}, but no fragment ends with it");
        }
        at = end;
    }
}

FailureSignature signature_from(Entry& top, const Json& value, std::string path) {
    Entry entry{value, std::move(path)};
    entry.check_keys(
        {"line", "lines", "any_of", "unless", "exit_code", "exit_signal", "out_of_memory"}
    );
    FailureSignature signature{
        .line = entry.fragments("line"),
        .lines = entry.fragments("lines"),
        .any_of = entry.fragments("any_of"),
        .unless = entry.fragments("unless"),
        .exit_code = entry.number("exit_code"),
        .exit_signal = entry.number("exit_signal"),
        .out_of_memory = entry.reader().boolean("out_of_memory").value_or(false)
    };
    const bool something = !signature.line.empty() || !signature.lines.empty() ||
                           !signature.any_of.empty() || signature.exit_code ||
                           signature.exit_signal || signature.out_of_memory;
    if (!something) {
        entry.complain("line", "or another condition is required");
    }
    if (!signature.line.empty() && !signature.lines.empty()) {
        entry.complain("lines", "and line exclude each other");
    }
    if (entry.error()) {
        top.complain("signature", entry.error()->message);
    }
    return signature;
}

void read_words(Entry& entry, KnownFailure& failure) {
    JsonReader& in = entry.reader();
    const std::string confidence = in.required_text("confidence");
    const std::string source = in.required_text("source");
    failure.confidence = confidence == "high"     ? Confidence::high
                         : confidence == "medium" ? Confidence::medium
                                                  : Confidence::low;
    failure.source = source == "observed" ? FailureSource::observed : FailureSource::documented;
    if (confidence != word(failure.confidence)) {
        entry.complain("confidence", "must be high, medium or low");
    }
    if (source != word(failure.source)) {
        entry.complain("source", "must be observed or documented");
    }
    failure.observed_with = in.text("observed_with").value_or("");
    if ((failure.source == FailureSource::observed) == failure.observed_with.empty()) {
        entry.complain("observed_with", "belongs to what was observed, and only to that");
    }
    if (failure.confidence == Confidence::low && !failure.retry_helps) {
        entry.complain("retry_helps", "must be true where confidence is low: no guess ends trying");
    }
}

Result<KnownFailure> failure_from(const Json& value, const std::string& path) {
    Entry entry{value, path};
    entry.check_keys(
        {"id", "code", "engines", "signature", "cause", "retry_helps", "remedy", "confidence",
         "source", "observed_with"}
    );
    if (entry.error()) {
        return fail(*entry.error());
    }
    JsonReader& in = entry.reader();
    KnownFailure failure;
    failure.id = in.required_text("id");
    failure.code = in.required_text("code");
    failure.engines = entry.texts("engines");
    failure.cause = in.required_text("cause");
    failure.remedy = in.required_text("remedy");
    const auto helps = in.boolean("retry_helps");
    failure.retry_helps = helps.value_or(true);
    if (!helps) {
        entry.complain("retry_helps", "is required");
    }
    if (!is_id(failure.id) || !is_id(failure.code)) {
        entry.complain("id", "and code must be of lower case letters, digits, - and _");
    }
    if (const Json* signature = in.object("signature")) {
        failure.signature = signature_from(entry, *signature, path + ".signature");
    } else {
        entry.complain("signature", "is required");
    }
    read_words(entry, failure);
    const bool has_value = has_hole(failure.signature.line) || has_hole(failure.signature.lines) ||
                           has_hole(failure.signature.any_of);
    check_sentence(entry, "cause", failure.cause, has_value);
    check_sentence(entry, "remedy", failure.remedy, has_value);
    if (entry.error()) {
        return fail(*entry.error());
    }
    return failure;
}

// ---------------------------------------------------------------- matching

struct Found {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string_view hole;  // the word behind the fragment
};

// The word that starts here: up to white space or a sign that ends a quotation.
std::string_view word_at(std::string_view text, std::size_t at) {
    constexpr std::string_view kQuotes = "\"'`";
    while (at < text.size() && kQuotes.contains(text[at])) {
        ++at;
    }
    const std::size_t end = std::min(text.find_first_of(" \t\r\n\"'`,;()", at), text.size());
    std::string_view found = text.substr(at, std::min(end - at, kValueLimit));
    while (found.ends_with('.') || found.ends_with(':')) {
        found.remove_suffix(1);
    }
    return found;
}

std::optional<Found> first_in(std::string_view text, std::string_view fragment, std::size_t from) {
    const bool hole = fragment.ends_with(kValueHole);
    const std::string_view fixed =
        hole ? fragment.substr(0, fragment.size() - kValueHole.size()) : fragment;
    const std::size_t at = text.find(fixed, from);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::size_t end = at + fixed.size();
    return Found{at, end, hole ? word_at(text, end) : std::string_view{}};
}

std::optional<Found> last_before(std::string_view text, std::string_view fragment) {
    const bool hole = fragment.ends_with(kValueHole);
    const std::string_view fixed =
        hole ? fragment.substr(0, fragment.size() - kValueHole.size()) : fragment;
    const std::size_t at = text.rfind(fixed);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::size_t end = at + fixed.size();
    return Found{at, end, hole ? word_at(text, end) : std::string_view{}};
}

std::optional<Found> in_one_line(std::string_view line, const std::vector<std::string>& fragments) {
    Found all;
    for (const std::string& fragment : fragments) {
        const auto found = first_in(line, fragment, all.end);
        if (!found) {
            return std::nullopt;
        }
        all.end = found->end;
        all.hole = found->hole.empty() ? all.hole : found->hole;
    }
    return all;
}

// The last line that has them all.
std::optional<Found> last_line(std::string_view log, const std::vector<std::string>& fragments) {
    std::size_t end = log.size();
    // Only lines that have the first fragment are looked at.
    while (const auto at = last_before(log.substr(0, end), fragments.front())) {
        const std::size_t before =
            at->begin == 0 ? std::string_view::npos : log.rfind('\n', at->begin - 1);
        const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
        const std::size_t stop = std::min(log.find('\n', at->begin), log.size());
        if (auto found = in_one_line(log.substr(begin, stop - begin), fragments)) {
            found->begin = begin;
            return found;
        }
        if (begin == 0) {
            break;
        }
        end = begin - 1;
    }
    return std::nullopt;
}

// All in order, as near to the end as they stand.
std::optional<Found> over_lines(std::string_view log, const std::vector<std::string>& fragments) {
    Found all;
    std::size_t end = log.size();
    for (std::size_t i = fragments.size(); i > 0; --i) {
        auto found = last_before(log.substr(0, end), fragments[i - 1]);
        if (!found) {
            return std::nullopt;
        }
        if (i == fragments.size()) {
            all.begin = found->begin;
        }
        if (fragments[i - 1].ends_with(kValueHole) && all.hole.empty()) {
            all.hole = word_at(log, found->end);
        }
        end = found->begin;
    }
    return all;
}

std::optional<Found> any_in(std::string_view log, const std::vector<std::string>& fragments) {
    std::optional<Found> nearest;
    for (const std::string& fragment : fragments) {
        if (const auto found = last_before(log, fragment)) {
            if (!nearest || found->begin > nearest->begin) {
                nearest = found;
            }
        }
    }
    return nearest;
}

bool ended_so(const FailureSignature& signature, const FailureEvidence& evidence) {
    return (!signature.exit_code || signature.exit_code == evidence.exit_code) &&
           (!signature.exit_signal || signature.exit_signal == evidence.exit_signal) &&
           (!signature.out_of_memory || evidence.out_of_memory);
}

std::size_t line_begin(std::string_view log, std::size_t at) {
    const std::size_t before = at == 0 ? std::string_view::npos : log.rfind('\n', at - 1);
    return before == std::string_view::npos ? 0 : before + 1;
}

// log: lower case; evidence.log: as written, for the value.
std::optional<FailureMatch>
match_in(const KnownFailure& failure, const FailureEvidence& evidence, std::string_view log) {
    const FailureSignature& signature = failure.signature;
    const bool of_engine =
        failure.engines.empty() || evidence.engine.empty() ||
        std::ranges::find(failure.engines, evidence.engine) != failure.engines.end();
    if (!of_engine || !ended_so(signature, evidence) || any_in(log, signature.unless)) {
        return std::nullopt;
    }
    FailureMatch match{.failure = &failure, .value = {}, .offset = evidence.log.size()};
    match.weight = (signature.out_of_memory ? kKernelWeight : 0U) + signature.line.size() +
                   signature.lines.size() + (signature.any_of.empty() ? 0U : 1U);
    const auto take = [&](const std::optional<Found>& found) {
        if (!found) {
            return false;
        }
        match.offset = line_begin(log, found->begin);
        if (!found->hole.empty()) {
            const auto at = static_cast<std::size_t>(found->hole.data() - log.data());
            match.value = std::string{evidence.log.substr(at, found->hole.size())};
        }
        return true;
    };
    if (!signature.any_of.empty() && !take(any_in(log, signature.any_of))) {
        return std::nullopt;
    }
    if (!signature.line.empty() && !take(last_line(log, signature.line))) {
        return std::nullopt;
    }
    if (!signature.lines.empty() && !take(over_lines(log, signature.lines))) {
        return std::nullopt;
    }
    // How it ended says little alone, but it settles what words leave open.
    if (match.weight > 0 && (signature.exit_code || signature.exit_signal)) {
        ++match.weight;
    }
    return match;
}

}  // namespace

std::string_view word(Confidence confidence) {
    switch (confidence) {
    case Confidence::low:
        return "low";
    case Confidence::medium:
        return "medium";
    case Confidence::high:
        return "high";
    }
    return "";
}

std::string_view word(FailureSource source) {
    switch (source) {
    case FailureSource::observed:
        return "observed";
    case FailureSource::documented:
        return "documented";
    }
    return "";
}

Result<FailureCatalog> FailureCatalog::parse(std::string_view text, std::string_view file) {
    const auto value = parse_json(text, file);
    if (!value) {
        return propagate(value);
    }
    if (!value->is_object() || !value->contains("failures") || value->size() != 1 ||
        !(*value)["failures"].is_array()) {
        return fail(
            ErrorCode::invalid_argument, fmt::format("{} must hold one list, failures.", file)
        );
    }
    FailureCatalog catalog;
    std::set<std::string> ids;
    const Json& list = (*value)["failures"];
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto failure = failure_from(list[i], fmt::format("{}.failures[{}]", file, i));
        if (!failure) {
            return propagate(failure);
        }
        if (!ids.insert(failure->id).second) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("{}: {} is there twice.", file, failure->id)
            );
        }
        catalog.failures_.push_back(std::move(*failure));
    }
    return catalog;
}

const FailureCatalog& FailureCatalog::builtin() {
    static const FailureCatalog catalog = [] {
        const auto file = embedded::failure_data().front();
        auto read = parse(file.text, file.name);
        if (!read) {
            fmt::print(stderr, "nova: {}\n", read.error().message);
            std::abort();
        }
        return std::move(*read);
    }();
    return catalog;
}

std::optional<FailureMatch> FailureCatalog::find(const FailureEvidence& evidence) const {
    const std::string log = lower(evidence.log);
    FailureEvidence known = evidence;
    const bool named = std::ranges::any_of(failures_, [&](const KnownFailure& failure) {
        return std::ranges::find(failure.engines, evidence.engine) != failure.engines.end();
    });
    if (!named) {
        known.engine = {};
    }
    std::optional<FailureMatch> best;
    for (const KnownFailure& failure : failures_) {
        auto match = match_in(failure, known, log);
        if (match && (!best || match->weight > best->weight ||
                      (match->weight == best->weight && match->offset > best->offset))) {
            best = std::move(match);
        }
    }
    return best;
}

std::optional<FailureMatch>
match_failure(const KnownFailure& failure, const FailureEvidence& evidence) {
    return match_in(failure, evidence, lower(evidence.log));
}

std::string excerpt_around(std::string_view log, std::size_t offset) {
    while (log.ends_with('\n')) {
        log.remove_suffix(1);
    }
    std::size_t begin = std::min(offset, log.size());
    const std::size_t before = begin == log.size() ? kExcerptLines - 1 : kLinesBefore;
    begin = line_begin(log, begin);
    for (std::size_t i = 0; i < before && begin > 0; ++i) {
        begin = line_begin(log, begin - 1);
    }
    std::size_t end = begin;
    for (std::size_t i = 0; i < kExcerptLines && end < log.size(); ++i) {
        end = std::min(log.find('\n', end + (i == 0 ? 0U : 1U)), log.size());
    }
    return std::string{log.substr(begin, end - begin)};
}

}  // namespace nova::lifecycle
