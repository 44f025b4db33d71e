"""The official openai Python client against nova in front of real engines."""
import json
import math
import pathlib

import openai
import pytest

from nova_fixture import Nova, RealLlama, request

HELLO = [{"role": "user", "content": "Say hello to a cat in one short sentence."}]
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                   "required": ["city"]}}}
CAT = {"type": "object", "additionalProperties": False, "required": ["name", "age"],
       "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}}}


def client_of(nova):
    return openai.OpenAI(base_url=nova.base_url, api_key="unused", max_retries=0, timeout=120)


@pytest.fixture(params=["llama", "ollama"])
def nova(request):
    return request.getfixturevalue(request.param)


def test_unary(nova):
    answer = client_of(nova).chat.completions.create(
        model=nova.model(), messages=HELLO, max_tokens=24, temperature=0)
    assert answer.choices[0].message.content.strip()
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == nova.model()


def test_stream_equals_unary(nova):
    asked = {"model": nova.model(), "messages": HELLO, "max_tokens": 24, "temperature": 0,
             "seed": 1}
    whole = client_of(nova).chat.completions.create(**asked).choices[0].message.content
    parts = [chunk.choices[0].delta.content or ""
             for chunk in client_of(nova).chat.completions.create(**asked, stream=True)
             if chunk.choices]
    assert len([p for p in parts if p]) > 3
    assert "".join(parts) == whole


def test_include_usage(nova):
    asked = {"model": nova.model(), "messages": HELLO, "max_tokens": 8, "stream": True}
    with_usage = list(client_of(nova).chat.completions.create(
        **asked, stream_options={"include_usage": True}))
    assert with_usage[-1].choices == []
    assert with_usage[-1].usage.completion_tokens > 0
    without = list(client_of(nova).chat.completions.create(**asked))
    assert all(chunk.usage is None for chunk in without)


def test_completions(nova):
    answer = client_of(nova).completions.create(
        model=nova.model(), prompt="The capital of France is", max_tokens=8, temperature=0)
    assert answer.choices[0].text.strip()


def test_models(nova):
    listed = [model.id for model in client_of(nova).models.list()]
    assert listed
    assert client_of(nova).models.retrieve(listed[0]).id == listed[0]


def test_unknown_model(nova):
    with pytest.raises(openai.NotFoundError) as error:
        client_of(nova).chat.completions.create(model="no-such-model", messages=HELLO)
    assert error.value.code == "model_not_found"
    assert error.value.type == "invalid_request_error"
    assert "no-such-model" in error.value.message


def test_unknown_model_in_a_stream(nova):
    with pytest.raises(openai.NotFoundError) as error:
        client_of(nova).chat.completions.create(
            model="no-such-model", messages=HELLO, stream=True)
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"x"', b'{"model": 7, "messages": []}',
                                  b'{"model": "m", "messages": [}'])
def test_malformed_body(nova, body):
    status, headers, answer = nova.post("/v1/chat/completions", body)
    assert status == 400
    assert headers["Content-Type"].startswith("application/json")
    error = json.loads(answer)["error"]
    assert error["type"] == "invalid_request_error" and error["message"]
    assert nova.chat() == 200


def test_embeddings(nova):
    answer = client_of(nova).embeddings.create(
        model=nova.model(), input=["a cat", "a dog", "a cat"])
    vectors = [entry.embedding for entry in answer.data]
    assert len(vectors) == 3 and len(vectors[0]) == 576
    assert cosine(vectors[0], vectors[2]) > 0.999 > cosine(vectors[0], vectors[1])
    assert answer.usage.prompt_tokens > 0


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def test_tools_reach_real_llamacpp(tmp_path):
    """SmolLM2 is too small to call a tool; that it was shown them is seen in its prompt."""
    template = pathlib.Path(__file__).parent / "tools_template.jinja"
    with RealLlama("--jinja", "--chat-template-file", template) as engine, \
            Nova(tmp_path / "data") as nova:
        nova.start("custom", "--url", f"http://127.0.0.1:{engine.port}/v1")
        direct = openai.OpenAI(base_url=f"http://127.0.0.1:{engine.port}/v1", api_key="unused")
        asked = {"model": "smol", "max_tokens": 1, "messages": HELLO}
        without = client_of(nova).chat.completions.create(**asked).usage.prompt_tokens
        shown = client_of(nova).chat.completions.create(**asked, tools=[WEATHER])
        assert shown.usage.prompt_tokens > without + 30
        same = direct.chat.completions.create(**asked, tools=[WEATHER])
        assert shown.usage.prompt_tokens == same.usage.prompt_tokens


def test_json_schema(nova):
    answer = client_of(nova).chat.completions.create(
        model=nova.model(), max_tokens=120, temperature=0,
        messages=[{"role": "user", "content": "Describe a cat as JSON."}],
        response_format={"type": "json_schema",
                         "json_schema": {"name": "cat", "strict": True, "schema": CAT}})
    cat = json.loads(answer.choices[0].message.content)
    assert set(cat) == {"name", "age"} and isinstance(cat["age"], int)


def test_tools_pass_through_unchanged(fake):
    nova, engine = fake
    answer = client_of(nova).chat.completions.create(
        model="fake-model", messages=HELLO, tools=[WEATHER], tool_choice="auto",
        extra_body={"unknown_field": {"kept": [1, 2.5, None]}})
    assert answer.choices[0].message.tool_calls[0].function.name == "weather"
    arrived = json.loads(json.loads(engine.get("/__fake/last")[2])["body"])
    assert arrived["tools"] == [WEATHER]
    assert arrived["unknown_field"] == {"kept": [1, 2.5, None]}


def test_says_where_it_ran(nova):
    _, headers, _ = nova.post("/v1/chat/completions", {
        "model": nova.model(), "messages": HELLO, "max_tokens": 2})
    assert headers["X-Nova-Provider"]


def test_health(nova):
    assert nova.get("/health/live")[0] == 200
    assert nova.get("/health/ready")[0] == 200
    inflight = json.loads(nova.get("/health/inflight")[2])
    assert inflight["local_inflight"] == 0


def test_status_json(nova):
    shown = json.loads(nova.cli("status", "--json").stdout)
    assert "ready" in json.dumps(shown)
    # The same without a secret is refused.
    status, _, _ = request(nova.control, "GET",
                           "/recovery-api/api/v1/recovery/inference/backend")
    assert status == 401
