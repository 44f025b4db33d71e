// What Ollama says of its models, said of whatever nova routes to.
#include "gateway/ollama_routes.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/ollama_codec.hpp"
#include "gateway/gatekeeper.hpp"
#include "gateway/miss_wait.hpp"
#include "gateway/model_list.hpp"
#include "net/sha256.hpp"

namespace nova::gateway {
namespace {

using dialect::Tree;

constexpr std::string_view kJson = "application/json";
// The version of Ollama whose answers these were compared with. Clients ask for it to learn what
// they may send.
constexpr std::string_view kSpokenVersion = "0.17.4";
// Go's zero time: Ollama's own word for "never" and "not known", which its clients expect.
constexpr std::string_view kUnknownTime = "0001-01-01T00:00:00Z";
constexpr std::size_t kMaxShowBytes = 64U * 1024U;

using Listed = ListedModel;

bool embeds_only(const Listed& model, const RoutingTable& table) {
    return model.upstream == table.embedder().get();
}

// Not of the weights, which nova need not have: a mark that stays the same while the name means the
// same. Ollama's command line cuts twelve characters out of it without looking.
std::string digest_of(const Listed& model) {
    net::Sha256 hash;
    hash.update(model.upstream->provider + "\n" + model.id + "\n" + model.stands_for);
    return hash.finish();
}

Tree details_of(const Listed& model) {
    Tree details = Tree::object();
    details["parent_model"] = model.stands_for;
    details["format"] = "";
    details["family"] = "";
    details["families"] = Tree::array();
    details["parameter_size"] = "";
    details["quantization_level"] = "";
    return details;
}

Tree entry_of(const Listed& model) {
    Tree out = Tree::object();
    out["name"] = model.id;
    out["model"] = model.id;
    out["modified_at"] = kUnknownTime;
    out["size"] = 0;  // not known: no size is made up
    out["digest"] = digest_of(model);
    out["details"] = details_of(model);
    if (model.upstream->where == Where::cloud) {  // as Ollama marks what is not on this machine
        out["remote_model"] = model.stands_for.empty() ? model.id : model.stands_for;
        out["remote_host"] = model.upstream->provider;
    }
    return out;
}

// Which of several models Ollama or an unknown server holds in memory, only they can say.
bool is_loaded(const Listed& model) {
    const Upstream& upstream = *model.upstream;
    const bool swaps = upstream.provider == "ollama" || upstream.provider == "custom";
    return upstream.where == Where::local && model.stands_for.empty() &&
           (!swaps || upstream.models.size() == 1);
}

Task<void> answer(net::Exchange& exchange, int status, const Tree& body) {
    const std::string text = dialect::raw_text(body);
    ignore(co_await exchange.respond(status, kJson, text), "the client may be gone");
}

Task<void> refuse(net::Exchange& exchange, Error error) {
    const std::string text = dialect::ollama_codec().write_error(error);
    ignore(
        co_await exchange.respond(policy(error.code).http_status, kJson, text),
        "the client may be gone"
    );
}

Task<void> tags(net::Exchange& exchange, WorkerState& worker) {
    const auto access = worker.access_of(exchange);
    if (!access) {
        co_await refuse(exchange, access.error());
        co_return;
    }
    Tree body = Tree::object();
    body["models"] = Tree::array();
    for (const Listed& model : listed_models(*worker.table, access->get())) {
        body["models"].push_back(entry_of(model));
    }
    co_await answer(exchange, 200, body);
}

Task<void> running(net::Exchange& exchange, WorkerState& worker) {
    const auto access = worker.access_of(exchange);
    if (!access) {
        co_await refuse(exchange, access.error());
        co_return;
    }
    Tree body = Tree::object();
    body["models"] = Tree::array();
    for (const Listed& model : listed_models(*worker.table, access->get())) {
        if (is_loaded(model)) {
            Tree entry = entry_of(model);
            entry.erase("modified_at");
            entry["expires_at"] = kUnknownTime;
            entry["size_vram"] = 0;
            body["models"].push_back(std::move(entry));
        }
    }
    co_await answer(exchange, 200, body);
}

Task<void> version(net::Exchange& exchange, WorkerState& /*worker*/) {
    Tree body = Tree::object();
    body["version"] = kSpokenVersion;
    co_await answer(exchange, 200, body);
}

// Older clients say name. A name without a tag is ":latest" too (trap 95).
Result<std::string> asked_name(std::string_view text) {
    const auto tree = dialect::parse_tree(text, "The body");
    if (!tree) {
        return propagate(tree);
    }
    dialect::Members members{*tree, {}};
    const auto older = members.text("name");
    auto name = members.text("model");
    if (members.error()) {
        return fail(*members.error());
    }
    name = name && !name->empty() ? name : older;
    if (!name || name->empty()) {
        return fail(ErrorCode::invalid_argument, "model is missing.");
    }
    return std::move(*name);
}

// Empty: there is no such model, or not for this key.
std::optional<Tree>
show_body(const RoutingTable& table, const Access* access, const std::string& name) {
    const auto all = listed_models(table, access);
    const auto found = std::ranges::find_if(all, [&name](const Listed& model) {
        return model.id == name || model.id == name + ":latest" || model.id + ":latest" == name;
    });
    if (found == all.end()) {
        return std::nullopt;
    }
    Tree body = entry_of(*found);
    for (const char* key : {"name", "model", "size", "digest"}) {
        body.erase(key);
    }
    for (const char* key : {"license", "modelfile", "parameters", "template", "system"}) {
        body[key] = "";
    }
    body["model_info"] = Tree::object();
    body["capabilities"] = Tree::array({embeds_only(*found, table) ? "embedding" : "completion"});
    return body;
}

Task<void> show(net::Exchange& exchange, WorkerState& worker) {
    const auto access = worker.access_of(exchange);
    if (!access) {
        co_await refuse(exchange, access.error());
        co_return;
    }
    auto text = co_await exchange.read_body(kMaxShowBytes);
    if (!text) {
        co_await refuse(exchange, std::move(text.error()));
        co_return;
    }
    auto name = asked_name(*text);
    if (!name) {
        co_await refuse(exchange, std::move(name.error()));
        co_return;
    }
    std::optional<Tree> body = show_body(*worker.table, access->get(), *name);
    if (!body) {
        const auto found = [&] {
            body = show_body(*worker.table, access->get(), *name);
            return body.has_value();
        };
        const WaitEnd end = co_await look_once_more(exchange, worker, access->get(), found);
        if (end == WaitEnd::client_left) {
            exchange.abort();
            co_return;
        }
    }
    if (body) {
        co_await answer(exchange, 200, *body);
        co_return;
    }
    co_await refuse(
        exchange,
        Error{
            .code = ErrorCode::not_found,
            .message = fmt::format("model '{}' not found", *name),
            .word = "model_not_found",
        }
    );
}

// Who may ask a model may not therefore fill the disk; that is the control side's.
Task<void> refuse_management(net::Exchange& exchange) {
    co_await refuse(
        exchange,
        Error{
            .code = ErrorCode::forbidden,
            .message = "Models are not managed through the gateway.",
            .remedy = "Fetch and start one with: nova start ENGINE --model MODEL",
        }
    );
}

// In words an Ollama client reads. A path that exists has been asked by another method.
Task<void> unknown(net::Exchange& exchange, WorkerState& worker) {
    const std::string_view path = exchange.request().path();
    std::string allow;
    for (const net::RouteTable::Entry& entry : worker.routes.entries()) {
        if (entry.pattern == path) {
            allow += (allow.empty() ? "" : ", ") + entry.method;
        }
    }
    const bool exists = !allow.empty();
    const Error error{
        .code = ErrorCode::not_found,
        .message =
            exists ? fmt::format("{} answers {}.", path, allow) : "There is nothing at this path.",
        .remedy = exists ? "" : "nova answers /api/chat, generate, embed, tags, ps, show, version.",
    };
    const std::array<net::HeaderView, 1> fields{{{"Allow", allow}}};
    ignore(
        co_await exchange.respond(
            exists ? 405 : 404, kJson, dialect::ollama_codec().write_error(error),
            std::span{fields}.first(exists ? 1 : 0)
        ),
        "the client may be gone"
    );
}

Task<void> alive(net::Exchange& exchange, WorkerState& /*worker*/) {
    ignore(
        co_await exchange.respond(200, "text/plain; charset=utf-8", "nova is running"),
        "the client may be gone"
    );
}

}  // namespace

void add_ollama_routes(net::RouteTable& routes, WorkerState& worker) {
    const auto add = [&](std::string method, std::string path,
                         Task<void> (*handler)(net::Exchange&, WorkerState&)) {
        routes.add(std::move(method), std::move(path), [&worker, handler](net::Exchange& exchange) {
            return handler(exchange, worker);
        });
    };
    add("GET", "/", &alive);  // Ollama's command line asks HEAD / before anything else
    add("GET", "/api/tags", &tags);
    add("GET", "/api/ps", &running);
    add("GET", "/api/version", &version);
    add("POST", "/api/show", &show);
    for (const std::string path : {"/api/pull", "/api/push", "/api/create", "/api/copy"}) {
        routes.add("POST", path, &refuse_management);
    }
    routes.add("DELETE", "/api/delete", &refuse_management);
    routes.add("POST", "/api/blobs/{digest}", &refuse_management);
    routes.add("GET", "/api/blobs/{digest}", &refuse_management);  // and HEAD
    for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
        add(method, "/api/{rest*}", &unknown);
    }
}

}  // namespace nova::gateway
