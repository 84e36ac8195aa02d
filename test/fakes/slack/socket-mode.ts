import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ACK_MS, type Attempt, type Delivery, RETRIES_MS, type Timers, type Transport } from './deliveries.js';
import { type Json, isJson } from './model.js';
import { ServerSocket } from './websocket.js';

const MAX_CONNECTIONS = 10; // docs.slack.dev/apis/events-api/using-socket-mode
const PING_MS = 10_000;
/** Between the word of a disconnect and the end of the connection. */
const DISCONNECT_MS = 10_000;
const CONNECTION_S = 3_600;

export type DisconnectReason = 'warning' | 'refresh_requested' | 'link_disabled' | 'too_many_websockets';

interface Connection {
  readonly id: number;
  readonly socket: ServerSocket;
  readonly waiting: Map<string, Pending>;
  /** Told to go: nothing new is sent on it. */
  draining: boolean;
}

interface Pending {
  readonly delivery: Delivery;
  readonly attempt: Attempt;
  timer: NodeJS.Timeout | undefined;
}

/** Socket Mode: several connections, each envelope to one of them, acknowledged within 3 s or sent on another. */
export class SocketMode implements Transport {
  private readonly tickets = new Set<string>();
  private readonly connections: Connection[] = [];
  /** Closed for both sides, and still there below. */
  private readonly lingering = new Set<ServerSocket>();
  private opened = 0;
  private turn = 0;
  /**
   * Slack itself leaves the TCP connection open after the closing handshake (slackapi/node-slack-sdk#2752), which makes
   * a client wait; here only when a test wants it, for new connections.
   */
  lingers = false;
  /** Every acknowledgement that came, also late and unknown ones. */
  readonly acknowledged: string[] = [];

  constructor(
    private readonly appId: string,
    private readonly timers: Timers,
  ) {}

  /** Connections that are open now. */
  get size(): number {
    return this.connections.length;
  }

  /** The answer of apps.connections.open: an address that takes one connection. */
  ticket(origin: string): string {
    const ticket = randomUUID();
    this.tickets.add(ticket);
    return `${origin.replace(/^http/, 'ws')}/link/?ticket=${ticket}&app_id=${this.appId}`;
  }

  accept(request: IncomingMessage, socket: Duplex): void {
    const ticket = new URL(request.url ?? '', 'http://localhost').searchParams.get('ticket') ?? '';
    if (!this.tickets.delete(ticket)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.opened += 1;
    const connection: Connection = {
      id: this.opened,
      socket: new ServerSocket(request, socket),
      waiting: new Map(),
      draining: false,
    };
    connection.socket.lingers = this.lingers;
    connection.socket.onText = (text) => this.receive(connection, text);
    connection.socket.onClose = () => this.gone(connection);
    if (this.connections.length >= MAX_CONNECTIONS) {
      this.say(connection, { type: 'disconnect', reason: 'too_many_websockets', ...this.about() });
      connection.socket.close();
      return;
    }
    this.connections.push(connection);
    this.say(connection, { type: 'hello', ...this.about() });
    this.pingLater(connection);
  }

  deliver(delivery: Delivery): void {
    this.attempt(delivery, 0, '', undefined);
  }

  /** Slack asks the app to connect anew: on all connections, or the nth of those that are open. */
  disconnect(reason: DisconnectReason, which?: number): void {
    for (const connection of this.chosen(which)) {
      connection.draining = reason !== 'warning';
      this.say(connection, { type: 'disconnect', reason, ...this.about() });
      this.timers.after(DISCONNECT_MS, () => connection.socket.close());
    }
  }

  /** The network is gone from one moment to the next. */
  drop(which?: number): void {
    for (const connection of this.chosen(which)) connection.socket.destroy();
  }

  /** The connection stands but nothing comes back, not even a pong. */
  hang(which?: number): void {
    for (const connection of this.chosen(which)) connection.socket.answersPings = false;
  }

  close(): void {
    for (const connection of [...this.connections]) connection.socket.destroy();
    for (const socket of this.lingering) socket.destroy();
  }

  private chosen(which: number | undefined): Connection[] {
    return which === undefined ? [...this.connections] : this.connections.slice(which, which + 1);
  }

  private about(): Json {
    return {
      num_connections: this.connections.length,
      debug_info: { host: 'applink-fake', build_number: 1, approximate_connection_time: CONNECTION_S },
      connection_info: { app_id: this.appId },
    };
  }

  private say(connection: Connection, message: Json): void {
    connection.socket.sendText(JSON.stringify(message));
  }

  private pingLater(connection: Connection): void {
    this.timers.after(PING_MS / Math.max(this.timers.scale, 0.01), () => {
      if (!connection.socket.open) return;
      connection.socket.ping();
      this.pingLater(connection);
    });
  }

  private attempt(delivery: Delivery, retry: number, reason: string, not: Connection | undefined): void {
    const attempt: Attempt = { at: Date.now(), retry, reason, outcome: 'pending' };
    delivery.attempts.push(attempt);
    const connection = this.pick(not);
    if (connection === undefined) {
      this.failed(delivery, attempt, 'connection_failed', undefined);
      return;
    }
    const envelopeId = randomUUID();
    const pending: Pending = { delivery, attempt, timer: undefined };
    connection.waiting.set(envelopeId, pending);
    pending.timer = this.timers.after(ACK_MS, () => {
      connection.waiting.delete(envelopeId);
      this.failed(delivery, attempt, 'timeout', connection);
    });
    const event = delivery.type === 'events_api';
    this.say(connection, {
      envelope_id: envelopeId,
      payload: delivery.payload,
      type: delivery.type,
      accepts_response_payload: !event,
      ...(event ? { retry_attempt: retry, retry_reason: reason } : {}),
    });
  }

  /** One of those that are not told to go; another than before where there is one. */
  private pick(not: Connection | undefined): Connection | undefined {
    const able = this.connections.filter((each) => !each.draining && each.socket.open);
    const others = able.filter((each) => each !== not);
    const from = others.length > 0 ? others : able;
    this.turn += 1;
    return from[this.turn % Math.max(from.length, 1)];
  }

  private failed(delivery: Delivery, attempt: Attempt, reason: string, where: Connection | undefined): void {
    attempt.outcome = 'failed';
    const wait = RETRIES_MS[attempt.retry];
    // People who typed a command are told that the app did not answer; only events are sent again.
    if (delivery.type !== 'events_api' || wait === undefined) {
      delivery.state = 'lost';
      return;
    }
    this.timers.afterRetry(wait, () => this.attempt(delivery, attempt.retry + 1, reason, where));
  }

  private receive(connection: Connection, text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      connection.socket.close(1003);
      return;
    }
    if (!isJson(message) || typeof message.envelope_id !== 'string') return;
    this.acknowledged.push(message.envelope_id);
    const pending = connection.waiting.get(message.envelope_id);
    if (pending === undefined) return;
    connection.waiting.delete(message.envelope_id);
    this.timers.cancel(pending.timer);
    pending.attempt.outcome = 'acknowledged';
    pending.delivery.state = 'acknowledged';
    if (isJson(message.payload) && Object.keys(message.payload).length > 0) pending.delivery.answer = message.payload;
  }

  private gone(connection: Connection): void {
    if (connection.socket.lingers) this.lingering.add(connection.socket);
    const index = this.connections.indexOf(connection);
    if (index >= 0) this.connections.splice(index, 1);
    for (const [id, pending] of connection.waiting) {
      connection.waiting.delete(id);
      this.timers.cancel(pending.timer);
      this.failed(pending.delivery, pending.attempt, 'connection_failed', connection);
    }
  }
}

/** A token as an app's settings page would show it. */
export const freshSecret = (prefix: string): string => `${prefix}${randomBytes(16).toString('hex')}`;
