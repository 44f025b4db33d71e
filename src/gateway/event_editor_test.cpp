// One word changes, one event goes, everything else stays as it came.
#include <gtest/gtest.h>

#include "gateway/event_editor.hpp"

namespace nova::gateway {
namespace {

std::string edited(EventEditor editor, std::string_view text, std::size_t size) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += size) {
        out += editor.take(text.substr(at, size));
    }
    return out.append(editor.rest());
}

TEST(EventEditor, ReplacesTheModelOfEveryEventAndNothingElse) {
    const std::string text =
        ": ping\n\ndata: {\"model\": \"theirs\",\"choices\":[{\"delta\":{\"content\":\"a "
        "\\\"model\\\":\\\"x\\\"\"}}]}\r\n\r\ndata: {\"model\":\"th\\\"eirs\",\"n\":1.0}\n\n"
        "data: [DONE]\n\n";
    const std::string expected =
        ": ping\n\ndata: {\"model\": \"mine\",\"choices\":[{\"delta\":{\"content\":\"a "
        "\\\"model\\\":\\\"x\\\"\"}}]}\r\n\r\ndata: {\"model\":\"mine\",\"n\":1.0}\n\n"
        "data: [DONE]\n\n";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        const EventEditor editor{{.model_json = "\"mine\""}, Framing::events};
        EXPECT_EQ(edited(editor, text, size), expected) << size;
    }
}

TEST(EventEditor, DropsOnlyTheUsageEventNobodyAskedFor) {
    const std::string text =
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}\n\n"
        "data: {\"choices\": [], \"usage\":{\"prompt_tokens\":1}}\n\n"
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: [DONE]\n\n";
    const std::string expected =
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}\n\n"
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: [DONE]\n\n";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        const EventEditor editor{{.drop_usage = true}, Framing::events};
        EXPECT_EQ(edited(editor, text, size), expected) << size;
    }
}

TEST(EventEditor, CleansOnlyWhatTellsOfAnError) {
    const std::string text =
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\" KEY\"}}]}\n\n"
        "event: error\ndata: {\"error\":{\"message\":\"KEY is bad\"}}\n\n";
    const std::string expected =
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\" KEY\"}}]}\n\n"
        "event: error\ndata: {\"error\":{\"message\":\"*** is bad\"}}\n\n";
    const auto clean = [](std::string_view event) {
        std::string out{event};
        return out.replace(out.find("KEY"), 3, "***");
    };
    for (std::size_t size = 1; size <= text.size(); ++size) {
        const EventEditor editor{{.clean_error = clean}, Framing::events};
        EXPECT_EQ(edited(editor, text, size), expected) << size;
    }
}

TEST(EventEditor, ReadsLinesWhereEventsAreLines) {
    const EventEditor editor{{.model_json = "\"m\""}, Framing::lines};
    EXPECT_EQ(
        edited(editor, "{\"model\":\"a\"}\n{\"model\":\"b\",\"done\":true}", 5),
        "{\"model\":\"m\"}\n{\"model\":\"b\",\"done\":true}"
    );
}

TEST(WithModelName, LeavesATextWithoutAModelAlone) {
    EXPECT_EQ(with_model_name("{\"a\":1}", "\"m\""), "{\"a\":1}");
    EXPECT_EQ(with_model_name("{\"model\":null}", "\"m\""), "{\"model\":null}");
}

}  // namespace
}  // namespace nova::gateway
