import type { ServerResponse } from 'node:http';
import type { Ephemera } from './ephemera.js';
import { authorView, viewsOf } from './message-view.js';
import type { Messages } from './messages.js';
import type { Channel, Person } from './model.js';
import type { Store } from './store.js';
import type { Wakeups } from './wakeups.js';

const BATCH = 100;
// Below the minute after which proxies close a silent connection; the page takes three missing beats for a dead one.
const BEAT_MS = 15_000;
const RECONNECT_MS = 1_000;

/**
 * Server-sent events for open pages. Each page is a cursor on the log: what it missed while it was away and what
 * happens now reach it by the same reading, so a reconnect loses nothing and repeats nothing.
 *
 * Events: (unnamed, with the revision as id) a message as it is now; `channels` the channels as they are now; `typing` and `read`; `beat`;
 * `reset` when the page knows a position that this log does not have.
 */
export class LiveUpdates {
  readonly #store: Store;
  readonly #messages: Messages;
  readonly #ephemera: Ephemera;
  readonly #wakeups: Wakeups;
  readonly #open = new Set<ServerResponse>();

  constructor(store: Store, messages: Messages, ephemera: Ephemera, wakeups: Wakeups) {
    this.#store = store;
    this.#messages = messages;
    this.#ephemera = ephemera;
    this.#wakeups = wakeups;
  }

  /** Takes over the response; it stays open until the page leaves or the chat closes. */
  open(response: ServerResponse, viewer: Person, after: number): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.write(`retry: ${RECONNECT_MS}\n\n`);
    if (after > this.#store.head()) {
      response.end('event: reset\ndata: {}\n\n');
      return;
    }
    const send = (text: string): void => {
      if (!response.writableEnded) response.write(text);
    };
    let position = after;
    const catchUp = (): void => {
      // A page that reads slowly is not given more until it has taken what it has: see 'drain' below.
      while (!response.writableNeedDrain && !response.writableEnded) {
        const messages = this.#messages.changedAfter(position, viewer, BATCH);
        for (const view of viewsOf(messages, viewer, this.#messages)) {
          response.write(`id: ${view.revision}\ndata: ${JSON.stringify(view)}\n\n`);
          position = view.revision;
        }
        if (messages.length < BATCH) return;
      }
    };
    const tellChannels = (): void => {
      send(`event: channels\ndata: ${JSON.stringify(this.#channels(viewer))}\n\n`);
    };
    const unsubscribe = this.#wakeups.subscribe((change) => (change === 'message' ? catchUp() : tellChannels()));
    const unlisten = this.#ephemera.subscribe(({ type, channelId, by, typing, messageId }) => {
      const channel = this.#store.channel(channelId);
      if (by.id === viewer.id || !channel || !this.#store.sees(viewer, channel)) return;
      const told = { channel_id: channelId, by, typing, message_id: messageId };
      send(`event: ${type}\ndata: ${JSON.stringify(told)}\n\n`);
    });
    const beat = setInterval(() => send('event: beat\ndata: {}\n\n'), BEAT_MS);
    this.#open.add(response);
    response.on('drain', catchUp);
    response.on('close', () => {
      clearInterval(beat);
      unsubscribe();
      unlisten();
      this.#open.delete(response);
    });
    tellChannels();
    catchUp();
  }

  /** With the people of other companies in them. */
  #channels(viewer: Person): (Channel & { guests: unknown[] })[] {
    const guests = this.#store.guests(viewer);
    return this.#store
      .channels(viewer)
      .map((channel) => ({ ...channel, guests: (guests.get(channel.id) ?? []).map(authorView) }));
  }

  close(): void {
    for (const response of this.#open) response.end();
  }
}
