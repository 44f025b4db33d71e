"""The control API as api/openapi.yaml describes it: every answer is checked against that."""
import datetime
import http.client
import json

import jsonschema
import yaml

from nova_fixture import ROOT, request, until

BASES = ("/recovery-api/api/v1/recovery", "/api/v1/recovery")
METHODS = ("get", "post", "put", "patch", "delete")
DOCUMENT = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text())
FINISHED = ("succeeded", "failed", "cancelled", "superseded", "rolled_back")
CHECKER = jsonschema.FormatChecker(formats=())


@CHECKER.checks("date-time", raises=ValueError)
def is_rfc3339_in_utc(value):
    if not isinstance(value, str):
        return True
    if not value.endswith("Z"):
        raise ValueError("not in UTC")
    return bool(datetime.datetime.fromisoformat(value))


def operations():
    """(method, path, operation) of everything the document lists."""
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def conform(value, schema):
    """Fails with the place and the rule when the value is not what the schema says."""
    if isinstance(schema, str):
        schema = {"$ref": f"#/components/schemas/{schema}"}
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(whole, format_checker=CHECKER)
    faults = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert not faults, "\n".join(faults) + f"\nin {json.dumps(value)[:2000]}"


def response_of(operation, status):
    answer = operation["responses"].get(str(status)) or operation["responses"].get("default")
    assert answer, f"{operation['operationId']} may not answer {status}"
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer["content"]


class ControlApi:
    def __init__(self, nova):
        self.nova = nova
        self.by_id = {operation["operationId"]: (method, path, operation)
                      for method, path, operation in operations()}

    def raw(self, method, path, body=None, secret=True, base=BASES[0], headers=None):
        """Status, headers and body of one request; nothing is checked."""
        own = {"X-Admin-Secret": self.nova.secret()} if secret else {}
        return request(self.nova.control, method, base + path, body,
                       headers={**own, **(headers or {})}, timeout=30)

    def call(self, operation_id, body=None, query="", base=BASES[0], **parameters):
        """(status, value): the answer to a documented request, checked against the document."""
        method, path, operation = self.by_id[operation_id]
        status, headers, raw = self.raw(method, path.format(**parameters) + query, body, base=base)
        content = response_of(operation, status)
        kind = headers["Content-Type"].split(";")[0]
        assert kind in content, f"{operation_id} {status}: {kind}, not {list(content)}"
        if kind != "application/json":
            return status, raw.decode()
        value = json.loads(raw)
        conform(value, content[kind]["schema"])
        return status, value

    def finished(self, operation_id, seconds=30):
        """The operation when it is over; every version of it seen on the way is checked."""
        versions = [0]

        def over():
            value = self.call("get_operation", id=operation_id)[1]
            assert value["version"] >= versions[-1]
            versions.append(value["version"])
            return value if value["state"] in FINISHED else None

        return until(over, seconds, f"the end of operation {operation_id}")

    def start(self, engine, **body):
        """Starts a backend and waits for the end of its operation."""
        status, accepted = self.call("start_backend", body, backend=engine)
        assert status in (200, 202), accepted
        return self.finished(accepted["operation"]) if accepted["operation"] else None

    def stop(self):
        _, accepted = self.call("stop_backend")
        if accepted["status"] == "accepted":
            assert self.finished(accepted["operation"])["state"] == "succeeded"
        until(lambda: self.call("get_backend")[1]["state"] == "stopped", 20, "state stopped")


class EventStream:
    """GET /inference/events; iterates over (name, id or None, data) and checks each."""

    def __init__(self, nova, last_event_id=None, query="", timeout=20):
        self.connection = http.client.HTTPConnection("127.0.0.1", nova.control, timeout=timeout)
        headers = {"X-Admin-Secret": nova.secret()}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        self.connection.request("GET", BASES[0] + "/inference/events" + query, headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["Content-Type"].startswith("text/event-stream")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def __iter__(self):
        return self

    def __next__(self):
        fields = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                raise StopIteration
            line = line.rstrip("\r\n")
            if not line and "data" in fields:
                return self._checked(fields)
            name, _, value = line.partition(":")
            if name:  # a comment starts with a colon
                fields[name] = fields.get(name, "") + value.removeprefix(" ")

    @staticmethod
    def _checked(fields):
        data = json.loads(fields["data"])
        name, number = fields["event"], fields.get("id")
        if name == "hello":
            conform(data, "hello")
            return name, None, data
        conform(data, "event_envelope")
        assert data["type"] == name
        assert data.get("id") == (int(number) if number else None)
        if name == "operation":
            conform(data["data"], "operation")
        elif name == "state":
            conform(data["data"], "state_change")
        return name, data.get("id"), data["data"]

    def up_to(self, condition):
        """The events up to the first for which condition(name, data) holds, that one included."""
        seen = []
        for event in self:
            seen.append(event)
            if condition(event[0], event[2]):
                return seen
        raise AssertionError(f"the stream ended before the expected event; seen: {seen}")
