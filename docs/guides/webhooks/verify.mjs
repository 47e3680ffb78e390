import { createHmac, timingSafeEqual } from "node:crypto";

// verify tells whether a post is from us. body is the request's body as it came, byte for byte: a Buffer, not parsed JSON.
export function verify(secret, headers, body) {
  const id = headers["webhook-id"] ?? "";
  const time = headers["webhook-timestamp"] ?? "";
  const signatures = headers["webhook-signature"] ?? "";
  if (!/^\d+$/.test(time) || Math.abs(Date.now() / 1000 - Number(time)) > 300) {
    return false; // old posts may be someone's who has listened
  }
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const want = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest();
  return signatures.split(" ").some((signature) => {
    const [version, text] = signature.split(",", 2);
    const have = Buffer.from(text ?? "", "base64");
    return version === "v1" && have.length === want.length && timingSafeEqual(have, want);
  });
}

// To try it: the headers come from the environment, the body from the standard input.
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const headers = {
  "webhook-id": process.env.WEBHOOK_ID,
  "webhook-timestamp": process.env.WEBHOOK_TIMESTAMP,
  "webhook-signature": process.env.WEBHOOK_SIGNATURE,
};
process.exitCode = verify(process.env.WEBHOOK_SECRET, headers, Buffer.concat(chunks)) ? 0 : 1;
