// The official Node SDK in talks over WebSocket; prints as JSON what it saw.
//
//     node node_sdk.mjs ws://HOST:PORT/v1 FOLDER_WITH_NODE_MODULES

import { createRequire } from "node:module";

const [url, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const OpenAI = require("openai");
const { ResponsesWS } = require("openai/resources/responses/ws");

const TIMER = {
  type: "function",
  name: "set_timer",
  description: "Set a timer.",
  parameters: {
    type: "object",
    properties: { minutes: { type: "integer" } },
    required: ["minutes"],
    additionalProperties: false,
  },
  strict: true,
};

const ENDS = ["response.completed", "response.incomplete", "response.failed"];

// One connection.
class Talk {
  constructor(client) {
    this.socket = new ResponsesWS(client);
    this.events = this.socket.stream();
  }

  // Ask for a response that the server does not store.
  ask(input, parent, more = {}) {
    const request = { type: "response.create", model: "script", input, store: false, ...more };
    this.socket.send(parent ? { ...request, previous_response_id: parent } : request);
  }

  // The next event; throws the SDK's error where the server sent one.
  async hear() {
    for (;;) {
      const { done, value } = await this.events.next();
      if (done || value.type === "close") throw new Error("the connection ended");
      if (value.type === "error") throw value.error;
      if (value.type === "message") return value.message;
    }
  }

  // The next event of this type.
  async until(type) {
    for (;;) {
      const event = await this.hear();
      if (event.type === type) return event;
    }
  }

  // What is still to come of a response.
  async rest() {
    const deltas = [];
    for (;;) {
      const event = await this.hear();
      if (event.type === "response.output_text.delta") deltas.push(event.delta);
      if (ENDS.includes(event.type)) return summary(event.response, deltas);
    }
  }

  // Ask, and hear the answer to its end.
  answer(input, parent, more) {
    this.ask(input, parent, more);
    return this.rest();
  }
}

function summary(response, deltas) {
  const calls = response.output.filter((item) => item.type === "function_call");
  const parts = response.output.flatMap((item) => item.content ?? []);
  return {
    id: response.id,
    parent: response.previous_response_id,
    status: response.status,
    deltas,
    text: parts.map((part) => part.text).join(""),
    calls: calls.map(({ call_id, name, arguments: given }) => ({ call_id, name, arguments: given })),
  };
}

const talks = {
  turn: (talk) => talk.answer("Hello"),

  async chain(talk) {
    const turns = [];
    for (let n = 0; n < 3; n++) turns.push(await talk.answer("Count", turns.at(-1)?.id));
    return turns;
  },

  async tool(talk) {
    const asked = await talk.answer("Set a timer", undefined, { tools: [TIMER] });
    const { call_id } = asked.calls[0];
    const output = { type: "function_call_output", call_id, output: "ok" };
    return [asked, await talk.answer([output], asked.id, { tools: [TIMER] })];
  },

  // A fork to a second lane; the first goes on while the second still speaks.
  async lanes(talk) {
    const first = await talk.answer("Count", undefined, { stream_id: "a" });
    talk.ask("Something slow", first.id, { stream_id: "b" });
    await talk.until("response.in_progress");
    talk.ask("Count", first.id, { stream_id: "a" });
    const ended = [];
    const texts = { a: "", b: "" };
    const ids = {};
    while (ended.length < 2) {
      const event = await talk.hear();
      if (event.type === "response.output_text.delta") texts[event.stream_id] += event.delta;
      if (event.type === "response.completed") {
        ended.push(event.stream_id);
        ids[event.stream_id] = event.response.id;
      }
    }
    const after = [];
    for (const lane of ["a", "b"]) {
      after.push(await talk.answer("Count", ids[lane], { stream_id: lane }));
    }
    return { first, ended, texts, after };
  },

  async prepared(talk) {
    const ready = await talk.answer("Count", undefined, { generate: false });
    return [ready, await talk.answer([], ready.id)];
  },

  async steered(talk) {
    talk.ask("Something slow");
    const { response } = await talk.until("response.created");
    await talk.until("response.output_text.delta");
    const input = [{ type: "message", role: "user", content: "Hello" }];
    talk.socket.send({ type: "response.steer", previous_response_id: response.id, input });
    await talk.until("response.steer.accepted");
    const end = await talk.until("response.incomplete");
    const reason = end.response.incomplete_details.reason;
    return { id: response.id, reason, answer: await talk.rest() };
  },

  async unknown_parent(talk) {
    talk.ask("Hello", "resp_unknown");
    const error = await talk.until("error").catch((error) => error);
    const { status, error: body } = error.error;
    const seen = { class: error.constructor.name, message: error.message, status, ...body };
    return { error: seen, answer: await talk.answer("Hello") };
  },
};

const client = new OpenAI({ apiKey: "any", baseURL: url.replace("ws:", "http:") });
const seen = {};
for (const [name, hold] of Object.entries(talks)) {
  const talk = new Talk(client);
  seen[name] = await hold(talk);
  talk.socket.close();
}
console.log(JSON.stringify(seen));
