// Collecting of answers that are not streamed.
#include "dialect/whole_reader.hpp"

#include <nlohmann/json.hpp>

#include "dialect/provider_error.hpp"

namespace nova::dialect {
namespace {

constexpr std::size_t kMaxAnswer = 64U * 1024U * 1024U;

class CollectingReader : public AnswerReader {
public:
    void feed(std::string_view bytes, std::vector<ChatEvent>& /*out*/) final {
        if (body_.size() + bytes.size() <= kMaxAnswer) {
            body_.append(bytes);
        } else {
            too_large_ = true;
        }
    }

    void end(std::vector<ChatEvent>& out) final {
        if (too_large_) {
            out.emplace_back(Failed{broken("sent an answer that is too large")});
            return;
        }
        take(body_, out);
    }

private:
    virtual void take(std::string_view body, std::vector<ChatEvent>& out) const = 0;

    std::string body_;
    bool too_large_ = false;
};

class TextReader final : public CollectingReader {
public:
    explicit TextReader(void (*take)(std::string_view, std::vector<ChatEvent>&)) : take_{take} {}

private:
    void take(std::string_view body, std::vector<ChatEvent>& out) const override {
        take_(body, out);
    }

    void (*take_)(std::string_view, std::vector<ChatEvent>&);
};

class ObjectReader final : public CollectingReader {
public:
    explicit ObjectReader(void (*take)(const Tree&, std::vector<ChatEvent>&)) : take_{take} {}

private:
    void take(std::string_view body, std::vector<ChatEvent>& out) const override {
        const auto tree = parse_tree(body, "The answer");
        if (!tree || !tree->is_object()) {
            out.emplace_back(Failed{broken("answered with something that is not JSON")});
            return;
        }
        take_(*tree, out);
    }

    void (*take_)(const Tree&, std::vector<ChatEvent>&);
};

}  // namespace

std::unique_ptr<AnswerReader>
collecting_reader(void (*take)(std::string_view, std::vector<ChatEvent>&)) {
    return std::make_unique<TextReader>(take);
}

std::unique_ptr<AnswerReader> whole_reader(void (*take)(const Tree&, std::vector<ChatEvent>&)) {
    return std::make_unique<ObjectReader>(take);
}

}  // namespace nova::dialect
