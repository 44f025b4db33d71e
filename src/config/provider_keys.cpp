// The allow-list.
#include "config/provider_keys.hpp"

#include <array>

namespace nova::config {
namespace {

// Names as the providers' own clients read them. GITHUB_TOKEN is not among them: it is on every
// build machine, and was not put there to buy answers.
constexpr std::array<std::string_view, 12> kVariables{
    "OPENAI_API_KEY",     "ANTHROPIC_API_KEY", "GEMINI_API_KEY",      "GROQ_API_KEY",
    "OPENROUTER_API_KEY", "MISTRAL_API_KEY",   "DEEPSEEK_API_KEY",    "CEREBRAS_API_KEY",
    "TOGETHER_API_KEY",   "XAI_API_KEY",       "GITHUB_MODELS_TOKEN", "AZURE_OPENAI_API_KEY",
};

}  // namespace

std::span<const std::string_view> provider_key_variables() {
    return kVariables;
}

std::vector<std::pair<std::string_view, Secret>> provider_keys(const Environment& environment) {
    std::vector<std::pair<std::string_view, Secret>> keys;
    for (const std::string_view variable : kVariables) {
        if (auto value = value_of(environment, variable)) {
            keys.emplace_back(variable, Secret{*std::move(value)});
        }
    }
    return keys;
}

}  // namespace nova::config
