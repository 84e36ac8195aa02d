// The server beats every 15 s; a connection that missed three beats is dead though the browser does not know it yet.
const SILENCE_MS = 45_000;
const RECONNECT_MS = 2_000;

/**
 * Messages as they happen, beginning behind `position`. After a break it goes on where it stopped: nothing is lost,
 * nothing comes twice.
 * @param {{ as: string, position: number, onMessage: (message) => void, onChannels: (channels) => void,
 *   onTyping: (typing) => void, onRead: (read) => void, onState: (connected: boolean) => void, onReset: () => void, onBeat: () => void }} options
 * @returns {{ close(): void }}
 */
export function openLive(options) {
  let position = options.position;
  let source;
  let silence;
  let reconnect;
  let closed = false;

  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(again, SILENCE_MS);
  };

  const again = () => {
    options.onState(false);
    source.close();
    clearTimeout(silence);
    clearTimeout(reconnect);
    reconnect = setTimeout(open, RECONNECT_MS);
  };

  const open = () => {
    if (closed) return;
    source = new EventSource(`api/live?${new URLSearchParams({ as: options.as, after: String(position) })}`);
    source.onopen = () => {
      options.onState(true);
      alive();
    };
    source.onerror = () => {
      // The browser reconnects by itself, with Last-Event-ID, unless it was answered with an error.
      if (source.readyState === EventSource.CLOSED) again();
      else options.onState(false);
    };
    source.onmessage = (event) => {
      alive();
      const message = JSON.parse(event.data);
      position = Math.max(position, message.revision);
      options.onMessage(message);
    };
    source.addEventListener('channels', (event) => {
      alive();
      options.onChannels(JSON.parse(event.data));
    });
    source.addEventListener('typing', (event) => {
      alive();
      options.onTyping(JSON.parse(event.data));
    });
    source.addEventListener('read', (event) => {
      alive();
      options.onRead(JSON.parse(event.data));
    });
    source.addEventListener('beat', () => {
      alive();
      options.onBeat();
    });
    source.addEventListener('reset', () => options.onReset());
  };

  open();
  return {
    close() {
      closed = true;
      clearTimeout(silence);
      clearTimeout(reconnect);
      source.close();
    },
  };
}
