"""Official clients and frameworks against a running nova; prints one JSON line for each check.

usage: python frameworks.py ROOT_URL MODEL [tools]

Run by frameworks_test.py in a Python of its own (tests/requirements-frameworks.txt). With "tools"
the backend can be made to call one, and only those checks run.
"""
import json
import math
import os
import sys
import traceback

os.environ.update({"LANGSMITH_TRACING": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                   "LITELLM_TELEMETRY": "False", "DO_NOT_TRACK": "1"})

import anthropic  # noqa: E402
import langchain_anthropic  # noqa: E402
import langchain_ollama  # noqa: E402
import langchain_openai  # noqa: E402
import litellm  # noqa: E402
import ollama  # noqa: E402
import openai  # noqa: E402
import pydantic  # noqa: E402

ROOT, MODEL = sys.argv[1:3]
TOOLS = sys.argv[3:] == ["tools"]
HELLO = [{"role": "user", "content": "Say hello to a cat in one short sentence."}]
WEATHER = {"name": "weather", "description": "The weather of a city",
           "parameters": {"type": "object",
                          "properties": {"city": {"type": "string", "maxLength": 12}},
                          "required": ["city"]}}
OPENAI_TOOL = {"type": "function", "function": WEATHER}
ANTHROPIC_TOOL = {"name": "weather", "description": WEATHER["description"],
                  "input_schema": WEATHER["parameters"]}
ASK_WEATHER = [{"role": "user", "content": "What is the weather in Oslo?"}]
SCHEMA = {"type": "object", "additionalProperties": False, "required": ["name", "age"],
          "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}}}

COLD = {"temperature": 0}  # the Anthropic client has no such word any more

CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


def with_tools(function):
    function.tools = True
    return check(function)


def by_openai():
    return openai.OpenAI(base_url=f"{ROOT}/v1", api_key="unused", max_retries=0, timeout=120)


def by_anthropic():
    return anthropic.Anthropic(base_url=ROOT, api_key="unused", max_retries=0, timeout=120)


def by_ollama():
    return ollama.Client(host=ROOT, timeout=120)


def reference(**asked):
    """What the OpenAI client gets for the same wish; the others are compared with it."""
    return by_openai().chat.completions.create(
        model=MODEL, messages=HELLO, temperature=0, seed=1, **asked)


def refused(call, *kinds):
    """The exception of a call that must fail."""
    try:
        call()
    except kinds as error:
        return error
    raise AssertionError("it was not refused")


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


# ---- anthropic

@check
def anthropic_unary():
    same = reference(max_tokens=12)
    answer = by_anthropic().messages.create(
        model=MODEL, max_tokens=12, messages=HELLO, extra_body=COLD)
    assert answer.role == "assistant" and answer.type == "message"
    assert answer.content[0].text.strip()
    assert answer.model == MODEL
    finish = {"stop": "end_turn", "length": "max_tokens"}
    assert answer.stop_reason == finish[same.choices[0].finish_reason]
    assert answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) == (
        same.usage.prompt_tokens)
    assert answer.usage.output_tokens == same.usage.completion_tokens


@check
def anthropic_stream():
    whole = by_anthropic().messages.create(
        model=MODEL, max_tokens=24, messages=HELLO, extra_body=COLD).content[0].text
    kinds = []
    with by_anthropic().messages.stream(
            model=MODEL, max_tokens=24, messages=HELLO, extra_body=COLD) as stream:
        for event in stream:
            kinds.append(event.type)
        final = stream.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert kinds.count("content_block_delta") > 3
    assert final.content[0].text == whole
    assert final.usage.output_tokens > 0 and final.stop_reason in ("end_turn", "max_tokens")


@check
def anthropic_system_and_turns():
    answer = by_anthropic().messages.create(
        model=MODEL, max_tokens=8, system="You are brief.", stop_sequences=["\n\n"],
        messages=[*HELLO, {"role": "assistant", "content": "Hello, cat."},
                  {"role": "user", "content": [{"type": "text", "text": "Again."}]}])
    assert answer.content[0].text is not None


@check
def anthropic_unknown_model():
    error = refused(lambda: by_anthropic().messages.create(
        model="no-such-model", max_tokens=8, messages=HELLO), anthropic.NotFoundError)
    assert error.body["type"] == "error"
    assert error.body["error"]["type"] == "not_found_error"
    assert "no-such-model" in error.body["error"]["message"]


@check
def anthropic_malformed():
    error = refused(lambda: by_anthropic().messages.create(
        model=MODEL, max_tokens=8, messages="not a list"), anthropic.BadRequestError)
    assert error.body["error"]["type"] == "invalid_request_error"


@check
def anthropic_cancel():
    with by_anthropic().messages.stream(
            model=MODEL, max_tokens=400, messages=HELLO) as stream:
        for _ in stream:
            break
    anthropic_unary()


@with_tools
def anthropic_tool():
    answer = by_anthropic().messages.create(
        model=MODEL, max_tokens=80, messages=ASK_WEATHER, tools=[ANTHROPIC_TOOL],
        tool_choice={"type": "tool", "name": "weather"})
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert answer.stop_reason == "tool_use"
    assert calls[0].name == "weather" and isinstance(calls[0].input, dict) and calls[0].id


@with_tools
def anthropic_tool_in_a_stream():
    with by_anthropic().messages.stream(
            model=MODEL, max_tokens=80, messages=ASK_WEATHER, tools=[ANTHROPIC_TOOL],
            tool_choice={"type": "any"}) as stream:
        final = stream.get_final_message()
    calls = [block for block in final.content if block.type == "tool_use"]
    assert final.stop_reason == "tool_use" and isinstance(calls[0].input, dict)


@with_tools
def anthropic_tool_result():
    asked = by_anthropic().messages.create(
        model=MODEL, max_tokens=80, messages=ASK_WEATHER, tools=[ANTHROPIC_TOOL],
        tool_choice={"type": "any"})
    call = [block for block in asked.content if block.type == "tool_use"][0]
    answer = by_anthropic().messages.create(
        model=MODEL, max_tokens=12, tools=[ANTHROPIC_TOOL], tool_choice={"type": "none"},
        messages=[*ASK_WEATHER, {"role": "assistant", "content": asked.content},
                  {"role": "user", "content": [
                      {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}]}])
    assert answer.usage.output_tokens > 0


# ---- ollama

@check
def ollama_chat():
    same = reference(max_tokens=12)
    answer = by_ollama().chat(model=MODEL, messages=HELLO,
                              options={"num_predict": 12, "temperature": 0, "seed": 1})
    assert answer.message.role == "assistant" and answer.message.content.strip()
    assert answer.done and answer.model == MODEL
    assert answer.done_reason == same.choices[0].finish_reason
    assert answer.eval_count == same.usage.completion_tokens
    assert answer.created_at


@check
def ollama_chat_stream():
    asked = {"model": MODEL, "messages": HELLO,
             "options": {"num_predict": 24, "temperature": 0, "seed": 1}}
    whole = by_ollama().chat(**asked).message.content
    parts = list(by_ollama().chat(**asked, stream=True))
    assert "".join(part.message.content or "" for part in parts) == whole
    assert [part.done for part in parts].count(True) == 1 and parts[-1].done
    assert parts[-1].eval_count > 0


@check
def ollama_generate():
    asked = {"model": MODEL, "prompt": "The capital of France is",
             "options": {"num_predict": 8, "temperature": 0}}
    whole = by_ollama().generate(**asked)
    assert whole.response.strip() and whole.done
    parts = list(by_ollama().generate(**asked, stream=True))
    assert "".join(part.response for part in parts) == whole.response


@check
def ollama_format():
    answer = by_ollama().chat(
        model=MODEL, messages=[{"role": "user", "content": "Describe a cat as JSON."}],
        format=SCHEMA, options={"num_predict": 120, "temperature": 0})
    cat = json.loads(answer.message.content)
    assert set(cat) == {"name", "age"} and isinstance(cat["age"], int)


@check
def ollama_embed():
    answer = by_ollama().embed(model=MODEL, input=["a cat", "a kitten"])
    assert len(answer.embeddings) == 2 and len(answer.embeddings[0]) == len(answer.embeddings[1])
    assert cosine(*answer.embeddings) > 0.3


@check
def ollama_lists():
    names = [model.model for model in by_ollama().list().models]
    assert MODEL in names or f"{MODEL}:latest" in names
    assert by_ollama().ps().models
    assert by_ollama().show(MODEL).model_dump()


@check
def ollama_unknown_model():
    error = refused(lambda: by_ollama().chat(model="no-such-model", messages=HELLO),
                    ollama.ResponseError)
    assert error.status_code == 404 and "no-such-model" in error.error


@check
def ollama_management_is_not_here():
    error = refused(lambda: by_ollama().pull("smollm2:135m"), ollama.ResponseError)
    assert error.status_code in (403, 404)


# ---- openai, the release that the frameworks want

@with_tools
def openai_forced_tool():
    answer = by_openai().chat.completions.create(
        model=MODEL, max_tokens=80, messages=ASK_WEATHER, tools=[OPENAI_TOOL],
        tool_choice="required").choices[0]
    assert answer.finish_reason == "tool_calls"
    call = answer.message.tool_calls[0]
    assert call.id and call.function.name == "weather"
    assert isinstance(json.loads(call.function.arguments), dict)


@with_tools
def openai_forced_tool_in_a_stream():
    names, arguments, finish = [], "", None
    for chunk in by_openai().chat.completions.create(
            model=MODEL, max_tokens=80, messages=ASK_WEATHER, tools=[OPENAI_TOOL],
            tool_choice="required", stream=True):
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                assert call.index == 0
                names += [call.function.name] if call.function.name else []
                arguments += call.function.arguments or ""
    assert names == ["weather"] and finish == "tool_calls"
    assert isinstance(json.loads(arguments), dict)


# ---- LangChain

def chats():
    return (
        langchain_openai.ChatOpenAI(base_url=f"{ROOT}/v1", api_key="unused", model=MODEL,
                                    max_tokens=12, temperature=0, max_retries=0, timeout=120),
        langchain_ollama.ChatOllama(base_url=ROOT, model=MODEL, num_predict=12, temperature=0),
        langchain_anthropic.ChatAnthropic(base_url=ROOT, api_key="unused", model_name=MODEL,
                                          max_tokens_to_sample=12, temperature=0, max_retries=0,
                                          timeout=120, stop=None),
    )


@check
def langchain_chat():
    answers = [chat.invoke("Say hello to a cat in one short sentence.") for chat in chats()]
    assert all(answer.text.strip() for answer in answers)
    spent = {answer.usage_metadata["output_tokens"] for answer in answers}
    assert len(spent) == 1, spent


@check
def langchain_stream():
    for chat in chats():
        parts = list(chat.stream("Say hello to a cat in one short sentence."))
        assert len(parts) > 3 and "".join(part.text for part in parts).strip()


@check
def langchain_structured():
    class Cat(pydantic.BaseModel):
        name: str = pydantic.Field(max_length=20)
        age: int

    chat = langchain_openai.ChatOpenAI(base_url=f"{ROOT}/v1", api_key="unused", model=MODEL,
                                       max_tokens=120, temperature=0, max_retries=0)
    cat = chat.with_structured_output(Cat, method="json_schema").invoke("Describe a cat as JSON.")
    assert isinstance(cat.age, int)


@check
def langchain_embeddings():
    texts = ["a cat", "a kitten"]
    for made in (
            langchain_openai.OpenAIEmbeddings(base_url=f"{ROOT}/v1", api_key="unused", model=MODEL,
                                              check_embedding_ctx_length=False),
            langchain_ollama.OllamaEmbeddings(base_url=ROOT, model=MODEL)):
        vectors = made.embed_documents(texts)
        assert len(vectors) == 2 and cosine(*vectors) > 0.3


@with_tools
def langchain_tool():
    chat = langchain_openai.ChatOpenAI(base_url=f"{ROOT}/v1", api_key="unused", model=MODEL,
                                       max_tokens=80, max_retries=0)
    bound = chat.bind_tools([OPENAI_TOOL], tool_choice="required")
    call = bound.invoke("What is the weather in Oslo?").tool_calls[0]
    assert call["name"] == "weather" and isinstance(call["args"], dict)


# ---- LiteLLM

ROUTES = {
    "openai": {"model": f"openai/{MODEL}", "api_base": f"{ROOT}/v1", "api_key": "unused"},
    "anthropic": {"model": f"anthropic/{MODEL}", "api_base": ROOT, "api_key": "unused"},
    "ollama": {"model": f"ollama_chat/{MODEL}", "api_base": ROOT},
}


@check
def litellm_completion():
    spent = {}
    for name, route in ROUTES.items():
        answer = litellm.completion(**route, messages=HELLO, max_tokens=12, temperature=0)
        assert answer.choices[0].message.content.strip(), name
        assert answer.choices[0].finish_reason in ("stop", "length"), name
        spent[name] = answer.usage.completion_tokens
    assert len(set(spent.values())) == 1, spent


@check
def litellm_stream():
    for name, route in ROUTES.items():
        parts = list(litellm.completion(**route, messages=HELLO, max_tokens=12, temperature=0,
                                        stream=True))
        text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
        assert text.strip() and len(parts) > 3, name


@check
def litellm_embedding():
    route = {**ROUTES["openai"], "encoding_format": "float"}
    answer = litellm.embedding(**route, input=["a cat", "a kitten"])
    assert cosine(*[row["embedding"] for row in answer.data]) > 0.3


@check
def litellm_unknown_model():
    route = {**ROUTES["openai"], "model": "openai/no-such-model"}
    refused(lambda: litellm.completion(**route, messages=HELLO, num_retries=0),
            litellm.NotFoundError)


def main():
    for name, function in CHECKS.items():
        if getattr(function, "tools", False) != TOOLS:
            continue
        try:
            function()
            line = {"name": name, "passed": True}
        except Exception:  # whatever it is, the line tells it
            line = {"name": name, "passed": False, "why": traceback.format_exc()[-3000:]}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
