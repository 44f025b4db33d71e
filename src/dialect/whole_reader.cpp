// Collecting of answers that are not streamed.
#include "dialect/whole_reader.hpp"

#include <nlohmann/json.hpp>

#include "dialect/provider_error.hpp"

namespace nova::dialect {
namespace {

constexpr std::size_t kMaxAnswer = 64U * 1024U * 1024U;

class WholeReader final : public AnswerReader {
public:
    explicit WholeReader(void (*take)(const Tree&, std::vector<ChatEvent>&)) : take_{take} {}

    void feed(std::string_view bytes, std::vector<ChatEvent>& /*out*/) override {
        if (body_.size() + bytes.size() <= kMaxAnswer) {
            body_.append(bytes);
        } else {
            too_large_ = true;
        }
    }

    void end(std::vector<ChatEvent>& out) override {
        const auto tree = parse_tree(body_, "The answer");
        if (too_large_ || !tree || !tree->is_object()) {
            out.emplace_back(Failed{broken("answered with something that is not JSON")});
            return;
        }
        take_(*tree, out);
    }

private:
    void (*take_)(const Tree&, std::vector<ChatEvent>&);
    std::string body_;
    bool too_large_ = false;
};

}  // namespace

std::unique_ptr<AnswerReader> whole_reader(void (*take)(const Tree&, std::vector<ChatEvent>&)) {
    return std::make_unique<WholeReader>(take);
}

}  // namespace nova::dialect
