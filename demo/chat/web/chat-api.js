const TIMEOUT_MS = 10_000;
const UPLOAD_TIMEOUT_MS = 10 * 60_000;

/** The server refused, and would again; `message` is made for people. Any other error: it was not reached, or is ill. */
export class Refusal extends Error {}

async function call(path, query, options = {}, timeout = TIMEOUT_MS) {
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined));
  const response = await fetch(`api/${path}?${parameters}`, { ...options, signal: AbortSignal.timeout(timeout) });
  if (response.status === 204) return undefined;
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

export const loadThread = (as, channelId, rootId) =>
  call(`${channel(channelId)}/threads/${encodeURIComponent(rootId)}`, { as });

/** May be repeated: the same client id never makes a second message. */
export const postMessage = (as, { channelId, clientId, text, files = [], thread, replyTo, alsoToChannel }) =>
  call(
    `${channel(channelId)}/messages`,
    { as },
    json('POST', {
      client_id: clientId,
      text,
      ...(files.length > 0 && { files: files.map(({ id }) => id) }),
      ...(thread && { thread, also_to_channel: alsoToChannel === true }),
      ...(replyTo && { reply_to: replyTo }),
    }),
  );

export const editMessage = (as, message, text) => call(path(message), { as }, json('PUT', { text }));
export const deleteMessage = (as, message) => call(path(message), { as }, { method: 'DELETE' });
export const react = (as, message, emoji, change) =>
  call(`${path(message)}/reactions`, { as }, json('POST', { emoji, change }));
export const press = (as, message, action) => call(`${path(message)}/actions`, { as }, json('POST', { action }));
export const tellTyping = (as, channelId, typing) =>
  call(`${channel(channelId)}/typing`, { as }, json('POST', { typing }));
export const tellRead = (as, channelId, messageId) =>
  call(`${channel(channelId)}/read`, { as }, json('POST', { message_id: messageId }));
export const setTopic = (as, channelId, topic) => call(`${channel(channelId)}/topic`, { as }, json('PUT', { topic }));
export const openConversation = (as, people, remote) => call('conversations', { as }, json('POST', { people, remote }));

/** @param {File} file @returns {Promise<{ id: string, name: string, type: string, size: number }>} */
export const uploadFile = (as, file) =>
  call(
    'files',
    { as, name: file.name || 'file' },
    { method: 'POST', headers: { 'content-type': file.type || 'application/octet-stream' }, body: file },
    UPLOAD_TIMEOUT_MS,
  );

export const setArchived = (as, channelId, archived) =>
  call(`${channel(channelId)}/archived`, { as }, json('PUT', { archived }));

const channel = (id) => `channels/${encodeURIComponent(id)}`;
const path = ({ channel_id: channelId, id }) => `${channel(channelId)}/messages/${encodeURIComponent(id)}`;
