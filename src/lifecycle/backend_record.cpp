// The record of a slot as JSON.
#include "lifecycle/backend_record.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::lifecycle {
namespace {

Json target_json(const Target& target, const BackendRecord& record) {
    Json out = {
        {"hash", target.spec.value},
        {"host", target.host.value},
        {"generation", target.generation.value}
    };
    if (target.strategy != Strategy::automatic) {
        out["strategy"] = nova::lifecycle::word(target.strategy);
    }
    const auto spec = record.specs.find(target.spec);
    if (spec != record.specs.end()) {
        out["spec"] = engine::to_json(spec->second, engine::SecretsIn::yes);
    }
    return out;
}

std::optional<Target> target_from(const Json* value, BackendRecord& record) {
    if (value == nullptr) {
        return std::nullopt;
    }
    JsonReader in{*value, "target"};
    Target target;
    target.spec.value = in.required_text("hash");
    target.host.value = in.required_text("host");
    target.generation.value = static_cast<std::uint64_t>(in.required_integer("generation"));
    target.strategy =
        strategy_from(in.text("strategy").value_or("auto")).value_or(Strategy::automatic);
    const Json* json = in.object("spec");
    if (in.error() || json == nullptr) {
        return std::nullopt;
    }
    auto spec = engine::backend_spec_from(*json);
    if (!spec) {
        return std::nullopt;
    }
    record.specs.insert_or_assign(target.spec, std::move(*spec));
    return target;
}

std::string_view word(WishKind kind) {
    switch (kind) {
    case WishKind::start:
        return "start";
    case WishKind::stop:
        return "stop";
    case WishKind::switch_over:
        return "switch";
    }
    return "";
}

void read_instances(const Json* list, BackendRecord& record) {
    if (list == nullptr) {
        return;
    }
    for (const Json& item : *list) {
        JsonReader in{item, "instance"};
        InstanceNote note;
        note.generation.value = static_cast<std::uint64_t>(in.required_integer("generation"));
        note.host.value = in.text("host").value_or("");
        note.api_key = Secret{in.text("api_key").value_or("")};
        note.runtime = runtime::runtime_kind_from(in.text("runtime").value_or(""))
                           .value_or(runtime::RuntimeKind::process);
        if (!in.error()) {
            record.instances.push_back(std::move(note));
        }
    }
}

}  // namespace

std::string record_key(const SlotName& slot) {
    return fmt::format("slot/{}/state", slot.value);
}

Json to_json(const BackendRecord& record) {
    const BackendState& state = record.state;
    Json out = {{"version", kRecordVersion}, {"counter", state.counter}, {"models", record.models}};
    if (state.parked) {
        out["parked"] = true;
    }
    if (state.desired) {
        out["desired"] = target_json(*state.desired, record);
    }
    if (state.before) {
        out["before"] = target_json(*state.before, record);
    }
    if (state.last_good) {
        out["last_good"] = target_json(*state.last_good, record);
    }
    if (state.wish) {
        out["wish"] = {
            {"generation", state.wish->generation.value}, {"kind", word(state.wish->kind)}
        };
        if (record.operation) {
            out["wish"]["operation"] = record.operation->value;
        }
    }
    if (record.last_failure) {
        out["last_failure"] = to_json(*record.last_failure);
    }
    Json instances = Json::array();
    for (const InstanceNote& note : record.instances) {
        instances.push_back(
            {{"generation", note.generation.value},
             {"host", note.host.value},
             {"api_key", note.api_key.reveal()},
             {"runtime", runtime::word(note.runtime)}}
        );
    }
    out["instances"] = std::move(instances);
    return out;
}

Result<BackendRecord> backend_record_from(const Json& value) {
    JsonReader in{value, "record"};
    const std::int64_t version = in.required_integer("version");
    BackendRecord record;
    record.state.counter = static_cast<std::uint64_t>(in.integer("counter").value_or(0));
    record.state.parked = in.boolean("parked").value_or(false);
    if (in.error()) {
        return fail(ErrorCode::corrupt, in.error()->message);
    }
    if (version > kRecordVersion) {
        return fail(
            ErrorCode::unsupported, "A newer nova wrote the state of this slot.",
            "Run that version again, or start with another data directory."
        );
    }
    record.state.desired = target_from(in.object("desired"), record);
    record.state.before = target_from(in.object("before"), record);
    record.state.last_good = target_from(in.object("last_good"), record);
    if (const Json* wish = in.object("wish")) {
        JsonReader reader{*wish, "record.wish"};
        OpenWish open;
        open.generation.value =
            static_cast<std::uint64_t>(reader.integer("generation").value_or(0));
        const std::string kind = reader.text("kind").value_or("start");
        open.kind = kind == "stop"     ? WishKind::stop
                    : kind == "switch" ? WishKind::switch_over
                                       : WishKind::start;
        record.state.wish = open;
        if (auto operation = reader.text("operation")) {
            record.operation = OperationId{std::move(*operation)};
        }
    }
    if (const Json* failure = in.object("last_failure")) {
        record.last_failure = last_failure_from(*failure);
    }
    read_instances(in.array("instances"), record);
    if (const Json* models = in.array("models")) {
        for (const Json& model : *models) {
            if (model.is_string()) {
                record.models.push_back(model.get<std::string>());
            }
        }
    }
    return record;
}

}  // namespace nova::lifecycle
