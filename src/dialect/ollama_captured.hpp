// For tests: what Ollama 0.17.4 answered with SmolLM2-135M on 2026-11-23, byte for byte.
#pragma once

#include <string_view>

namespace nova::dialect::captured {

// POST /api/chat without "stream", num_predict 8.
inline constexpr std::string_view kChatStream =
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.371668115Z","message":{"rol)"
    R"(e":"assistant","content":"I"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.444072782Z","message":{"rol)"
    R"(e":"assistant","content":"'m"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.50837745Z","message":{"role)"
    R"(":"assistant","content":" so"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.545476883Z","message":{"rol)"
    R"(e":"assistant","content":" glad"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.643603932Z","message":{"rol)"
    R"(e":"assistant","content":" you"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.71348141Z","message":{"role)"
    R"(":"assistant","content":"'re"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.81165744Z","message":{"role)"
    R"(":"assistant","content":" here"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.839697746Z","message":{"rol)"
    R"(e":"assistant","content":"!"},"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:57.839800299Z","message":{"rol)"
    R"(e":"assistant","content":""},"done":true,"done_reason":"length","total_duration":1)"
    R"(529473114,"load_duration":408807269,"prompt_eval_count":12,"prompt_eval_duration":)"
    R"(647224787,"eval_count":8,"eval_duration":463561642})"
    "\n";

// The same with "stream": false.
inline constexpr std::string_view kChatWhole =
    R"({"model":"smol:135m","created_at":"2026-11-23T01:44:58.542943022Z","message":{"rol)"
    R"(e":"assistant","content":"I'm so glad you're here!"},"done":true,"done_reason":"le)"
    R"(ngth","total_duration":698654566,"load_duration":39382143,"prompt_eval_count":12,")"
    R"(prompt_eval_duration":38788678,"eval_count":8,"eval_duration":614605365})";

// POST /api/chat with a tool.
inline constexpr std::string_view kToolStream =
    R"({"model":"tools:135m","created_at":"2026-11-23T01:47:09.428790315Z","message":{"ro)"
    R"(le":"assistant","content":"","tool_calls":[{"id":"call_p1jgoulb","function":{"inde)"
    R"(x":0,"name":"get_weather","arguments":{"city":"Paris","at":1}}}]},"done":false})"
    "\n"
    R"({"model":"tools:135m","created_at":"2026-11-23T01:47:21.315635666Z","message":{"ro)"
    R"(le":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":88)"
    R"(166786207,"load_duration":39850473,"prompt_eval_count":56,"prompt_eval_duration":7)"
    R"(493158023,"eval_count":63,"eval_duration":79796752472})"
    "\n";

// The same with "stream": false.
inline constexpr std::string_view kToolWhole =
    R"({"model":"tools:135m","created_at":"2026-11-23T01:48:38.984208579Z","message":{"ro)"
    R"(le":"assistant","content":"","tool_calls":[{"id":"call_l9nqrayf","function":{"inde)"
    R"(x":0,"name":"get_weather","arguments":{"city":"Paris","at":1}}}]},"done":true,"don)"
    R"(e_reason":"stop","total_duration":77667365457,"load_duration":43053024,"prompt_eva)"
    R"(l_count":56,"prompt_eval_duration":3385860246,"eval_count":63,"eval_duration":7357)"
    R"(3783298})";

// POST /api/generate without "stream", num_predict 4.
inline constexpr std::string_view kGenerateStream =
    R"({"model":"smol:135m","created_at":"2026-11-23T01:45:15.31568006Z","response":"I",")"
    R"(done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:45:15.362076964Z","response":"'m")"
    R"(,"done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:45:15.451609242Z","response":" gl)"
    R"(ad","done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:45:15.537350946Z","response":" yo)"
    R"(u","done":false})"
    "\n"
    R"({"model":"smol:135m","created_at":"2026-11-23T01:45:15.537555337Z","response":"",")"
    R"(done":true,"done_reason":"length","context":[1,4093,198,504,6376,314,2,198,1,520,9)"
    R"(531,198,57,5248,18948,346],"total_duration":817306080,"load_duration":47913502,"pr)"
    R"(ompt_eval_count":12,"prompt_eval_duration":532326390,"eval_count":4,"eval_duration)"
    R"(":228044096})"
    "\n";

// The same with "stream": false and "raw": true.
inline constexpr std::string_view kGenerateWhole =
    R"({"model":"smol:135m","created_at":"2026-11-23T01:45:25.34039957Z","response":" a c)"
    R"(anvas of endless","done":true,"done_reason":"length","total_duration":9801767254,")"
    R"(load_duration":45162491,"prompt_eval_count":3,"prompt_eval_duration":181809624,"ev)"
    R"(al_count":4,"eval_duration":9566924111})";

// POST /api/chat without messages.
inline constexpr std::string_view kLoaded =
    R"({"model":"smol:135m","created_at":"2026-11-23T01:45:25.374727709Z","message":{"rol)"
    R"(e":"assistant","content":""},"done":true,"done_reason":"load"})";

// POST /api/embed with two texts and "dimensions": 4.
inline constexpr std::string_view kEmbedded =
    R"({"model":"smol:135m","embeddings":[[-0.37541533,-0.5719843,0.04679439,0.72781014],)"
    R"([-0.38222927,-0.57766914,0.052203525,0.71935666]],"total_duration":503772606,"load)"
    R"(_duration":36077452,"prompt_eval_count":2})";

// 400: a tool for a model without a template for tools.
inline constexpr std::string_view kNoTools =
    R"({"error":"registry.ollama.ai/library/smol:135m does not support tools"})";

// 404.
inline constexpr std::string_view kNoModel = R"({"error":"model 'nope' not found"})";

// 500: "options": {"temperature": "x"}.
inline constexpr std::string_view kBadOption =
    R"({"error":"option \"temperature\" must be of type float32"})";

}  // namespace nova::dialect::captured
