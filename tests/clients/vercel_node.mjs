// The Vercel AI SDK against a running nova; prints one JSON line for each check.
// usage: node vercel_node.mjs BASE_URL MODEL [tools]
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed, generateText, jsonSchema, Output, streamText, tool } from 'ai';
import assert from 'node:assert/strict';

const [baseURL, model, mode] = process.argv.slice(2);
const nova = createOpenAICompatible({
  name: 'nova', baseURL, includeUsage: true, supportsStructuredOutputs: true,
});
const anthropic = createAnthropic({ baseURL, apiKey: 'unused' });
const asked = {
  prompt: 'Say hello to a cat in one short sentence.', maxOutputTokens: 16, maxRetries: 0,
  temperature: 0, // or the model may say no more than "Hi!"
};
const weather = tool({
  description: 'The weather of a city',
  inputSchema: jsonSchema({
    type: 'object', properties: { city: { type: 'string', maxLength: 12 } }, required: ['city'],
  }),
});
const schema = jsonSchema({
  type: 'object',
  additionalProperties: false,
  required: ['name', 'age'],
  properties: { name: { type: 'string', maxLength: 20 }, age: { type: 'integer' } },
});

async function whole(by) {
  const answer = await generateText({ ...asked, model: by });
  assert.ok(answer.text.trim());
  assert.ok(['stop', 'length'].includes(answer.finishReason), answer.finishReason);
  assert.ok(answer.usage.outputTokens > 0);
}

async function pieces(by) {
  const answer = streamText({ ...asked, model: by, onError() {} });
  let count = 0;
  for await (const piece of answer.textStream) {
    count += piece ? 1 : 0;
  }
  assert.ok(count > 3);
  assert.ok((await answer.usage).outputTokens > 0);
}

async function call(by) {
  const answer = await generateText({
    ...asked, prompt: 'What is the weather in Oslo?', model: by, maxOutputTokens: 80,
    tools: { weather }, toolChoice: 'required',
  });
  assert.equal(answer.finishReason, 'tool-calls');
  assert.equal(answer.toolCalls[0].toolName, 'weather');
  assert.equal(typeof answer.toolCalls[0].input, 'object');
}

const plain = {
  generate: () => whole(nova(model)),
  stream: () => pieces(nova(model)),
  anthropic_generate: () => whole(anthropic(model)),
  anthropic_stream: () => pieces(anthropic(model)),

  async object() {
    const answer = await generateText({
      ...asked, model: nova(model), prompt: 'Describe a cat as JSON.', maxOutputTokens: 120,
      temperature: 0, output: Output.object({ schema }),
    });
    assert.deepEqual(Object.keys(answer.output).sort(), ['age', 'name']);
  },

  async embed() {
    const answer = await embed({ model: nova.embeddingModel(model), value: 'a cat' });
    assert.ok(answer.embedding.length > 10);
  },

  async unknown_model() {
    await assert.rejects(
      generateText({ ...asked, model: nova('no-such-model') }),
      (error) => error.statusCode === 404 && error.message.includes('no-such-model'),
    );
  },

  async abandoned_stream() {
    const left = new AbortController();
    const answer = streamText({
      ...asked, model: nova(model), maxOutputTokens: 400, abortSignal: left.signal, onError() {},
    });
    try {
      for await (const piece of answer.textStream) {
        assert.equal(typeof piece, 'string');
        left.abort();
      }
    } catch (error) {
      assert.equal(error.name, 'AbortError');
    }
    await whole(nova(model));
  },
};

const tools = {
  tool: () => call(nova(model)),
  anthropic_tool: () => call(anthropic(model)),

  async tool_in_a_stream() {
    const answer = streamText({
      ...asked, prompt: 'What is the weather in Oslo?', model: nova(model), maxOutputTokens: 80,
      tools: { weather }, toolChoice: 'required', onError() {},
    });
    const calls = await answer.toolCalls;
    assert.equal(calls[0].toolName, 'weather');
    assert.equal(await answer.finishReason, 'tool-calls');
  },
};

for (const [name, check] of Object.entries(mode === 'tools' ? tools : plain)) {
  try {
    await check();
    console.log(JSON.stringify({ name, passed: true }));
  } catch (error) {
    console.log(JSON.stringify({ name, passed: false, why: String(error?.stack ?? error) }));
  }
}
