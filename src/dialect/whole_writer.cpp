// Collecting of events for answers that are not streamed.
#include "dialect/whole_writer.hpp"

namespace nova::dialect {
namespace {

class WholeWriter final : public AnswerWriter {
public:
    WholeWriter(
        AnswerIdentity identity, std::string (*body)(const AnswerIdentity&, const WholeAnswer&),
        std::string (*refusal)(const Error&)
    )
        : identity_{std::move(identity)}, body_{body}, refusal_{refusal} {}

    std::string_view content_type() const override { return "application/json"; }

    void write(const ChatEvent& event, std::string& /*out*/) override { answer_.take(event); }

    void end(std::string& out) override {
        if (answer_.error) {
            out += refusal_(*answer_.error);
            return;
        }
        identity_.id = answer_.id.empty() ? identity_.id : answer_.id;
        identity_.created = answer_.created == 0 ? identity_.created : answer_.created;
        out += body_(identity_, answer_);
    }

private:
    AnswerIdentity identity_;
    std::string (*body_)(const AnswerIdentity&, const WholeAnswer&);
    std::string (*refusal_)(const Error&);
    WholeAnswer answer_;
};

}  // namespace

std::unique_ptr<AnswerWriter> whole_writer(
    AnswerIdentity identity, std::string (*body)(const AnswerIdentity&, const WholeAnswer&),
    std::string (*refusal)(const Error&)
) {
    return std::make_unique<WholeWriter>(std::move(identity), body, refusal);
}

}  // namespace nova::dialect
