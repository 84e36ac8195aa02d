const TIMEOUT_MS = 10_000;

/** The server's answer was an error; `message` is made for people. */
export class ChatError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function call(path, query, options = {}) {
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined));
  const response = await fetch(`api/${path}?${parameters}`, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body = await response.json().catch(() => undefined);
  if (!response.ok)
    throw new ChatError(body?.error?.code ?? 'unknown', body?.error?.message ?? `Error ${response.status}`);
  return body;
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
