// The list of models, and embeddings.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"
#include "dialect/json_text.hpp"

namespace nova::conform {
namespace {

constexpr std::size_t kLookedUp = 5;

Task<Reply> list_of(Probe& probe) {
    Ask ask{.path = "/v1/models"};
    co_return co_await probe.once("models", std::move(ask));
}

std::vector<std::string> ids_of(const Json& list) {
    std::vector<std::string> ids;
    for (const Json& entry : at(list, "data")) {
        ids.push_back(text_at(entry, "id"));
    }
    return ids;
}

Task<Verdict> list(Probe& probe) {
    const Reply reply = co_await list_of(probe);
    const Json body = json_of(reply);
    if (!reply.ok() || text_at(body, "object") != "list" || !at(body, "data").is_array()) {
        co_return failed(told(reply), "HTTP 200, an object \"list\" with data");
    }
    for (const Json& entry : at(body, "data")) {
        const bool whole = !text_at(entry, "id").empty() && text_at(entry, "object") == "model" &&
                           is_count(at(entry, "created")) && at(entry, "owned_by").is_string();
        if (!whole) {
            co_return failed(shown(entry), "id, object, created and owned_by");
        }
    }
    co_return passed();
}

Task<Verdict> unique(Probe& probe) {
    const auto ids = ids_of(json_of(co_await list_of(probe)));
    if (ids.empty()) {
        co_return cannot_tell("no models are listed");
    }
    std::set<std::string> seen;
    for (const std::string& id : ids) {
        if (!seen.insert(id).second) {
            co_return failed(id + " comes twice", "each model once");
        }
    }
    co_return passed();
}

// escape: which characters of an id are written as %XX.
Task<Verdict> looked_up(Probe& probe, bool (*escape)(char)) {
    auto ids = ids_of(json_of(co_await list_of(probe)));
    if (ids.empty()) {
        co_return cannot_tell("no models are listed");
    }
    // Names with a slash or a colon first: they are what goes wrong.
    std::ranges::partition(ids, [](const std::string& id) {
        return id.find_first_of("/:") != std::string::npos;
    });
    ids.resize(std::min(ids.size(), kLookedUp));
    for (const std::string& id : ids) {
        std::string path = "/v1/models/";
        for (const char c : id) {
            const bool odd = c <= ' ' || c == '%' || c == '?' || c == '#' || c == 0x7f;
            path += odd || escape(c) ? fmt::format("%{:02X}", static_cast<unsigned char>(c))
                                     : std::string(1, c);
        }
        const Reply reply = co_await probe.get(path);
        if (!reply.ok() || text_at(json_of(reply), "id") != id) {
            co_return failed(
                fmt::format("{} at {}", told(reply), path), "the model that the list names"
            );
        }
    }
    co_return passed();
}

Task<Verdict> retrieve(Probe& probe) {
    co_return co_await looked_up(probe, [](char) { return false; });
}

Task<Verdict> retrieve_escaped(Probe& probe) {
    co_return co_await looked_up(probe, [](char c) {
        return c == '/' || c == ':' || c == '-' || c == '.';
    });
}

Task<Verdict> retrieve_unknown(Probe& probe) {
    const Reply reply = co_await probe.get("/v1/models/conform-no-such-model");
    if (reply.status != 404 || text_at(at(json_of(reply), "error"), "message").empty()) {
        co_return failed(told(reply), "HTTP 404 with an error as JSON");
    }
    co_return passed();
}

// ---- embeddings

struct Vectors {
    std::optional<Verdict> missing{};
    std::vector<std::vector<float>> rows{};
};

Task<Reply> embed(Probe& probe, Json input, bool base64) {
    const Target& target = probe.target();
    Json body{
        {"model", target.embed_model.empty() ? target.model : target.embed_model},
        {"input", std::move(input)},
        {"encoding_format", base64 ? "base64" : "float"}
    };
    Ask ask{.method = "POST", .path = "/v1/embeddings", .body = json_text(body)};
    std::string name = "embed " + ask.body;
    co_return co_await probe.once(std::move(name), std::move(ask));
}

// The rows in the order of their index, which has to be the order in which they come.
Vectors vectors_of(const Reply& reply) {
    Vectors vectors;
    if (reply.status != 200) {
        vectors.missing = cannot_tell("this model makes no embeddings: " + told(reply));
        return vectors;
    }
    const Json body = json_of(reply);
    const Json& data = at(body, "data");
    for (std::size_t i = 0; i < data.size(); ++i) {
        const Json& value = at(data[i], "embedding");
        std::vector<float> row;
        if (value.is_string()) {
            auto floats = dialect::floats_of_base64(value.get<std::string>());
            row = floats ? *std::move(floats) : row;
        } else if (value.is_array()) {
            for (const Json& number : value) {
                row.push_back(number.is_number() ? number.get<float>() : NAN);
            }
        }
        const bool finite = std::ranges::all_of(row, [](float f) { return std::isfinite(f); });
        if (row.empty() || !finite || at(data[i], "index") != i) {
            vectors.missing = failed(
                fmt::format("entry {}: {}", i, shown(data[i])),
                "finite numbers and the index of the input"
            );
            return vectors;
        }
        vectors.rows.push_back(std::move(row));
    }
    if (vectors.rows.empty()) {
        vectors.missing = failed(told(reply), "an embedding for each input");
    }
    return vectors;
}

double alike(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) {
        return 0;
    }
    double dot = 0;
    double of_a = 0;
    double of_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        dot += double{a[i]} * double{b[i]};
        of_a += double{a[i]} * double{a[i]};
        of_b += double{b[i]} * double{b[i]};
    }
    return of_a > 0 && of_b > 0 ? dot / std::sqrt(of_a * of_b) : 0;
}

Task<Verdict> embed_single(Probe& probe) {
    const Vectors one = vectors_of(co_await embed(probe, "The sea is blue.", false));
    if (one.missing) {
        co_return *one.missing;
    }
    co_return one.rows.size() == 1 ? passed()
                                   : failed(fmt::format("{} entries", one.rows.size()), "one");
}

Task<Verdict> embed_order(Probe& probe) {
    const Json texts{"The sea is blue.", "int main() { return 0; }", "Bread, butter and cheese"};
    const Vectors all = vectors_of(co_await embed(probe, texts, false));
    if (all.missing) {
        co_return *all.missing;
    }
    if (all.rows.size() != texts.size()) {
        co_return failed(fmt::format("{} entries", all.rows.size()), "one for each of 3 inputs");
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const Vectors one = vectors_of(co_await embed(probe, texts[i], false));
        if (one.missing) {
            co_return *one.missing;
        }
        const double own = alike(one.rows[0], all.rows[i]);
        const double other = alike(one.rows[0], all.rows[(i + 1) % texts.size()]);
        if (own < 0.98 || own < other) {
            co_return failed(
                fmt::format(
                    "entry {} is like its input by {:.2f}, another by {:.2f}", i, own, other
                ),
                "entries in the order of the inputs"
            );
        }
    }
    co_return passed();
}

Task<Verdict> embed_base64(Probe& probe) {
    const Vectors floats = vectors_of(co_await embed(probe, "The sea is blue.", false));
    if (floats.missing) {
        co_return *floats.missing;
    }
    const Reply reply = co_await embed(probe, "The sea is blue.", true);
    const Json body = json_of(reply);
    if (!at(at(at(body, "data"), std::size_t{0}), "embedding").is_string()) {
        co_return failed(told(reply), "a string: the clients of OpenAI ask for base64 unasked");
    }
    const Vectors coded = vectors_of(reply);
    if (coded.missing) {
        co_return *coded.missing;
    }
    const double same = alike(floats.rows[0], coded.rows[0]);
    co_return same > 0.999 ? passed()
                           : failed(
                                 fmt::format("like the floats by {:.3f}", same),
                                 "the same numbers as little-endian float32"
                             );
}

}  // namespace

void add_models(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {Dialect::openai}, severity, expectation, run});
    };
    add("models.list", {68}, must, "Each model has id, object, created and owned_by.", list);
    add("models.unique", {68}, must, "Each model is listed once.", unique);
    add("models.retrieve", {68, 69}, should, "Each listed model can be asked for by its name.",
        retrieve);
    add("models.retrieve-escaped", {69}, should, "The same with the name percent-encoded.",
        retrieve_escaped);
    add("models.retrieve-unknown", {68, 70}, should, "A model that is not there is 404.",
        retrieve_unknown);
    add("embed.single", {67, 75}, must, "One string gives one vector of finite numbers.",
        embed_single);
    add("embed.order", {67}, must, "Vectors come in the order of the inputs.", embed_order);
    add("embed.base64", {67}, must, "base64 holds the same numbers as float.", embed_base64);
}

}  // namespace nova::conform
