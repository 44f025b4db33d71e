// GGUF versions 2 and 3 as ggml's docs/gguf.md describes them, read without trusting a length.
#include "catalog/gguf.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "catalog/gguf_cursor.hpp"

namespace nova::catalog {
namespace {

constexpr std::uint64_t kMostKeys = 65536;
constexpr std::uint64_t kMostTensors = std::uint64_t{1} << 20U;
constexpr std::uint64_t kMostKeyBytes = 65535;  // the format's own limit
constexpr std::uint64_t kMostTextBytes = std::uint64_t{64} << 20U;
constexpr std::uint64_t kMostTensorName = 1024;  // the format says 64; some writers exceed it
constexpr std::uint64_t kMostLayers = 4096;
constexpr std::size_t kMostStoredNumbers = 65536;
constexpr std::uint64_t kMostAlignment = std::uint64_t{1} << 20U;
constexpr std::uint64_t kMostParts = 1000;

struct TensorType {
    std::uint32_t id;
    std::uint64_t block;  // elements
    std::uint64_t bytes;  // per block
};

// ggml's types and block sizes (gguf-py/gguf/constants.py); gaps in the numbers are withdrawn
// types.
constexpr std::array<TensorType, 35> kTensorTypes{{
    {0, 1, 4},      {1, 1, 2},      {2, 32, 18},   {3, 32, 20},    {6, 32, 22},    {7, 32, 24},
    {8, 32, 34},    {9, 32, 40},    {10, 256, 84}, {11, 256, 110}, {12, 256, 144}, {13, 256, 176},
    {14, 256, 210}, {15, 256, 292}, {16, 256, 66}, {17, 256, 74},  {18, 256, 98},  {19, 256, 50},
    {20, 32, 18},   {21, 256, 110}, {22, 256, 82}, {23, 256, 136}, {24, 1, 1},     {25, 1, 2},
    {26, 1, 4},     {27, 1, 8},     {28, 1, 8},    {29, 256, 56},  {30, 1, 2},     {34, 256, 54},
    {35, 256, 66},  {39, 32, 17},   {40, 64, 36},  {41, 128, 18},  {42, 64, 18},
}};

struct FileType {
    std::uint64_t id;
    std::string_view word;
};

constexpr std::array<FileType, 36> kFileTypes{{
    {0, "F32"},      {1, "F16"},      {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},
    {8, "Q5_0"},     {9, "Q5_1"},     {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"},
    {13, "Q3_K_L"},  {14, "Q4_K_S"},  {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"},
    {18, "Q6_K"},    {19, "IQ2_XXS"}, {20, "IQ2_XS"}, {21, "Q2_K_S"}, {22, "IQ3_XS"},
    {23, "IQ3_XXS"}, {24, "IQ1_S"},   {25, "IQ4_NL"}, {26, "IQ3_S"},  {27, "IQ3_M"},
    {28, "IQ2_S"},   {29, "IQ2_M"},   {30, "IQ4_XS"}, {31, "IQ1_M"},  {32, "BF16"},
    {36, "TQ1_0"},   {37, "TQ2_0"},   {38, "MXFP4"},  {39, "NVFP4"},  {40, "Q1_0"},
}};

std::unexpected<Error> bad_file(std::string_view word, std::string message, std::string remedy) {
    return fail(Error{
        .code = ErrorCode::unprocessable,
        .message = std::move(message),
        .word = std::string{word},
        .remedy = std::move(remedy),
    });
}

std::unexpected<Error> not_gguf(std::string message, std::string remedy) {
    return bad_file("model_file_not_gguf", std::move(message), std::move(remedy));
}

std::unexpected<Error> damaged(std::string message) {
    return bad_file(
        "model_file_damaged", std::move(message), "Delete the file and download it again."
    );
}

std::string size_words(std::uint64_t bytes) {
    const auto amount = static_cast<double>(bytes);
    if (bytes >= 10'000'000'000) {
        return fmt::format("{:.1f} GB", amount / 1e9);
    }
    if (bytes >= 1'000'000'000) {
        return fmt::format("{:.2f} GB", amount / 1e9);
    }
    if (bytes >= 10'000'000) {
        return fmt::format("{:.0f} MB", amount / 1e6);
    }
    return bytes >= 1'000'000 ? fmt::format("{:.1f} MB", amount / 1e6)
                              : fmt::format("{} bytes", bytes);
}

std::unexpected<Error> cut_short(std::string_view name, std::uint64_t wanted, std::uint64_t there) {
    std::string expected = size_words(wanted);
    std::string actual = size_words(there);
    if (expected == actual) {  // one missing byte must not read as none
        expected = fmt::format("{} bytes", wanted);
        actual = fmt::format("{} bytes", there);
    }
    return damaged(fmt::format(
        "{} is cut short: {} expected, {} there; download it again.", name, expected, actual
    ));
}

// Texts of the file end in JSON and on terminals: plain ASCII, nothing that moves a cursor.
std::string printable(std::string text) {
    std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

// What people have under the name of a model when it is none.
std::unexpected<Error> explain_stranger(std::string_view name, std::string_view start) {
    const std::string download = "Download the model file itself; it begins with the letters GGUF.";
    std::string low = lowered(start);
    low.erase(0, std::min(low.size(), low.find_first_not_of(" \t\r\n\xef\xbb\xbf")));
    if (start.empty()) {
        return not_gguf(fmt::format("{} is empty.", name), download);
    }
    if (low.starts_with("<!doctype") || low.starts_with("<html") || low.starts_with("<?xml")) {
        return not_gguf(
            fmt::format("{} is not a model: this is a web page.", name),
            "Use the download link of the file (on Hugging Face .../resolve/main/FILE), and sign "
            "in where the model asks for it."
        );
    }
    if (start.starts_with("version https://git-lfs")) {
        return not_gguf(
            fmt::format("{} is a git-lfs pointer: the model itself was not fetched.", name),
            "Run `git lfs pull` in that folder."
        );
    }
    if (start.find_first_not_of('\0') == std::string_view::npos) {
        return damaged(fmt::format("{} begins with zeros: its download did not finish.", name));
    }
    if (start.starts_with("lmgg") || start.starts_with("tjgg") || start.starts_with("fmgg")) {
        return not_gguf(
            fmt::format("{} is in the old GGML format, which no current engine reads.", name),
            "Download the model as GGUF."
        );
    }
    if (start.size() > 9 && start[8] == '{') {
        return not_gguf(
            fmt::format("{} is a safetensors file, not a GGUF.", name),
            "Name a .gguf file, or run the model's repository with vllm or sglang."
        );
    }
    if (start.starts_with("PK\x03\x04") || start.starts_with("\x1f\x8b")) {
        return not_gguf(fmt::format("{} is a compressed archive.", name), "Unpack it first.");
    }
    if (low.starts_with("{")) {
        return not_gguf(
            fmt::format("{} is not a model: this is a JSON text, perhaps an error page.", name),
            download
        );
    }
    return not_gguf(fmt::format("{} is not a GGUF model file.", name), download);
}

using Numbers = std::map<std::string, PerLayer, std::less<>>;

// What the metadata block says, before it is known which architecture's keys count.
struct Metadata {
    GgufFacts facts;
    Numbers numbers;
    std::size_t stored = 0;
    std::uint64_t token_count = 0;
};

void read_template(GgufCursor& cursor, GgufFacts& facts) {
    constexpr std::size_t kKept = 1U << 20U;
    const std::string text = cursor.text(kMostTextBytes, kKept);
    facts.has_chat_template = !text.empty();
    facts.template_mentions_tools = text.contains("tools");
}

void read_array(GgufCursor& cursor, const std::string& key, Metadata& metadata) {
    const auto [type, count] = cursor.array_head();
    if (key == "tokenizer.ggml.tokens") {
        metadata.token_count = count;
    }
    const std::size_t each = size_of(type);
    const bool whole = each > 0 && type != GgufType::f32 && type != GgufType::f64;
    if (!whole || count > kMostLayers || metadata.stored + count > kMostStoredNumbers ||
        key.starts_with("tokenizer.")) {
        if (each > 0) {
            cursor.skip(count * each);
        }
        for (std::uint64_t i = 0; each == 0 && i < count && cursor.ok(); ++i) {
            cursor.skip_value(type, 1);
        }
        return;
    }
    PerLayer values;
    for (std::uint64_t i = 0; i < count && cursor.ok(); ++i) {
        values.push_back(cursor.integer(type).value_or(0));
    }
    metadata.stored += values.size();
    metadata.numbers.emplace(key, std::move(values));
}

void read_pair(GgufCursor& cursor, Metadata& metadata) {
    GgufFacts& facts = metadata.facts;
    const std::string key = cursor.text(kMostKeyBytes, 256);
    const auto type = static_cast<GgufType>(cursor.u32());
    if (!cursor.ok()) {
        return;
    }
    if (type == GgufType::array) {
        read_array(cursor, key, metadata);
    } else if (type == GgufType::string) {
        const std::array<std::pair<std::string_view, std::string*>, 4> wanted{{
            {"general.architecture", &facts.architecture},
            {"general.name", &facts.name},
            {"general.size_label", &facts.size_label},
            {"general.type", &facts.type},
        }};
        const auto it =
            std::ranges::find(wanted, key, [](const auto& entry) { return entry.first; });
        if (key == "tokenizer.chat_template") {
            read_template(cursor, facts);
        } else if (it != wanted.end()) {
            *it->second = printable(cursor.text(kMostTextBytes, 256));
        } else {
            cursor.text(kMostTextBytes, 0);
        }
    } else if (const auto value = cursor.integer(type)) {
        if (metadata.stored < kMostStoredNumbers) {
            ++metadata.stored;
            metadata.numbers.emplace(key, PerLayer{*value});
        }
    }
}

class ArchitectureKeys {
public:
    ArchitectureKeys(const Numbers& numbers, const std::string& architecture)
        : numbers_{numbers}, prefix_{architecture + "."} {}

    PerLayer layers(std::string_view key) const {
        const auto it = numbers_.find(prefix_ + std::string{key});
        return it == numbers_.end() ? PerLayer{} : it->second;
    }

    std::optional<std::uint64_t> one(std::string_view key) const {
        const PerLayer values = layers(key);
        return values.size() == 1 ? std::optional{values.front()} : std::nullopt;
    }

private:
    const Numbers& numbers_;
    std::string prefix_;
};

std::optional<std::uint64_t> plain(const Numbers& numbers, std::string_view key) {
    const auto it = numbers.find(key);
    return it == numbers.end() || it->second.size() != 1 ? std::nullopt
                                                         : std::optional{it->second.front()};
}

void apply_numbers(Metadata& metadata) {
    GgufFacts& facts = metadata.facts;
    const ArchitectureKeys keys{metadata.numbers, facts.architecture};
    facts.file_type = plain(metadata.numbers, "general.file_type");
    facts.split_count = plain(metadata.numbers, "split.count").value_or(1);
    facts.context_length = keys.one("context_length");
    facts.block_count = keys.one("block_count");
    facts.embedding_length = keys.one("embedding_length");
    facts.feed_forward_length = keys.layers("feed_forward_length");
    facts.expert_count = keys.one("expert_count");
    facts.expert_used_count = keys.one("expert_used_count");
    facts.nextn_predict_layers = keys.one("nextn_predict_layers");
    facts.pooling_type = keys.one("pooling_type");
    facts.vocab_size = keys.one("vocab_size");
    if (!facts.vocab_size && metadata.token_count > 0) {
        facts.vocab_size = metadata.token_count;
    }
    facts.attention = {
        .head_count = keys.layers("attention.head_count"),
        .head_count_kv = keys.layers("attention.head_count_kv"),
        .key_length = keys.one("attention.key_length"),
        .value_length = keys.one("attention.value_length"),
        .key_length_swa = keys.one("attention.key_length_swa"),
        .value_length_swa = keys.one("attention.value_length_swa"),
        .key_length_mla = keys.one("attention.key_length_mla"),
        .kv_lora_rank = keys.one("attention.kv_lora_rank"),
        .sliding_window = keys.one("attention.sliding_window"),
        .sliding_window_pattern = keys.layers("attention.sliding_window_pattern"),
        .shared_kv_layers = keys.one("attention.shared_kv_layers"),
        .recurrent_layers = keys.layers("attention.recurrent_layers"),
        .full_attention_interval = keys.one("full_attention_interval"),
    };
    facts.recurrent = {
        .conv_kernel = keys.one("ssm.conv_kernel"),
        .inner_size = keys.one("ssm.inner_size"),
        .state_size = keys.one("ssm.state_size"),
        .group_count = keys.one("ssm.group_count"),
        .shortconv_cache = keys.one("shortconv.l_cache"),
    };
}

struct TensorSpan {
    std::uint64_t bytes = 0;
    std::uint64_t end = 0;  // relative to the start of the data
    bool known_type = true;
    bool is_embedding = false;
};

TensorSpan read_tensor(GgufCursor& cursor) {
    const std::string name = cursor.text(kMostTensorName, 64);
    const std::uint32_t dimensions = cursor.u32();
    if (cursor.ok() && dimensions > 4) {
        cursor.malformed("a tensor of its header has more than 4 dimensions");
    }
    std::uint64_t first = 1;
    std::uint64_t elements = 1;
    bool fits = true;
    for (std::uint32_t i = 0; i < dimensions && cursor.ok(); ++i) {
        const std::uint64_t length = cursor.u64();
        first = i == 0 ? length : first;
        fits = !__builtin_mul_overflow(elements, length, &elements) && fits;
    }
    const std::uint32_t type_id = cursor.u32();
    const std::uint64_t offset = cursor.u64();
    TensorSpan span{.is_embedding = name == "token_embd.weight"};
    const auto type = std::ranges::find(kTensorTypes, type_id, &TensorType::id);
    span.known_type = type != kTensorTypes.end();
    if (!span.known_type) {
        span.end = offset;
        return span;
    }
    fits = fits && first % type->block == 0 &&
           !__builtin_mul_overflow(elements / type->block, type->bytes, &span.bytes) &&
           !__builtin_add_overflow(offset, span.bytes, &span.end);
    if (cursor.ok() && !fits) {
        cursor.malformed("a tensor of its header has an impossible shape");
    }
    return span;
}

void read_tensors(GgufCursor& cursor, std::uint64_t alignment, GgufFacts& facts) {
    std::uint64_t total = 0;
    std::uint64_t end = 0;
    for (std::uint64_t i = 0; i < facts.tensor_count && cursor.ok(); ++i) {
        const TensorSpan span = read_tensor(cursor);
        if (__builtin_add_overflow(total, span.bytes, &total)) {
            cursor.malformed("its tensors together have an impossible size");
        }
        end = std::max(end, span.end);
        facts.unknown_tensor_types = facts.unknown_tensor_types || !span.known_type;
        if (span.is_embedding) {
            facts.embedding_bytes = {span.bytes};
        }
    }
    const std::uint64_t start = (cursor.position() + alignment - 1) / alignment * alignment;
    facts.tensor_bytes = {total};
    if (__builtin_add_overflow(start, end, &facts.expected_file.count)) {
        cursor.malformed("its tensors lie at an impossible place");
    }
    if (facts.tensor_count == 0) {
        facts.expected_file = {cursor.position()};  // a vocabulary alone needs no padding
    }
}

Result<void> check_version(std::uint32_t version, std::string_view name) {
    if (version == 2 || version == 3) {
        return {};
    }
    if (version == 1) {
        return not_gguf(
            fmt::format("{} is GGUF version 1, which no current engine reads.", name),
            "Download a newer conversion of the model."
        );
    }
    if (const std::uint32_t swapped = std::byteswap(version); swapped >= 1 && swapped <= 3) {
        return not_gguf(
            fmt::format("{} was written for big-endian machines.", name),
            "Download the little-endian conversion of the model."
        );
    }
    return not_gguf(
        fmt::format("{} is GGUF version {}, which nova does not know.", name, version),
        "Update nova, or download another conversion of the model."
    );
}

Result<void> cursor_verdict(const GgufCursor& cursor, std::string_view name) {
    switch (cursor.trouble()) {
    case GgufCursor::Trouble::none:
        return {};
    case GgufCursor::Trouble::ended:
        return damaged(fmt::format("{} is cut short: {}; download it again.", name, cursor.reason())
        );
    case GgufCursor::Trouble::malformed:
        return damaged(fmt::format("{} is damaged: {}.", name, cursor.reason()));
    case GgufCursor::Trouble::unreadable:
        return fail(
            ErrorCode::unprocessable, fmt::format("{}: {}.", name, cursor.reason()),
            "Check the disk it lies on."
        );
    }
    return {};
}

Result<std::string> first_bytes(ByteSource& source) {
    std::array<std::byte, 512> start{};
    const auto got = source.read_at(0, start);
    if (!got) {
        return propagate(got);
    }
    std::string text;
    for (std::size_t i = 0; i < *got; ++i) {
        text.push_back(static_cast<char>(start[i]));
    }
    return text;
}

// "NAME-00002-of-00003.gguf" -> what stands before "-00002-of-"; empty for other names.
std::string part_prefix(const std::string& file_name, std::uint64_t count) {
    const std::string tail = fmt::format("-of-{:05}.gguf", count);
    if (!file_name.ends_with(tail) || file_name.size() < tail.size() + 6) {
        return {};
    }
    const std::string front = file_name.substr(0, file_name.size() - tail.size());
    const std::string number = front.substr(front.size() - 5);
    const bool digits = std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
    return digits && front[front.size() - 6] == '-' ? front.substr(0, front.size() - 6)
                                                    : std::string{};
}

Result<GgufFacts> read_one_file(const std::filesystem::path& path) {
    auto file = FileBytes::open(path);
    if (!file) {
        return propagate(file);
    }
    return read_gguf(*file, path.string());
}

Result<GgufFacts>
read_parts(const std::filesystem::path& path, const std::string& prefix, std::uint64_t count) {
    std::optional<GgufFacts> sum;
    for (std::uint64_t part = 1; part <= count; ++part) {
        const auto place =
            path.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part, count);
        auto facts = read_one_file(place);
        if (!facts) {
            return propagate(facts, fmt::format("part {} of {}", part, count));
        }
        if (!sum) {
            sum = *std::move(facts);  // the metadata is in the first part
            continue;
        }
        sum->tensor_count += facts->tensor_count;
        sum->tensor_bytes = sum->tensor_bytes + facts->tensor_bytes;
        sum->embedding_bytes = sum->embedding_bytes + facts->embedding_bytes;
        sum->expected_file = sum->expected_file + facts->expected_file;
        sum->actual_file = sum->actual_file + facts->actual_file;
        sum->unknown_tensor_types = sum->unknown_tensor_types || facts->unknown_tensor_types;
    }
    return *std::move(sum);
}

}  // namespace

std::optional<std::uint64_t> at_layer(const PerLayer& values, std::uint64_t layer) {
    if (values.size() == 1) {
        return values.front();
    }
    return layer < values.size() ? std::optional{values[static_cast<std::size_t>(layer)]}
                                 : std::nullopt;
}

std::string_view file_type_word(std::uint64_t file_type) {
    constexpr std::uint64_t kGuessed = 1024;  // added when the writer was not sure
    const auto it = std::ranges::find(kFileTypes, file_type % kGuessed, &FileType::id);
    return it == kFileTypes.end() ? std::string_view{} : it->word;
}

Result<GgufFacts> read_gguf(ByteSource& source, std::string_view name) {
    const auto start = first_bytes(source);
    if (!start) {
        return propagate(start, name);
    }
    if (!start->starts_with("GGUF")) {
        return explain_stranger(name, *start);
    }
    GgufCursor cursor{source};
    cursor.skip(4);
    Metadata metadata;
    GgufFacts& facts = metadata.facts;
    facts.version = cursor.u32();
    if (const auto known = check_version(facts.version, name); cursor.ok() && !known) {
        return propagate(known);
    }
    facts.actual_file = {source.size()};
    facts.tensor_count = cursor.u64();
    const std::uint64_t pairs = cursor.u64();
    if (cursor.ok() && (facts.tensor_count > kMostTensors || pairs > kMostKeys)) {
        cursor.malformed(
            fmt::format("{} tensors and {} keys cannot be right", facts.tensor_count, pairs)
        );
    }
    for (std::uint64_t i = 0; i < pairs && cursor.ok(); ++i) {
        read_pair(cursor, metadata);
    }
    const std::uint64_t alignment = plain(metadata.numbers, "general.alignment").value_or(32);
    if (cursor.ok() && (!std::has_single_bit(alignment) || alignment > kMostAlignment)) {
        cursor.malformed(fmt::format("an alignment of {} cannot be right", alignment));
    }
    if (cursor.ok()) {
        apply_numbers(metadata);
        read_tensors(cursor, alignment, facts);
    }
    if (const auto verdict = cursor_verdict(cursor, name); !verdict) {
        return propagate(verdict);
    }
    if (facts.expected_file > facts.actual_file) {
        return cut_short(name, facts.expected_file.count, facts.actual_file.count);
    }
    return std::move(metadata.facts);
}

Result<GgufFacts> read_gguf_model(const std::filesystem::path& path) {
    auto facts = read_one_file(path);
    if (!facts || facts->split_count <= 1) {
        return facts;
    }
    const std::uint64_t count = facts->split_count;
    const std::string prefix =
        count <= kMostParts ? part_prefix(path.filename().string(), count) : std::string{};
    if (prefix.empty()) {
        return not_gguf(
            fmt::format("{} is one of {} parts but is not named as one.", path.string(), count),
            fmt::format("Give it back its name, like NAME-00001-of-{:05}.gguf.", count)
        );
    }
    return read_parts(path, prefix, count);
}

}  // namespace nova::catalog
