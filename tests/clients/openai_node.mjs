// The official openai npm client against a running nova; prints one JSON line for each check.
// usage: node openai_node.mjs BASE_URL MODEL
import OpenAI, { NotFoundError } from 'openai';
import assert from 'node:assert/strict';

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'unused', maxRetries: 0, timeout: 120_000 });
const messages = [{ role: 'user', content: 'Say hello to a cat in one short sentence.' }];
const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'age'],
  properties: { name: { type: 'string', maxLength: 20 }, age: { type: 'integer' } },
};

const checks = {
  async unary() {
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 16 });
    assert.ok(answer.choices[0].message.content.trim());
    assert.equal(answer.model, model);
  },

  async stream() {
    let text = '';
    let chunks = 0;
    const stream = await client.chat.completions.create({
      model, messages, max_tokens: 16, stream: true,
    });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      chunks += 1;
    }
    assert.ok(text.trim());
    assert.ok(chunks > 3);
  },

  async include_usage() {
    let usage = null;
    const stream = await client.chat.completions.create({
      model, messages, max_tokens: 8, stream: true, stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      usage = chunk.usage ?? usage;
    }
    assert.ok(usage.completion_tokens > 0);
  },

  async abandoned_stream() {
    const stream = await client.chat.completions.create({
      model, messages, max_tokens: 400, stream: true,
    });
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      break; // the client aborts the request; the next one must find nova in good health
    }
    await checks.unary();
  },

  async json_schema() {
    const answer = await client.chat.completions.create({
      model, max_tokens: 120, temperature: 0,
      messages: [{ role: 'user', content: 'Describe a cat as JSON.' }],
      response_format: { type: 'json_schema', json_schema: { name: 'cat', strict: true, schema } },
    });
    const cat = JSON.parse(answer.choices[0].message.content);
    assert.deepEqual(Object.keys(cat).sort(), ['age', 'name']);
  },

  async models() {
    const listed = (await client.models.list()).data.map((m) => m.id);
    assert.ok(listed.includes(model));
  },

  async unknown_model() {
    await assert.rejects(
      client.chat.completions.create({ model: 'no-such-model', messages }),
      (error) => error instanceof NotFoundError && error.code === 'model_not_found',
    );
  },

  async malformed_body() {
    const answer = await fetch(`${baseURL}/chat/completions`, {
      method: 'POST', body: '{', headers: { 'Content-Type': 'application/json' },
    });
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).error.type, 'invalid_request_error');
  },

  async embeddings() {
    const answer = await client.embeddings.create({ model, input: ['a cat', 'a dog'] });
    assert.equal(answer.data.length, 2);
    assert.equal(answer.data[0].embedding.length, 576);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(JSON.stringify({ name, passed: true }));
  } catch (error) {
    console.log(JSON.stringify({ name, passed: false, why: String(error?.stack ?? error) }));
  }
}
