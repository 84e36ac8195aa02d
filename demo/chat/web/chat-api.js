const TIMEOUT_MS = 10_000;

/** The server refused, and would again; `message` is made for people. Any other error: it was not reached, or is ill. */
export class Refusal extends Error {}

async function call(path, query, options = {}) {
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined));
  const response = await fetch(`api/${path}?${parameters}`, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.ok) return response.json();
  if (response.status >= 500) throw new Error(`The chat answered ${response.status}.`);
  const body = await response.json().catch(() => undefined);
  throw new Refusal(body?.error?.message ?? `The chat answered ${response.status}.`);
}

const json = (method, body) => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

export const loadWorkspace = (as) => call('workspace', { as });

export const loadHistory = (as, channelId, before) =>
  call(`channels/${encodeURIComponent(channelId)}/messages`, { as, before, limit: 50 });

/** May be repeated: the same client id never makes a second message. */
export const postMessage = (as, channelId, clientId, text) =>
  call(`channels/${encodeURIComponent(channelId)}/messages`, { as }, json('POST', { client_id: clientId, text }));

export const setArchived = (channelId, archived) =>
  call(`channels/${encodeURIComponent(channelId)}/archived`, {}, json('PUT', { archived }));
