#!/usr/bin/env node
// Receive webhooks with Node alone, as receiver.py does.
//
//     node examples/receiver.mjs --secret whsec_... [--port 9000]

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const TOLERANCE = 5 * 60; // seconds between the sender's clock and ours
const MAX_BYTES = 100_000; // a body has fewer than 20,000
const MAX_IDS = 10_000; // remembered, to recognise duplicates

const { values, positionals } = parseArgs({
  allowPositionals: true, // more secrets: two are valid while one is rotated
  options: {
    secret: { type: "string", multiple: true },
    port: { type: "string", default: "9000" },
  },
});
if (!values.secret) {
  console.error("usage: node receiver.mjs --secret whsec_... [--port 9000]");
  process.exit(2);
}
const keys = [...values.secret, ...positionals].map((text) =>
  Buffer.from(text.replace(/^whsec_/, ""), "base64"),
);
const seen = new Set(); // in order of arrival

/** Returns the status to reject the request with, or null if a signature is valid and recent. */
function rejection(headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !signatures || !/^\d+$/.test(timestamp ?? "")) return 400;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) return 401;
  const ours = keys.map((key) =>
    createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest(),
  );
  // There are several signatures while secrets are rotated.
  for (const signature of signatures.split(" ")) {
    const [version, text] = signature.split(",");
    const given = Buffer.from(text ?? "", "base64");
    const same = (each) => each.length === given.length && timingSafeEqual(each, given);
    if (version === "v1" && ours.some(same)) return null;
  }
  return 401;
}

function inOneLine({ type, timestamp, data }) {
  const { id, labels, failure } = data.blob ?? {};
  const seenLabels = labels?.map((label) => `${label.name} ${label.confidence}%`).join(", ");
  const labelled = () => `${id} ${seenLabels || "nothing seen"}`;
  const text = {
    "blob.labelled": labelled,
    "blob.labels_changed": labelled,
    "blob.failed": () => `${id} ${failure.code}: ${failure.message}`,
  }[type]?.() ?? JSON.stringify(data); // a test, or a type that is newer than this program
  return `${timestamp} ${type} ${text}`.replace(/\p{C}/gu, "?");
}

async function receive(request, response) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > MAX_BYTES) return response.writeHead(400, { connection: "close" }).end();
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  const status = rejection(request.headers, body);
  if (status) return response.writeHead(status).end();
  const event = JSON.parse(body);
  if (!event?.data) return response.writeHead(400).end();
  const id = request.headers["webhook-id"];
  const isDuplicate = seen.has(id);
  seen.add(id);
  if (seen.size > MAX_IDS) seen.delete(seen.values().next().value);
  // Answer first, then work. Store the event in a database or a queue before you answer: a crash
  // loses what is only in memory.
  response.writeHead(204).end(() => isDuplicate || console.log(inOneLine(event)));
}

const server = createServer((request, response) =>
  receive(request, response).catch((error) => {
    console.error(`rejected: ${error.message}`); // the sender closed the connection, or sent invalid JSON
    if (!response.headersSent) response.writeHead(400).end();
  }),
);
server.requestTimeout = 10_000;
server.listen(Number(values.port), "127.0.0.1", () =>
  console.log(`Listening on http://127.0.0.1:${server.address().port}/`),
);
