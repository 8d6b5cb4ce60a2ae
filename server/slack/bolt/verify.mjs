// Reads requests, one JSON object per line {secret, stamp, signature, body (base64), now (ms)},
// and writes what @slack/bolt makes of each: {good, error, fields}. Fields are those of a
// slash command as its own body parser reads them.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const { verifySlackRequest } = require('@slack/bolt/dist/receivers/verify-request.js');
const { parseHTTPRequestBody } = require('@slack/bolt/dist/receivers/HTTPModuleFunctions.js');

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, stamp, signature, body, now } = JSON.parse(line);
  const text = Buffer.from(body, 'base64').toString();
  const out = { good: true, error: '', fields: {} };
  try {
    verifySlackRequest({
      signingSecret: secret,
      body: text,
      headers: { 'x-slack-signature': signature, 'x-slack-request-timestamp': Number(stamp) },
      nowMilliseconds: now,
    });
    const parsed = parseHTTPRequestBody({ rawBody: text, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    for (const name of ['team_id', 'channel_id', 'user_id', 'command', 'text', 'response_url']) {
      if (parsed[name] !== undefined) out.fields[name] = parsed[name];
    }
    if (parsed.actions) {
      out.fields = { team_id: parsed.team.id, user_id: parsed.user.id, action: parsed.actions[0].action_id, value: parsed.actions[0].value };
    }
  } catch (e) {
    out.good = false;
    out.error = String(e.message ?? e);
  }
  console.log(JSON.stringify(out));
}
