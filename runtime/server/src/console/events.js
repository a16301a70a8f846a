// Server-Sent Events by fetch, so that the token goes along, which `EventSource` cannot send.

import { ApiError, open } from "./api.js";

const AGAIN_MS = 1_000;

/** Splits a stream of bytes into events: `{ id, event, data }`. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const pieces = (rest + value).split("\n\n");
      rest = pieces.pop();
      for (const piece of pieces) {
        const event = parse(piece);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** One event; nothing for a comment. */
export function parse(text) {
  const found = { id: null, event: "message", data: "" };
  let isEvent = false;
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") [found.data, isEvent] = [found.data + value, true];
    else if (name === "id") found.id = value;
    else if (name === "event") found.event = value;
  }
  return isEvent ? found : null;
}

function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}

/**
 * Follows a stream until `signal`, and connects again where it breaks off, behind the last event.
 * `onOpen` is called for each connection, `onEvent` for each event, `onTrouble` while there is none.
 * Throws what the server refuses for good.
 */
export async function follow(path, { signal, onOpen, onEvent, onTrouble }) {
  let last = null;
  while (!signal.aborted) {
    try {
      const headers = { accept: "text/event-stream" };
      if (last !== null) headers["last-event-id"] = last;
      const answer = await open(path, { headers, signal });
      onOpen?.();
      for await (const event of events(answer.body)) {
        if (signal.aborted) return;
        if (event.event === "error") {
          const told = JSON.parse(event.data).error;
          throw new ApiError(400, told.code, told.message, told.next);
        }
        if (event.id !== null) last = event.id;
        if (event.event !== "end") onEvent(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
      onTrouble?.(error);
    }
    await pause(AGAIN_MS, signal);
  }
}
