// Runs calls of the npm package "clicksend", as it is.
//
//   node clicksend.mjs BASE-URL
//
// Each line of its input is a call: {"api": "SMSApi", "method": "smsSendPost", "args": [...], "username": "...", "key": "...",
// "under": ""}. What under holds stands between the base URL and the path.
// {"model": "SmsMessage", "of": {...}} in an argument is an object of that class with these properties; null is left out.
// Each line of its output is what came of the next one: {"resolved": true, "status": 200, "headers": {...}, "body": ...}, or
// {"resolved": false, "error": "..."} if the package failed without an answer.

import { createInterface } from 'node:readline';
import clicksend from 'clicksend';

const [base] = process.argv.slice(2);

function revive(value) {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object') return value;
  const properties = Object.fromEntries(Object.entries(value.of ?? value).map(([name, of]) => [name, revive(of)]));
  return value.model ? Object.assign(new clicksend[value.model](), properties) : properties;
}

async function call({ api, method, args, username, key, under }) {
  const of = new clicksend[api](username, key, base + under);
  const answered = ({ response, body }, resolved) => ({ resolved, status: response.statusCode, headers: response.headers, body });
  try {
    return answered(await of[method](...args.map(revive)), true);
  } catch (reason) {
    return reason?.response ? answered(reason, false) : { resolved: false, error: String(reason?.stack ?? reason) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await call(JSON.parse(line))));
}
